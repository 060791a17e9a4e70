//! Usage times prices.

use serde::{Deserialize, Serialize};

use crate::prices::Prices;
use crate::usage::{GB, Usage};

/// One line of a bill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What is paid for.
    pub what: String,
    /// How much of it.
    pub quantity: f64,
    /// What the quantity counts.
    pub unit: String,
    /// The price of the whole quantity, in USD.
    pub usd: f64,
}

/// What a run costs at list prices in USD, without tax and without the free tier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bill {
    /// What is paid once.
    pub run: Vec<Item>,
    /// What is paid each month for as long as the run's files are kept.
    pub month: Vec<Item>,
    /// The sum of what is paid once.
    pub run_usd: f64,
    /// The sum of what is paid each month.
    pub month_usd: f64,
}

impl Bill {
    /// The bill for `usage`.
    pub fn of(usage: &Usage, prices: &Prices) -> Self {
        let (run, month) = (run_items(usage, prices), month_items(usage, prices));
        let sum = |items: &[Item]| items.iter().map(|item| item.usd).sum();
        Self { run_usd: sum(&run), month_usd: sum(&month), run, month }
    }
}

fn run_items(usage: &Usage, prices: &Prices) -> Vec<Item> {
    let gb_second = prices.lambda_gb_second(usage.architecture);
    let mut items: Vec<Item> = usage
        .functions
        .iter()
        .map(|used| item(&format!("Lambda {}", used.function), used.gb_seconds, "GB-s", gb_second))
        .collect();
    let invocations: u64 = usage.functions.iter().map(|used| used.requests).sum();
    let count = |count: u64| count as f64;
    items.extend([
        item("Lambda requests", count(invocations), "requests", prices.lambda_million_requests / 1e6),
        item("Step Functions Standard", count(usage.transitions), "transitions", prices.transitions_thousand / 1e3),
        item(
            "Step Functions Express",
            count(usage.express_requests),
            "executions",
            prices.express_million_requests / 1e6,
        ),
        item("Step Functions Express time", usage.express_gb_seconds, "GB-s", prices.express_gb_second),
        item("S3 PUT, COPY", count(usage.requests.puts), "requests", prices.s3_thousand_puts / 1e3),
        item("S3 GET, HEAD", count(usage.requests.gets), "requests", prices.s3_thousand_gets / 1e3),
        item("S3 LIST", count(usage.requests.lists), "requests", prices.s3_thousand_puts / 1e3),
        item("KMS", count(usage.kms_calls), "calls", prices.kms_ten_thousand_calls / 1e4),
    ]);
    items
}

fn month_items(usage: &Usage, prices: &Prices) -> Vec<Item> {
    let gb = |bytes: u64| bytes as f64 / GB;
    vec![
        item("S3 parts/ and nodes/", gb(usage.stored.parts), "GB", prices.s3_gb_month),
        item("S3 the run's folder", gb(usage.stored.run), "GB", prices.s3_gb_month),
        item("KMS key", 1.0, "keys", prices.kms_key_month),
    ]
}

fn item(what: &str, quantity: f64, unit: &str, price: f64) -> Item {
    Item { what: what.to_owned(), quantity, unit: unit.to_owned(), usd: quantity * price }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::PriceTable;
    use crate::usage::{FunctionUsage, Requests, Stored};
    use crate::workload::Architecture;
    use pomona_run::function::Function;

    fn usage() -> Usage {
        Usage {
            architecture: Architecture::Arm64,
            functions: vec![FunctionUsage { function: Function::ListBatch, requests: 1_000_000, gb_seconds: 1e6 }],
            transitions: 1_000,
            express_requests: 1_000_000,
            express_gb_seconds: 1e5,
            requests: Requests { gets: 1_000_000, puts: 1_000, lists: 1_000 },
            kms_calls: 10_000,
            stored: Stored { parts: 100 << 30, run: 10 << 30 },
        }
    }

    #[test]
    fn a_bill_is_usage_times_the_prices_of_the_region() {
        let table = PriceTable::read().unwrap();
        let usd = |region: &str| {
            let bill = Bill::of(&usage(), table.of(region).unwrap());
            (bill.run_usd, bill.month_usd)
        };
        // By hand: GB-s 13.3334, requests 0.20, transitions 0.025, executions 1, their time 1.667, PUT 0.005, GET 0.40,
        // LIST 0.005, KMS 0.03.
        let (run, month) = usd("eu-west-1");
        assert!((run - 16.6654).abs() < 1e-9, "{run}");
        assert!((month - (110.0 * 0.023 + 1.0)).abs() < 1e-9, "{month}");
        // Paris: transitions 0.0297, PUT and LIST 0.0053, GET 0.42; storage 0.024.
        let (run, month) = usd("eu-west-3");
        assert!((run - 16.6907).abs() < 1e-9, "{run}");
        assert!((month - (110.0 * 0.024 + 1.0)).abs() < 1e-9, "{month}");
    }

    #[test]
    fn a_bill_survives_json() {
        let table = PriceTable::read().unwrap();
        let bill = Bill::of(&usage(), table.of("eu-west-2").unwrap());
        let text = serde_json::to_string(&bill).unwrap();
        let read: Bill = serde_json::from_str(&text).unwrap();
        assert_eq!((read.run.len(), read.month.len()), (bill.run.len(), bill.month.len()));
        // Numbers may differ in their last bit.
        assert!((read.run_usd - bill.run_usd).abs() < 1e-9 && (read.month_usd - bill.month_usd).abs() < 1e-9);
    }
}
