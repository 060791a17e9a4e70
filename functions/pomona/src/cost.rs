//! `pomona cost`: what a run on AWS will cost, before it is started.

use std::fmt::Write;

use clap::Args;
use pomona_cost::emr::Emr;
use pomona_cost::estimate::{self, Estimate, Row, TABLE_IMAGES};
use pomona_cost::prices::PriceTable;
use pomona_cost::workload::Workload;

use crate::{Ending, Error};

/// Estimate what a run on AWS costs and how long it takes, at list prices
#[derive(Debug, Args)]
pub(crate) struct CostArgs {
    /// How many images
    #[arg(long, value_name = "N")]
    images: u64,
    /// Their mean size in KB (1,000 bytes)
    #[arg(long, value_name = "K")]
    mean_kb: f64,
    /// Whose prices: eu-west-1 (Ireland), eu-west-2 (London) or eu-west-3 (Paris)
    #[arg(long, value_name = "REGION", default_value = "eu-west-1")]
    region: String,
    /// Shards that are worked on at once (the state machine's `max_concurrency`)
    #[arg(long, value_name = "C", default_value_t = Workload::default().concurrency)]
    concurrency: u32,
    /// Milliseconds of a Lambda with one vCPU for each image; large photographs take longer to decode
    #[arg(long, value_name = "M", default_value_t = Workload::default().ms_per_image)]
    ms_per_image: f64,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Runs `pomona cost`.
pub(crate) fn run(args: &CostArgs) -> Result<Ending, Error> {
    let workload = Workload {
        images: args.images,
        mean_bytes: (args.mean_kb * 1e3) as u64,
        concurrency: args.concurrency,
        ms_per_image: args.ms_per_image,
        ..Workload::default()
    };
    let table = PriceTable::read()?;
    let estimate = Estimate::of(&workload, &table, &args.region)?;
    let rows = estimate::rows(&workload, &TABLE_IMAGES, &table, &args.region)?;
    if args.json {
        let json = serde_json::json!({"estimate": estimate, "others": rows, "price_sources": table.sources});
        println!("{}", serde_json::to_string_pretty(&json)?);
    } else {
        print!("{}", screen(&estimate, &rows, &table));
    }
    Ok(Ending::Done)
}

fn screen(estimate: &Estimate, rows: &[Row], table: &PriceTable) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_screen(&mut text, estimate, rows, table);
    text
}

fn write_screen(out: &mut String, estimate: &Estimate, rows: &[Row], table: &PriceTable) -> std::fmt::Result {
    let Estimate { simulation: run, bill, .. } = estimate;
    let workload = &run.workload;
    let place = table.regions.get(&estimate.region).map_or("", |prices| prices.name.as_str());
    writeln!(out, "images      {} of {} KB on average", workload.images, workload.mean_bytes as f64 / 1e3)?;
    writeln!(out, "region      {} ({place})", estimate.region)?;
    writeln!(
        out,
        "work        {} shards, {} at once, {} ms per image (a model; nothing was run)",
        run.shards, workload.concurrency, workload.ms_per_image
    )?;
    writeln!(out, "time        {}", duration(run.seconds))?;

    writeln!(out, "\nonce")?;
    for item in &bill.run {
        writeln!(out, "  {:<28} {:>14.1} {:<12} {:>9.4} USD", item.what, item.quantity, item.unit, item.usd)?;
    }
    writeln!(out, "  {:<56} {:>9.4} USD", "sum", bill.run_usd)?;
    writeln!(out, "\neach month, for as long as everything is kept")?;
    for item in &bill.month {
        writeln!(out, "  {:<28} {:>14.1} {:<12} {:>9.4} USD", item.what, item.quantity, item.unit, item.usd)?;
    }
    writeln!(out, "  {:<56} {:>9.4} USD", "sum", bill.month_usd)?;

    writeln!(out, "\nthe same on EMR (3 x m5.2xlarge, 2 hours for 67,000 images)")?;
    writeln!(out, "  {}", emr(estimate.emr))?;
    writeln!(out, "\n{:>9} {:>10} {:>10} {:>12} {:>24}", "images", "time", "once USD", "monthly USD", "EMR")?;
    for row in rows {
        writeln!(
            out,
            "{:>9} {:>10} {:>10.2} {:>12.2} {:>24}",
            row.images,
            duration(row.seconds),
            row.run_usd,
            row.month_usd,
            emr(row.emr)
        )?;
    }
    for flag in &run.flags {
        writeln!(out, "\n{} {flag}", if flag.is_fatal() { "this run would fail:" } else { "note:" })?;
    }
    writeln!(
        out,
        "\nList prices without tax and free tier, looked up on {}; sources: `--json`, price_sources.\n\
         Not counted: logs, metrics, traces, the images' own storage.",
        estimate.prices_checked
    )
}

fn emr(emr: Option<Emr>) -> String {
    emr.map_or_else(
        || "no list price found".to_owned(),
        |emr| format!("{} {:.2} USD", duration(emr.hours * 3_600.0), emr.usd),
    )
}

fn duration(seconds: f64) -> String {
    let minutes = (seconds / 60.0).floor();
    if minutes < 1.0 {
        format!("{seconds:.0} s")
    } else if minutes < 100.0 {
        format!("{minutes} min {:02.0} s", (seconds - minutes * 60.0).floor())
    } else {
        format!("{:.1} h", seconds / 3_600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(images: u64, region: &str) -> String {
        let (table, workload) = (PriceTable::read().unwrap(), Workload { images, ..Workload::default() });
        let estimate = Estimate::of(&workload, &table, region).unwrap();
        screen(&estimate, &estimate::rows(&workload, &TABLE_IMAGES, &table, region).unwrap(), &table)
    }

    #[test]
    fn the_screen_names_prices_their_date_and_the_cluster_beside() {
        let text = text(67_000, "eu-west-1");
        println!("SCREEN\n{text}END");
        for expected in ["67000", "Ireland", "Lambda list-batch", "looked up on 20", "3.14 USD", "100000"] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
    }

    #[test]
    fn what_would_fail_is_said_and_a_missing_price_too() {
        assert!(text(10_000_000, "eu-west-1").contains("this run would fail: plan needs"));
        assert!(text(1_000, "eu-west-3").contains("no list price found"));
    }

    #[test]
    fn durations_are_for_people() {
        assert_eq!(
            (duration(12.4).as_str(), duration(125.0).as_str(), duration(36_000.0).as_str()),
            ("12 s", "2 min 05 s", "10.0 h")
        );
    }
}
