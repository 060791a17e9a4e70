//! What ran, and everything that is a list: figures, classes, rejects, stages, checks.

use std::fmt::Write;

use pomona_dataset::Rejected;
use pomona_formats::class_table::ClassCount;
use pomona_formats::planned::Plan;
use pomona_formats::rejects::Reasons;
use pomona_run::label::LabelFrom;
use pomona_run::options::{CsvTables, Options};
use pomona_run::stage::Stage;
use pomona_terms::{Reject, RejectReason};
use serde_json::Value;

use super::Page;
use super::text::{bytes, count, counted, duration, escape, label, moment, percent, share};

/// The few numbers that a reader looks for first.
pub(super) fn figures(page: &Page<'_>) -> String {
    let info = page.info;
    let of_all = |images| percent(share(images, info.num_images_listed));
    let (used, rejects) = (info.num_images_processed, info.rejects.values().sum());
    let mut figures = figure("images", &count(info.num_images_listed), &bytes(page.plan.bytes));
    figures += &figure("used", &count(used), &of_all(used));
    figures += &figure("rejects", &count(rejects), &of_all(rejects));
    figures += &figure("classes", &count(info.num_classes), label_source(info.options.label_from));
    figures += &figure("features", &count(info.original_dimensions), "per image");
    let explained = format!("explain {}", percent(info.total_variance_explained));
    figures += &figure("components", &count(info.pca_components), &explained);
    format!("<dl class=\"figures\">\n{figures}</dl>\n")
}

fn figure(name: &str, value: &str, note: &str) -> String {
    format!("<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>\n")
}

/// What ran, on what, with which options.
pub(super) fn settings(plan: &Plan) -> String {
    let options = &plan.options;
    let recipe = &plan.recipe;
    let mut rows = String::new();
    let mut row = |name: &str, value: String| {
        let _ = writeln!(rows, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    };
    row("run", format!("<code>{}</code>", escape(plan.run_id.as_str())));
    row("input", format!("<code>{}</code>", escape(&plan.input)));
    row("started", moment(plan.started));
    row("model", format!("<code>{}</code>", escape(&recipe.model_digest)));
    row("numerics", format!("<code>{}</code>", escape(&recipe.numerics)));
    row("pixels", format!("<code>{}</code>", escape(&recipe.pixels)));
    row("components", escape(&options.components.to_string()));
    row("PCA", centring(options).to_owned());
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
    row("shards", format!("{} (shard size {})", count(plan.shards), count(options.shard_size)));
    format!("<dl class=\"settings\">\n{rows}</dl>\n")
}

fn label_source(labels: LabelFrom) -> &'static str {
    match labels {
        LabelFrom::Parent => "by folder",
        LabelFrom::Level(_) => "by folder of a level",
        LabelFrom::None => "no labels",
    }
}

fn centring(options: &Options) -> &'static str {
    match (options.center, options.standardize) {
        (true, false) => "centred",
        (true, true) => "centred and standardised",
        (false, false) => "neither centred nor standardised",
        (false, true) => "standardised, not centred",
    }
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

/// The first classes, and the others in a line.
pub(super) fn classes(shown: &[ClassCount], classes: u64, images: u64) -> String {
    let most = shown.iter().map(|class| class.count).max().unwrap_or(1).max(1);
    let mut table = Bars::new(["class", "images", "share"]);
    for class in shown {
        table.count(&label(&class.class), class.count, most, images);
    }
    let other_classes = classes.saturating_sub(shown.len() as u64);
    if other_classes > 0 {
        let others = images.saturating_sub(shown.iter().map(|class| class.count).sum());
        let name = format!("<i>{}</i>", counted(other_classes, "other class", "other classes"));
        // Together they may well be more than the largest class: a bar would need another scale.
        table.row(&name, 0.0, [count(others), percent(share(others, images))]);
    }
    table.finish()
}

/// Unusable images by reason.
pub(super) fn rejects(reasons: &Reasons, images: u64) -> String {
    let total: u64 = reasons.values().sum();
    if total == 0 {
        return "<p>None: every image was used.</p>\n".to_owned();
    }
    let most = reasons.values().copied().max().unwrap_or(1);
    let mut table = Bars::new(["reason", "images", "share"]);
    for (&reason, &number) in reasons {
        let name = format!("{}<small>{}</small>", reason.as_str(), meaning(reason));
        table.count(&name, number, most, images);
    }
    format!("<p>Each one is listed with its reason in <code>errors/</code>.</p>\n{}", table.finish())
}

/// Some unusable images, each with its reason.
pub(super) fn examples(examples: &[Rejected]) -> String {
    let mut rows = String::new();
    for Rejected { path, reject: Reject { reason, detail }, .. } in examples {
        let (path, detail) = (label(path), escape(detail));
        let _ = writeln!(rows, "<tr><th scope=\"row\">{path}</th><td>{}</td><td>{detail}</td></tr>", reason.as_str());
    }
    let heads = "<th scope=\"col\">image</th><th scope=\"col\">reason</th><th scope=\"col\">detail</th>";
    format!("<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n")
}

