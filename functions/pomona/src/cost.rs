//! `pomona cost`: what a run on AWS will cost, before it is started.

use std::fmt::Write;

use clap::Args;
use pomona_cost::bill::Item;
use pomona_cost::emr::Emr;
use pomona_cost::estimate::{self, Estimate, Row, TABLE_IMAGES};
use pomona_cost::prices::PriceTable;
use pomona_cost::run::RunCost;
use pomona_cost::workload::Workload;
use pomona_results::inspect;
use pomona_run::Location;
use pomona_run::archived::Archived;
use pomona_run::layout::RunLayout;
use pomona_stages::open;

use crate::{Ending, Error, console};

/// Estimate what a run on AWS costs and how long it takes, at list prices
#[derive(Debug, Args)]
pub(crate) struct CostArgs {
    /// How many images
    #[arg(long, value_name = "N")]
    images: u64,
    /// Their mean size in KB (1,000 bytes)
    #[arg(long, value_name = "K", required_unless_present = "like")]
    mean_kb: Option<f64>,
    /// The images lie in archives of this kind, and are read by some megabytes: zip, tar, or parquet
    #[arg(long, value_name = "KIND", value_parser = ["zip", "tar", "parquet"], conflicts_with = "uploads")]
    archives: Option<String>,
    /// Features of each image; components of more than 4096 (MobileNetV2's last feature map has 62720) are fitted by
    /// passes
    #[arg(long, value_name = "D", default_value_t = Workload::default().features)]
    features: u64,
    /// Labels that a classifier learns to tell apart (--classify), in some 100 passes; 0 for none
    #[arg(long, value_name = "L", default_value_t = Workload::default().labels)]
    labels: u64,
    /// Take images and times to be as in the newest run on AWS with these results, instead of a model's
    #[arg(long, value_name = "s3://BUCKET/PREFIX", conflicts_with_all = ["mean_kb", "archives", "features", "labels", "region", "concurrency", "free_lambdas", "ms_per_image", "no_bucket_key", "uploads"])]
    like: Option<Location>,
    /// Whose prices: eu-west-1 (Ireland), eu-west-2 (London) or eu-west-3 (Paris)
    #[arg(long, value_name = "REGION", default_value = "eu-west-1")]
    region: String,
    /// Shards that are worked on at once (the state machine's `max_concurrency`)
    #[arg(long, value_name = "C", default_value_t = Workload::default().concurrency)]
    concurrency: u32,
    /// Lambdas that the account has free; `pomona doctor` says how many
    #[arg(long, value_name = "F", default_value_t = Workload::default().free_lambdas)]
    free_lambdas: u32,
    /// Milliseconds of a Lambda with one vCPU for each image; large photographs take longer to decode
    #[arg(long, value_name = "M", default_value_t = Workload::default().ms_per_image)]
    ms_per_image: f64,
    /// The images' bucket has a KMS key and no bucket key: KMS is called for each image
    #[arg(long)]
    no_bucket_key: bool,
    /// Uploads start runs (StartOnUploads): each image is an event and a message
    #[arg(long)]
    uploads: bool,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Runs `pomona cost`.
pub(crate) async fn run(args: CostArgs) -> Result<Ending, Error> {
    let table = PriceTable::read()?;
    match &args.like {
        Some(results) => from_run(results, &args, &table).await,
        None => from_model(&args, &table),
    }
}

fn from_model(args: &CostArgs, table: &PriceTable) -> Result<Ending, Error> {
    let archived = match args.archives.as_deref() {
        None => Archived::default(),
        // What it holds stands at its end.
        Some("zip") => Archived { images: args.images, searched: 0 },
        Some(_) => Archived { images: args.images, searched: args.images },
    };
    let workload = Workload {
        images: args.images,
        archived,
        mean_bytes: (args.mean_kb.unwrap_or_default() * 1e3) as u64,
        features: args.features,
        labels: args.labels,
        concurrency: args.concurrency,
        free_lambdas: args.free_lambdas,
        ms_per_image: args.ms_per_image,
        no_bucket_key: args.no_bucket_key,
        uploads: args.uploads,
        ..Workload::default()
    };
    let estimate = Estimate::of(&workload, table, &args.region)?;
    let rows = estimate::rows(&workload, &TABLE_IMAGES, table, &args.region)?;
    if args.json {
        let json = serde_json::json!({"estimate": estimate, "others": rows, "price_sources": table.sources});
        console::print_json(&serde_json::to_string_pretty(&json)?)?;
    } else {
        console::show(&screen(&estimate, &rows, table))?;
    }
    Ok(Ending::Done)
}

/// What a measured run says of other numbers of images.
async fn from_run(results: &Location, args: &CostArgs, table: &PriceTable) -> Result<Ending, Error> {
    let store = open::open(results).await?;
    let run_id = inspect::find_run(store.as_ref(), None).await?;
    let file = RunLayout::new(run_id.as_str()).cost();
    let cost: RunCost = serde_json::from_slice(&store.get(&file).await?.bytes)
        .map_err(|error| pomona_formats::Error::Inconsistent { file, problem: error.to_string() })?;
    let images: Vec<u64> = std::iter::once(args.images).chain(TABLE_IMAGES).collect();
    let rows = cost.measured.rows(&images, table, &cost.region)?;
    if args.json {
        console::print_json(&serde_json::to_string_pretty(&rows)?)?;
    } else if rows.is_empty() {
        console::show(&format!("run {run_id} found every part already, so it says nothing of others\n"))?;
    } else {
        let images = cost.measured.workload.images;
        let heading = format!("as run {run_id} of {images} images in {}, all new:\n", cost.region);
        console::show(&(heading + &text_of(|out| write_rows(out, &rows))))?;
    }
    Ok(Ending::Done)
}

fn text_of(write: impl FnOnce(&mut String) -> std::fmt::Result) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text);
    text
}

