//! report.html: a run on one page, for people.
//!
//! The page is one file that needs nothing else: no script, no font, no picture, and it forbids itself to load any. It
//! is written so that it is well-formed XML too. Lengths inside plots are per cent, so that plots fit any width while
//! their text keeps its size.

mod axis;
mod bars;
pub mod certificate;
mod checks;
mod classes;
mod confusion;
mod figures;
mod matrix;
mod rejects;
mod scatter;
mod settings;
#[cfg(test)]
mod tests;
mod text;
mod timings;
mod variance;

use chrono::{DateTime, Utc};
use pomona_dataset::Rejected;
use pomona_formats::class_table::ClassCount;
use pomona_formats::classification::Tally;
use pomona_formats::counters::Point;
use pomona_formats::model_info::ModelInfo;
use pomona_formats::planned::Plan;
use pomona_formats::rejects::Reasons;
use pomona_run::clock;
use pomona_run::stage::Timing;

use crate::classification::Metrics;
use crate::validation::Validation;
pub use classes::CLASSES_SHOWN;
use text::{escape, moment};

const STYLE: &str = include_str!("html/style.css");

/// What the page shows.
pub struct Page<'a> {
    /// What was planned.
    pub plan: &'a Plan,
    /// The run in numbers.
    pub info: &'a ModelInfo,
    /// Every check.
    pub validation: &'a Validation,
    /// The stages before the report.
    pub timings: &'a [Timing],
    /// The first classes by their ids, [`CLASSES_SHOWN`] at most.
    pub classes: &'a [ClassCount],
    /// A sample of the images.
    pub points: &'a [Point],
    /// How images were classified, where they were.
    pub classification: Option<Classified<'a>>,
}

/// What the page shows of a classifier.
#[derive(Clone, Copy)]
pub struct Classified<'a> {
    /// How well it does.
    pub metrics: &'a Metrics,
    /// The labels by their numbers in `tally`.
    pub labels: &'a [String],
    /// What it made of the images.
    pub tally: &'a Tally,
}

impl Page<'_> {
    /// The page as HTML.
    pub fn render(&self) -> String {
        let Self { plan, info, validation, timings, classes, points, classification } = self;
        let body = [
            header(self),
            section("map", map_heading(self), &scatter::section(info, classes, points)),
            section("variance", "Variance", &variance::section(info)),
            section("classes", "Classes", &classes::section(classes, info.num_classes, info.num_images_listed)),
            classification.map(classification_section).unwrap_or_default(),
            section("rejects", "Rejects", &rejects::section(&info.rejects, info.num_images_listed)),
            section("settings", "What ran", &settings::section(plan, info.convergence.as_ref())),
            section("timings", "Time", &timings::section(timings)),
            section("checks", "Checks", &checks::section(&validation.checks)),
        ];
        document(&run_title(plan), &body.concat(), info.timestamp)
    }
}

/// What the page of a run shows that failed for its images.
pub struct RefusedPage<'a> {
    /// What was planned.
    pub plan: &'a Plan,
    /// Unusable images by reason.
    pub reasons: &'a Reasons,
    /// Why the run failed.
    pub verdict: &'a str,
    /// Some unusable images.
    pub examples: &'a [Rejected],
    /// The first classes by their ids, [`CLASSES_SHOWN`] at most.
    pub classes: &'a [ClassCount],
}

impl RefusedPage<'_> {
    /// The page as HTML.
    pub fn render(&self) -> String {
        let Self { plan, reasons, verdict, examples, classes } = self;
        let verdict = format!("<p class=\"verdict failed\">✗ The run failed: {}</p>\n", escape(verdict));
        let rejects = rejects::section(reasons, plan.images) + &rejects::examples(examples);
        let body = [
            format!("<header>\n{}{verdict}</header>\n", title(plan)),
            section("rejects", "Rejects", &rejects),
            section("classes", "Classes", &classes::section(classes, plan.classes, plan.images)),
            section("settings", "What ran", &settings::section(plan, None)),
        ];
        document(&run_title(plan), &body.concat(), clock::now())
    }
}

fn run_title(plan: &Plan) -> String {
    format!("Pomona run {}", plan.run_id)
}

fn document(title: &str, body: &str, written: DateTime<Utc>) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\"/>
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\"/>
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>
<meta name=\"color-scheme\" content=\"light dark\"/>
<meta name=\"referrer\" content=\"no-referrer\"/>
<link rel=\"icon\" href=\"data:,\"/>
<title>{title}</title>
<style>
{STYLE}</style>
</head>
<body>
<main>
{body}</main>
<footer><p>Written by Pomona {} on {}.</p></footer>
</body>
</html>
",
        env!("CARGO_PKG_VERSION"),
        moment(written)
    )
}

fn header(page: &Page<'_>) -> String {
    let parts = [
        title(page.plan),
        checks::verdict(&page.validation.checks),
        notices(page),
        figures::section(page.info, page.plan.bytes),
    ];
    format!("<header>\n{}</header>\n", parts.concat())
}

fn title(plan: &Plan) -> String {
    let (input, run_id) = (escape(&plan.input), escape(plan.run_id.as_str()));
    format!(
        "<p class=\"name\">Pomona</p>
<h1>{input}</h1>
<p>Run <code>{run_id}</code>, {}</p>
",
        moment(plan.started)
    )
}

/// What a reader must know before anything else, if anything.
fn notices(page: &Page<'_>) -> String {
    page.info.notices().into_iter().map(|text| format!("<p class=\"notice\">{}</p>\n", escape(&text))).collect()
}

fn classification_section(Classified { metrics, labels, tally }: Classified<'_>) -> String {
    section("classification", "Classification", &confusion::section(metrics, labels, tally))
}

fn map_heading(page: &Page<'_>) -> &'static str {
    if page.info.pca_components > 1 { "The images in two dimensions" } else { "The images in one dimension" }
}

fn section(id: &str, heading: &str, content: &str) -> String {
    format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{heading}</h2>\n{content}</section>\n")
}
