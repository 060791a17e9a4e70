//! Simulates runs of 67,000, a million and ten million images at several concurrencies and prints Markdown tables.
//!
//! `cargo run --release -p pomona-cost --example simulate [REGION]`

use pomona_cost::error::Error;
use pomona_cost::estimate::Estimate;
use pomona_cost::prices::PriceTable;
use pomona_cost::simulation::{Flag, Simulation};
use pomona_cost::workload::{Children, Workload};
use pomona_run::stage::Stage;

const IMAGES: [u64; 3] = [67_000, 1_000_000, 10_000_000];
const CONCURRENCIES: [u32; 4] = [16, 64, 256, 1_000];
/// A bucket as it is in the beginning, and one that S3 has partitioned under load.
const PARTITIONS: [u32; 2] = [1, 16];
/// A new account, one that others use, too, and one with the usual quota.
const FREE_LAMBDAS: [u32; 3] = [10, 50, 1_000];

fn main() -> Result<(), Error> {
    let region = std::env::args().nth(1).unwrap_or_else(|| "eu-west-1".to_owned());
    let table = PriceTable::read()?;
    println!(
        "Runs of `Workload::default()` ({:?}), prices of {region}, looked up on {}.\n",
        Workload::default(),
        table.checked
    );
    print_sizes(&table, &region)?;
    print_runs(&table, &region)?;
    print_throttled_runs(&table, &region)
}

fn workload(images: u64) -> Workload {
    // Plan holds the whole listing: ten million images need the most that a Lambda has.
    Workload { images, plan_memory: if images > 4_000_000 { 10_240 } else { 1_769 }, ..Workload::default() }
}

fn print_sizes(table: &PriceTable, region: &str) -> Result<(), Error> {
    println!(
        "| images | shards | merges | events of the execution | S3 GET | PUT | LIST | MB of plan, list-batch, reduce | \
         GB in parts/, run | USD each month |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for images in IMAGES {
        let estimate = Estimate::of(&workload(images), table, region)?;
        let (run, usage) = (&estimate.simulation, &estimate.simulation.usage);
        let gb = |bytes: u64| bytes as f64 / pomona_cost::usage::GB;
        let merges: Vec<String> = run.merges.iter().map(u64::to_string).collect();
        let [plan, list_batch, reduce] = run.memory_mb;
        println!(
            "| {images} | {} | {} | {} | {} | {} | {} | {plan:.0}, {list_batch:.0}, {reduce:.0} | {:.1}, {:.1} | {:.2} \
             |",
            run.shards,
            merges.join(" + "),
            run.history_events,
            usage.requests.gets,
            usage.requests.puts,
            usage.requests.lists,
            gb(usage.stored.parts),
            gb(usage.stored.run),
            estimate.bill.month_usd,
        );
    }
    println!();
    Ok(())
}

fn print_runs(table: &PriceTable, region: &str) -> Result<(), Error> {
    println!(
        "| images | at once | children | partitions | time | plan, extract, combine, reduce, project, report | slowest \
         shard | refused | USD | limits |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for images in IMAGES {
        for concurrency in CONCURRENCIES {
            for partitions in PARTITIONS {
                let workload = Workload { concurrency, partitions, ..workload(images) };
                print_run(&Estimate::of(&workload, table, region)?);
            }
        }
        let standard = Workload { children: Children::Standard, partitions: PARTITIONS[1], ..workload(images) };
        print_run(&Estimate::of(&standard, table, region)?);
    }
    Ok(())
}

/// Accounts with fewer Lambdas than a run asks for.
fn print_throttled_runs(table: &PriceTable, region: &str) -> Result<(), Error> {
    println!("\n| images | at once | Lambdas free | time | USD | is lost | limits |");
    println!("|---|---|---|---|---|---|---|");
    for images in IMAGES {
        for free_lambdas in FREE_LAMBDAS {
            let workload = Workload { free_lambdas, partitions: PARTITIONS[1], ..workload(images) };
            let estimate = Estimate::of(&workload, table, region)?;
            let run = &estimate.simulation;
            println!(
                "| {images} | {} | {free_lambdas} | {} | {:.2} | {} | {} |",
                workload.concurrency,
                minutes(run.seconds),
                estimate.bill.run_usd,
                if run.fails() { "**yes**" } else { "no" },
                limits(run),
            );
        }
    }
    Ok(())
}

fn print_run(estimate: &Estimate) {
    let run = &estimate.simulation;
    let Workload { images, concurrency, partitions, children, .. } = run.workload;
    // No passes: these have the usual features.
    let stages = Stage::ALL.into_iter().filter(|stage| *stage != Stage::Sweep);
    let stages: Vec<String> = stages.map(|stage| format!("{:.0}", run.stage_seconds(stage))).collect();
    let extract = run.stages.iter().find(|stage| stage.is_map && stage.stage == Stage::Extract);
    println!(
        "| {images} | {concurrency} | {children:?} | {partitions} | {} | {} s | {:.0} s | {:.0} | {:.2} | {} |",
        minutes(run.seconds),
        stages.join(", "),
        extract.map_or(0.0, |stage| stage.slowest),
        run.stages.iter().map(|stage| stage.refused).sum::<f64>(),
        estimate.bill.run_usd,
        limits(run),
    );
}

fn minutes(seconds: f64) -> String {
    format!("{:.1} min", seconds / 60.0)
}

fn limits(run: &Simulation) -> String {
    let name = |flag: &Flag| match flag {
        Flag::ChildrenAtOnce { .. } => "children at once".to_owned(),
        Flag::LambdaQuota { .. } => "Lambda quota".to_owned(),
        Flag::Time { function, .. } => format!("**{function} too slow**"),
        Flag::Memory { function, .. } => format!("**{function} too small**"),
        Flag::History { .. } => "**history**".to_owned(),
        Flag::Items { .. } => "**list of items**".to_owned(),
        Flag::Throttled { is_lost: true, .. } => "**no Lambda is free**".to_owned(),
        Flag::Throttled { stage, passes, .. } => format!("{stage} in {passes} passes"),
        Flag::SlowDown { stage, wanted, served } => format!("{stage} wants {wanted:.0}/s of {served:.0}"),
    };
    run.flags.iter().map(name).collect::<Vec<_>>().join(", ")
}
