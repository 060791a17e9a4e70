//! What ran, on what, with which options.

use std::fmt::Write;

use pomona_formats::model_info::Convergence;
use pomona_formats::planned::{ModelsOf, Plan};
use pomona_run::classify::Classify;
use pomona_run::options::{CsvTables, Options};

use super::text::{count, counted, escape, moment, percent};

/// What ran, on what, with which options.
pub(super) fn section(plan: &Plan, convergence: Option<&Convergence>) -> String {
    let options = &plan.options;
    let recipe = &plan.recipe;
    let mut rows = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(rows, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    };
    row("run", format!("<code>{}</code>", escape(plan.run_id.as_str())));
    row("input", format!("<code>{}</code>", escape(&plan.input)));
    row("started", moment(plan.started));
    if let Some(purpose) = &options.purpose {
        row("purpose", escape(purpose));
    }
    row("model", format!("<code>{}</code>", escape(&recipe.model_digest)));
    row("numerics", format!("<code>{}</code>", escape(&recipe.numerics)));
    row("pixels", format!("<code>{}</code>", escape(&recipe.pixels)));
    if let Some(models) = &plan.models_of {
        row("models of run", format!("<code>{}</code>{}", escape(models.run_id.as_str()), place(models)));
    }
    row("components", escape(&options.components.to_string()));
    row("PCA", centring(options).to_owned());
    if let Some(convergence) = convergence {
        row("passes", convergence.describe());
    }
    if let Some(classify) = &options.classify {
        row("classifier", classifier(classify));
    }
    row("images", selection(options));
    row("labels from", labels(options));
    row("rejects allowed", percent(options.max_reject_share));
    for notice in plan.left_out.notices() {
        row("skipped", escape(&notice));
    }
    for notice in plan.odd_labels.notices() {
        row("labels", escape(&notice));
    }
    row("CSV tables", csv_tables(options.csv).to_owned());
    row("features", if plan.keeps_features() { "kept in the run" } else { "in parts only" }.to_owned());
    row("shards", format!("{} (shard size {})", count(plan.shards), count(options.shard_size)));
    format!("<dl class=\"settings\">\n{rows}</dl>\n")
}

fn place(ModelsOf { results, .. }: &ModelsOf) -> String {
    results.as_ref().map_or_else(String::new, |results| format!(" at <code>{}</code>", escape(results)))
}

fn centring(options: &Options) -> &'static str {
    match (options.center, options.standardize) {
        (true, false) => "centred",
        (true, true) => "centred and standardised",
        (false, false) => "neither centred nor standardised",
        (false, true) => "standardised, not centred",
    }
}

fn classifier(classify: &Classify) -> String {
    let Classify { train_share, seed, classify_on, regularization, max_iterations } = classify;
    format!(
        "on {classify_on} of {} of the images (seed {seed}), regularization {regularization}, at most {} iterations",
        percent(*train_share),
        count(*max_iterations)
    )
}

fn labels(options: &Options) -> String {
    let from = escape(&options.label_from.to_string());
    match options.classes.len() as u64 {
        0 => from,
        given => format!("{from}; {} given", counted(given, "class", "classes")),
    }
}

fn selection(options: &Options) -> String {
    let mut text = escape(&options.extensions.join(", "));
    if let Some(filter) = &options.filter {
        let _ = write!(text, "; only <code>{}</code>", escape(filter));
    }
    for exclude in &options.exclude {
        let _ = write!(text, "; without <code>{}</code>", escape(exclude));
    }
    if options.include_hidden {
        text.push_str("; hidden files too");
    }
    if let Some(limit) = options.limit {
        let _ = write!(text, "; a sample of at most {}", count(limit));
    }
    let _ = write!(text, "; at most {} pixels", count(options.max_pixels));
    text
}

fn csv_tables(tables: CsvTables) -> &'static str {
    match tables {
        CsvTables::None => "none",
        CsvTables::Pca => "components",
        CsvTables::All => "components and features",
    }
}
