//! `pomona inspect`: a run in one screen.

use std::fmt::Write;

use clap::Args;
use pomona_formats::recipe::Recipe;
use pomona_formats::rejects::describe_reasons;
use pomona_results::inspect::{self, Inspection};
use pomona_run::label::LabelFrom;
use pomona_run::options::{CsvTables, Options};
use pomona_run::stage::{StageTime, by_stage};
use pomona_run::visible::visible;

use crate::results::ResultsArgs;
use crate::{Ending, Error, console};

/// Bars and classes beyond these are summed up in a line.
const BARS: usize = 10;
const CLASSES: usize = 10;
const BAR_WIDTH: f64 = 40.0;

/// Show a finished run: options, counts, rejects, classes, variance, files, timings
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    results: ResultsArgs,
    /// Print JSON, for scripts
    #[arg(long)]
    json: bool,
}

/// Runs `pomona inspect`.
pub(crate) async fn run(args: InspectArgs) -> Result<Ending, Error> {
    let (store, run_id) = args.results.open().await?;
    let inspection = inspect::inspect(store.as_ref(), &run_id).await?;
    if args.json {
        console::print_json(&serde_json::to_string_pretty(&inspection)?)?;
    } else {
        console::show(&screen(&inspection))?;
    }
    Ok(Ending::Done)
}

fn screen(inspection: &Inspection) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_screen(&mut text, inspection);
    text
}

fn write_screen(out: &mut String, inspection: &Inspection) -> std::fmt::Result {
    let Inspection { plan, info, validation, .. } = inspection;
    let options = &plan.options;
    writeln!(out, "run         {}", plan.run_id)?;
    writeln!(out, "input       {}", visible(&plan.input))?;
    writeln!(out, "images      {} ({})", info.num_images_listed, bytes(plan.bytes))?;
    writeln!(out, "rejects     {}", describe_reasons(&info.rejects))?;
    for notice in plan.left_out.notices() {
        writeln!(out, "skipped     {notice}")?;
    }
    for notice in plan.odd_labels.notices() {
        writeln!(out, "labels      {notice}")?;
    }
    writeln!(out, "features    {} x {}", info.num_images_processed, info.original_dimensions)?;
    writeln!(out, "components  {}", info.describe_components())?;
    if let Some(convergence) = &info.convergence {
        writeln!(out, "            {}", convergence.describe())?;
    }
    if let Some(classification) = &info.classification {
        writeln!(out, "classifier  {}", classification.describe())?;
    }
    write!(out, "options     components {}, CSV of {}", options.components, csv_tables(options.csv))?;
    write!(out, ", {}", if options.center { "centred" } else { "not centred" })?;
    write!(out, "{}", if options.standardize { ", standardised" } else { "" })?;
    write!(out, "{}", options.filter.as_ref().map_or(String::new(), |filter| format!(", filter {}", visible(filter))))?;
    if let Some(classify) = &options.classify {
        write!(
            out,
            ", classifier on {} of {} % (seed {})",
            classify.classify_on,
            100.0 * classify.train_share,
            classify.seed
        )?;
        write!(out, ", regularization {}", classify.regularization)?;
    }
    if options.label_from != LabelFrom::default() {
        write!(out, ", labels from {}", options.label_from)?;
    }
    if !options.classes.is_empty() {
        write!(out, ", {} classes given", options.classes.len())?;
    }
    for exclude in &options.exclude {
        write!(out, ", without {}", visible(exclude))?;
    }
    write!(out, "{}", if options.include_hidden { ", hidden files too" } else { "" })?;
    if options.max_pixels != Options::default().max_pixels {
        write!(out, ", at most {} pixels", options.max_pixels)?;
    }
    writeln!(out, "{}", options.limit.map_or(String::new(), |limit| format!(", limit {limit}")))?;
    let Recipe { model_digest, numerics, pixels, .. } = &plan.recipe;
    writeln!(out, "model       {} {numerics} {pixels}", &model_digest[..12])?;
    for notice in info.notices() {
        writeln!(out, "note        {notice}")?;
    }
    let passed = validation.checks.iter().filter(|check| check.passed).count();
    writeln!(out, "checks      {passed} of {} passed", validation.checks.len())?;

    writeln!(out, "\nvariance explained")?;
    write_bars(out, &info.variance_by_component)?;
    writeln!(out, "\nclasses (their ids are this run's; the path is what stays)")?;
    for class in inspection.classes.iter().take(CLASSES) {
        writeln!(out, "  {:>8}  {}", class.count, visible(&class.class))?;
    }
    if inspection.classes.len() > CLASSES {
        let others: u64 = inspection.classes[CLASSES..].iter().map(|class| class.count).sum();
        writeln!(out, "  {others:>8}  in {} more", inspection.classes.len() - CLASSES)?;
    }
    writeln!(out, "\nfiles")?;
    for (folder, size) in &inspection.folders {
        let name = if folder.is_empty() { "." } else { folder };
        writeln!(out, "  {name:<18} {:>6}  {:>10}", size.files, bytes(size.bytes))?;
    }
    writeln!(out, "\ntime")?;
    for time in by_stage(inspection.timings.iter().copied()) {
        writeln!(out, "  {:<18} {:>8.1} s{}", time.stage.as_str(), time.seconds, items(&time))?;
    }
    Ok(())
}

fn items(StageTime { stage, items, .. }: &StageTime) -> String {
    stage.unit(*items).map_or_else(String::new, |unit| format!("  {items} {unit}"))
}

fn csv_tables(tables: CsvTables) -> &'static str {
    match tables {
        CsvTables::None => "no table",
        CsvTables::Pca => "the components",
        CsvTables::All => "components and features",
    }
}

fn write_bars(out: &mut String, shares: &[f64]) -> std::fmt::Result {
    let largest = shares.first().copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
    for (component, share) in (1..).zip(shares.iter().take(BARS)) {
        let bar = "█".repeat((share / largest * BAR_WIDTH).round() as usize);
        writeln!(out, "  {component:>4}  {:>5.1} %  {bar}", 100.0 * share)?;
    }
    if shares.len() > BARS {
        let others: f64 = shares[BARS..].iter().sum();
        writeln!(out, "  {:>4}  {:>5.1} %  in {} more", "...", 100.0 * others, shares.len() - BARS)?;
    }
    Ok(())
}

fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}