fn screen(estimate: &Estimate, rows: &[Row], table: &PriceTable) -> String {
    text_of(|out| write_screen(out, estimate, rows, table))
}

fn write_screen(out: &mut String, estimate: &Estimate, rows: &[Row], table: &PriceTable) -> std::fmt::Result {
    let Estimate { simulation: run, bill, .. } = estimate;
    let workload = &run.workload;
    let place = table.regions.get(&estimate.region).map_or("", |prices| prices.name.as_str());
    writeln!(out, "images      {} of {} KB on average", workload.images, workload.mean_bytes as f64 / 1e3)?;
    match workload.archived {
        archived if archived.is_none() => {}
        Archived { searched: 0, .. } => writeln!(out, "            in archives, read by some megabytes")?,
        _ => writeln!(out, "            in archives, read by some megabytes, and before that from end to end by plan")?,
    }
    writeln!(out, "region      {} ({place})", estimate.region)?;
    writeln!(
        out,
        "work        {} shards, {} at once, {} ms per image (a model; nothing was run)",
        run.shards, workload.concurrency, workload.ms_per_image
    )?;
    if workload.is_fitted_by_passes() {
        let (features, passes) = (workload.features, workload.all_passes());
        let components = if workload.is_wide() { "100 components" } else { "50 components" };
        let classifier = match workload.labels {
            0 => String::new(),
            labels => format!(" and a classifier of {labels} labels"),
        };
        writeln!(
            out,
            "            {passes} passes over {features} features of each image, for {components}{classifier}"
        )?;
    }
    writeln!(out, "time        {}", duration(run.seconds))?;

    writeln!(out, "\nonce")?;
    write_items(out, &bill.run)?;
    writeln!(out, "  {:<56} {:>9.4} USD", "sum", bill.run_usd)?;
    writeln!(out, "\neach month, for as long as everything is kept")?;
    write_items(out, &bill.month)?;
    writeln!(out, "  {:<56} {:>9.4} USD", "sum", bill.month_usd)?;

    writeln!(out, "\nthe same on EMR (3 x m5.2xlarge, 2 hours for 67,000 images)")?;
    writeln!(out, "  {}", emr(estimate.emr))?;
    write_rows(out, rows)?;
    for flag in &run.flags {
        writeln!(out, "\n{} {flag}", if flag.is_fatal() { "this run would fail:" } else { "note:" })?;
    }
    writeln!(
        out,
        "\nList prices without tax and free tier, looked up on {}; sources: `--json`, price_sources.\n\
         Not counted: traces, the images' own storage, and what no price was found for.",
        estimate.prices_checked
    )
}

