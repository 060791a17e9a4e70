//! Usage times prices.

use serde::{Deserialize, Serialize};

use crate::prices::Prices;
use crate::usage::{GB, Usage};
use crate::watching;

/// One line of a bill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What is paid for.
    pub what: String,
    /// How much of it.
    pub quantity: f64,
    /// What the quantity counts.
    pub unit: String,
    /// The price of the whole quantity, in USD; nothing where no price was found. The sums are without it then.
    pub usd: Option<f64>,
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
        let sum = |items: &[Item]| items.iter().filter_map(|item| item.usd).sum();
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
        item(
            "CloudWatch metrics",
            count(usage.metric_hours),
            "metric-hours",
            prices.metric_month / watching::HOURS_PER_MONTH,
        ),
        item("CloudWatch logs", usage.log_bytes as f64 / GB, "GB", prices.log_gb),
    ]);
    if usage.image_decrypts > 0 {
        let price = prices.kms_ten_thousand_calls / 1e4;
        items.push(item("KMS, no bucket key", count(usage.image_decrypts), "calls", price));
    }
    if let Some(uploads) = usage.uploads {
        let million = |price: Option<f64>| price.map(|price| price / 1e6);
        items.push(item("EventBridge, uploads", count(uploads.events), "events", million(prices.s3_event_million)));
        let price = prices.sqs_million_requests / 1e6;
        items.push(item("SQS, uploads", count(uploads.queue_requests), "requests", price));
    }
    items
}

fn month_items(usage: &Usage, prices: &Prices) -> Vec<Item> {
    let gb = |bytes: u64| bytes as f64 / GB;
    let mut items = vec![
        item("S3 parts/ and nodes/", gb(usage.stored.parts), "GB", prices.s3_gb_month),
        item("S3 the run's folder", gb(usage.stored.run), "GB", prices.s3_gb_month),
        item("KMS key", 1.0, "keys", prices.kms_key_month),
        item("CloudWatch alarms", watching::ALARM_METRICS as f64, "metrics", prices.alarm_month),
        item("CloudWatch dashboard", watching::DASHBOARDS as f64, "dashboards", prices.dashboard_month),
    ];
    items.extend(usage.uploads.map(|uploads| {
        item("SQS, waiting for uploads", uploads.polls as f64, "requests", prices.sqs_million_requests / 1e6)
    }));
    items
}

fn item(what: &str, quantity: f64, unit: &str, price: impl Into<Option<f64>>) -> Item {
    let usd = price.into().map(|price| quantity * price);
    Item { what: what.to_owned(), quantity, unit: unit.to_owned(), usd }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::PriceTable;
    use crate::usage::{FunctionUsage, Requests, Stored, Uploads};
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
            image_decrypts: 0,
            metric_hours: 7_300,
            log_bytes: 10 << 30,
            uploads: None,
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
        // LIST 0.005, KMS 0.03; metrics 3, logs 5.70. Each month a key for 1, ten alarms for 0.10, a dashboard for 3.
        let (run, month) = usd("eu-west-1");
        assert!((run - 16.6654 - 3.0 - 5.7).abs() < 1e-9, "{run}");
        assert!((month - (110.0 * 0.023 + 5.0)).abs() < 1e-9, "{month}");
        // Paris: transitions 0.0297, PUT and LIST 0.0053, GET 0.42; storage 0.024; no price of logs.
        let (run, month) = usd("eu-west-3");
        assert!((run - 16.6907 - 3.0).abs() < 1e-9, "{run}");
        assert!((month - (110.0 * 0.024 + 5.0)).abs() < 1e-9, "{month}");
    }

    fn find<'a>(items: &'a [Item], what: &str) -> Option<&'a Item> {
        items.iter().find(|item| item.what == what)
    }

    #[test]
    fn a_bucket_without_a_bucket_key_pays_kms_for_each_image() {
        let table = PriceTable::read().unwrap();
        let with = Usage { image_decrypts: 10_000_000, ..usage() };
        let bill = Bill::of(&with, table.of("eu-west-1").unwrap());
        assert_eq!(find(&bill.run, "KMS, no bucket key").unwrap().usd.map(f64::round), Some(30.0));
        let without = Bill::of(&usage(), table.of("eu-west-1").unwrap());
        assert!((bill.run_usd - without.run_usd - 30.0).abs() < 1e-9);
        assert!(find(&without.run, "KMS, no bucket key").is_none());
    }

    #[test]
    fn uploads_are_charged_where_they_start_runs_and_what_has_no_price_is_said_and_not_summed() {
        let table = PriceTable::read().unwrap();
        let uploads = Uploads { events: 1_000_000, queue_requests: 1_200_000, polls: 648_000 };
        let with = Bill::of(&Usage { uploads: Some(uploads), ..usage() }, table.of("eu-west-1").unwrap());
        let without = Bill::of(&usage(), table.of("eu-west-1").unwrap());
        let events = find(&with.run, "EventBridge, uploads").unwrap();
        assert_eq!((events.quantity, events.usd), (1e6, None));
        assert!((with.run_usd - without.run_usd - 0.48).abs() < 1e-9);
        assert!((with.month_usd - without.month_usd - 0.2592).abs() < 1e-9);
        assert!(without.run.iter().chain(&without.month).all(|item| !item.what.contains("uploads")));
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