fn meaning(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::Empty => "the file has no bytes",
        RejectReason::Unsupported => "not JPEG, PNG, GIF, BMP, WebP or TIFF, whatever its name",
        RejectReason::Truncated => "the file ends before the image does",
        RejectReason::Corrupt => "the bytes contradict their format",
        RejectReason::TooLarge => "more pixels or bytes than are read",
        RejectReason::NotFinite => "the model makes no finite numbers of it",
        RejectReason::Unreadable => "no permission, or a broken link",
    }
}

/// How long each stage took. The report itself was not finished when it was written.
pub(super) fn timings(page: &Page<'_>) -> String {
    let longest = page.timings.iter().map(|timing| timing.seconds()).fold(f64::MIN_POSITIVE, f64::max);
    let mut table = Bars::new(["stage", "items", "time"]);
    for timing in page.timings {
        let items = items(timing.stage, timing.items);
        table.row(timing.stage.as_str(), timing.seconds() / longest, [items, duration(timing.seconds())]);
    }
    let total: f64 = page.timings.iter().map(|timing| timing.seconds()).sum();
    format!("{}<p>Together {}, until this page was written.</p>\n", table.finish(), duration(total))
}

fn items(stage: Stage, items: u64) -> String {
    match stage.unit(items) {
        None => String::new(),
        Some(_) if stage == Stage::Extract && items == 0 => "nothing new".to_owned(),
        Some(unit) => counted(items, unit, unit),
    }
}

/// One line on whether the results can be relied on.
pub(super) fn verdict(page: &Page<'_>) -> String {
    let checks = &page.validation.checks;
    let failed = checks.iter().filter(|check| !check.passed).count() as u64;
    if failed == 0 {
        return format!("<p class=\"verdict\">✓ All {} passed</p>\n", counted(checks.len() as u64, "check", "checks"));
    }
    let all = counted(checks.len() as u64, "check", "checks");
    format!("<p class=\"verdict failed\">✗ {} of {all} failed: do not use these results</p>\n", count(failed))
}

/// Every check with its figures.
pub(super) fn checks(page: &Page<'_>) -> String {
    let mut rows = String::new();
    for check in &page.validation.checks {
        let (mark, class) = if check.passed { ("✓ passed", "passed") } else { ("✗ failed", "failed") };
        let (name, expected, found) = (escape(&check.check), figure_text(&check.expected), figure_text(&check.found));
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\">{name}</th><td class=\"number\">{expected}</td><td class=\"number\">{found}</td><td class=\"{class}\">{mark}</td></tr>"
        );
    }
    let heads = "<th scope=\"col\">check</th><th scope=\"col\" class=\"number\">expected</th><th scope=\"col\" class=\"number\">found</th><th scope=\"col\">result</th>";
    format!("<table class=\"checks\">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n")
}

fn figure_text(value: &Value) -> String {
    match (value.as_u64(), value.as_f64(), value.as_str()) {
        (Some(number), _, _) => count(number),
        (None, Some(0.0), _) => "0".to_owned(),
        (None, Some(number), _) if number.abs() < 1e-3 => format!("{number:.2e}"),
        (None, Some(number), _) => format!("{number:.4}"),
        (None, None, Some(text)) => escape(text),
        _ => escape(&value.to_string()),
    }
}

/// A table whose rows have a name, a bar and two numbers.
struct Bars {
    heads: [&'static str; 3],
    rows: String,
}

impl Bars {
    fn new(heads: [&'static str; 3]) -> Self {
        Self { heads, rows: String::new() }
    }

    /// A count, as a bar beside the largest one's and as a share of all.
    fn count(&mut self, name: &str, number: u64, largest: u64, all: u64) {
        self.row(name, share(number, largest), [count(number), percent(share(number, all))]);
    }

    /// `length` is relative to the longest bar.
    fn row(&mut self, name: &str, length: f64, [first, second]: [String; 2]) {
        let bar = format!("<td class=\"bar\"><span style=\"width:{:.2}%\"></span></td>", 100.0 * length);
        let _ = writeln!(
            self.rows,
            "<tr><th scope=\"row\">{name}</th>{bar}<td class=\"number\">{first}</td><td class=\"number\">{second}</td></tr>"
        );
    }

    fn finish(self) -> String {
        let [name, first, second] = self.heads;
        format!(
            "<table class=\"bars\">
<thead><tr><th scope=\"col\">{name}</th><td></td><th scope=\"col\" class=\"number\">{first}</th><th scope=\"col\" class=\"number\">{second}</th></tr></thead>
<tbody>
{}</tbody>
</table>
",
            self.rows
        )
    }
}