fn write_items(out: &mut String, items: &[Item]) -> std::fmt::Result {
    for Item { what, quantity, unit, usd } in items {
        let usd = usd.map_or_else(|| "no price found".to_owned(), |usd| format!("{usd:>9.4} USD"));
        writeln!(out, "  {what:<28} {quantity:>14.1} {unit:<12} {usd}")?;
    }
    Ok(())
}

fn write_rows(out: &mut String, rows: &[Row]) -> std::fmt::Result {
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
    Ok(())
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
        for expected in ["67000", "Ireland", "Lambda list-batch", "looked up on 20", "3.14 USD", "100000"] {
            assert!(text.contains(expected), "{expected} is missing in\n{text}");
        }
    }

    #[test]
    fn what_would_fail_is_said_and_a_missing_price_too() {
        assert!(text(10_000_000, "eu-west-1").contains("this run would fail: plan needs"));
        assert!(text(1_000, "eu-west-3").contains("no list price found"));
        let logs = text(1_000, "eu-west-3");
        let logs = logs.lines().find(|line| line.contains("CloudWatch logs")).unwrap();
        assert!(logs.ends_with("no price found"), "{logs}");
    }

    #[test]
    fn archives_save_requests_and_what_would_take_the_plan_too_long_is_said() {
        let table = PriceTable::read().unwrap();
        let gets = |images: u64, archived: Archived| {
            let workload = Workload { images, archived, ..Workload::default() };
            let estimate = Estimate::of(&workload, &table, "eu-west-1").unwrap();
            let text = screen(&estimate, &[], &table);
            (estimate.simulation.usage.requests.gets, text)
        };
        let million = 1_000_000;
        let (files, _) = gets(million, Archived::default());
        let (zips, text) = gets(million, Archived { images: million, searched: 0 });
        let (tars, _) = gets(million, Archived { images: million, searched: million });
        assert!((zips + 990_000..zips + 995_000).contains(&files) && text.contains("in archives"), "{files}, {zips}");
        assert!((zips + 5_900..zips + 6_100).contains(&tars), "{zips}, {tars}");
        let (_, text) = gets(2 * million, Archived { images: 2 * million, searched: 2 * million });
        assert!(text.contains("a call of plan takes") && text.contains("pack zips"), "{text}");
    }

    #[test]
    fn what_a_bucket_without_a_bucket_key_and_uploads_add_is_shown_where_it_is_asked_for() {
        let (table, plain) = (PriceTable::read().unwrap(), Workload::default());
        let shown = |workload: &Workload| screen(&Estimate::of(workload, &table, "eu-west-1").unwrap(), &[], &table);
        let with = shown(&Workload { no_bucket_key: true, uploads: true, ..plain.clone() });
        for line in ["KMS, no bucket key", "EventBridge, uploads", "SQS, uploads", "SQS, waiting for uploads"] {
            assert!(with.contains(line) && !shown(&plain).contains(line), "{line} in\n{with}");
        }
    }

    #[test]
    fn an_estimate_needs_a_size_and_a_measured_run_brings_its_own() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            args: CostArgs,
        }
        let parsed = |line: &str| <Cli as clap::Parser>::try_parse_from(line.split(' ')).map(|cli| cli.args);
        assert!(parsed("cost --images 9").is_err());
        assert_eq!(parsed("cost --images 9 --mean-kb 1.5").unwrap().concurrency, 64);
        assert!(parsed("cost --images 9 --like s3://results").is_ok());
        for option in ["--archives tar", "--concurrency 3", "--no-bucket-key", "--uploads"] {
            assert!(parsed(&format!("cost --images 9 --like s3://results {option}")).is_err());
        }
    }

    #[test]
    fn durations_are_for_people() {
        assert_eq!(
            (duration(12.4).as_str(), duration(125.0).as_str(), duration(36_000.0).as_str()),
            ("12 s", "2 min 05 s", "10.0 h")
        );
    }
}
