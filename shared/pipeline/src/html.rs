//! report.html: a run on one page, for people.
//!
//! The page is one file that needs nothing else: no script, no font, no picture, and it forbids itself to load any. It is written so
//! that it is well-formed XML too. Lengths inside plots are per cent, so that plots fit any width while their text keeps its size.

mod axis;
mod scatter;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod variance;

use crate::inspect::ClassCount;
use crate::plan::Plan;
use crate::report::ModelInfo;
use crate::sample::Point;
use crate::stage::Timing;
use crate::validation::Validation;
use text::{escape, moment};

/// Classes that the page shows by name.
pub(crate) const CLASSES_SHOWN: usize = 20;

const STYLE: &str = include_str!("html/style.css");

/// What the page shows.
pub(crate) struct Page<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) info: &'a ModelInfo,
    pub(crate) validation: &'a Validation,
    /// The stages before the report.
    pub(crate) timings: &'a [Timing],
    /// The most frequent classes, [`CLASSES_SHOWN`] at most.
    pub(crate) classes: &'a [ClassCount],
    /// A sample of the images.
    pub(crate) points: &'a [Point],
}

impl Page<'_> {
    /// The page as HTML.
    pub(crate) fn render(&self) -> String {
        let run_id = escape(self.plan.run_id.as_str());
        let title = format!("Pomona run {run_id}");
        let body = [
            header(self),
            section("map", map_heading(self), &scatter::section(self)),
            section("variance", "Variance", &variance::section(self.info)),
            section("classes", "Classes", &tables::classes(self)),
            section("rejects", "Rejects", &tables::rejects(self)),
            section("settings", "What ran", &tables::settings(self)),
            section("timings", "Time", &tables::timings(self)),
            section("checks", "Checks", &tables::checks(self)),
        ]
        .concat();
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
            moment(self.info.timestamp)
        )
    }
}

fn header(page: &Page<'_>) -> String {
    let (input, run_id) = (escape(&page.plan.input), escape(page.plan.run_id.as_str()));
    format!(
        "<header>
<p class=\"name\">Pomona</p>
<h1>{input}</h1>
<p>Run <code>{run_id}</code>, {}</p>
{}{}{}</header>
",
        moment(page.plan.started),
        tables::verdict(page),
        notice(page),
        tables::figures(page)
    )
}

/// What a reader must know before anything else, if anything.
fn notice(page: &Page<'_>) -> String {
    page.plan.recipe.notice().map_or_else(String::new, |text| format!("<p class=\"notice\">{}</p>\n", escape(text)))
}

fn map_heading(page: &Page<'_>) -> &'static str {
    if page.info.pca_components > 1 { "The images in two dimensions" } else { "The images in one dimension" }
}

fn section(id: &str, heading: &str, content: &str) -> String {
    format!("<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{heading}</h2>\n{content}</section>\n")
}
