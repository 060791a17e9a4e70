//! How well images are classified, and which labels are taken for one another.

use std::fmt::Write;

use pomona_formats::classification::{Outcomes, Tally};
use pomona_run::classify::ClassifyOn;

use super::figures::figure;
use super::matrix;
use super::text::{count, counted, escape, label, percent, share};
use crate::classification::{self, Confused, LabelMetrics, Metrics, SideMetrics};

/// Labels that have a row of their own.
const LABELS_SHOWN: usize = 20;

/// The section about classification. `labels` are those that the numbers in the tally stand for.
pub(super) fn section(metrics: &Metrics, labels: &[String], tally: &Tally) -> String {
    let Some(side) = Side::shown(metrics, tally) else {
        return "<p>No image that could be used has a label.</p>\n".to_owned();
    };
    let parts = [
        figures(metrics, &side),
        how_found(metrics),
        side.note.to_owned(),
        matrix::figure(side.kind, labels, side.outcomes),
        most_confused(metrics, labels, tally),
        worst_labels(&side),
    ];
    parts.concat()
}

/// The side of the split that says most: images that were held back, or else those that were learned from.
struct Side<'a> {
    kind: &'static str,
    note: &'static str,
    metrics: &'a SideMetrics,
    outcomes: &'a Outcomes,
}

impl<'a> Side<'a> {
    fn shown(metrics: &'a Metrics, tally: &'a Tally) -> Option<Self> {
        const NO_TEST: &str = "<p>There are no test images: what follows is of the training images, which says nothing \
                               of others.</p>\n";
        let test = metrics.test.as_ref().map(|side| ("test", "", side, &tally.test));
        let training = metrics.training.as_ref().map(|side| ("training", NO_TEST, side, &tally.training));
        let (kind, note, metrics, outcomes) = test.or(training)?;
        Some(Self { kind, note, metrics, outcomes })
    }
}

fn figures(metrics: &Metrics, side: &Side<'_>) -> String {
    let mut figures = String::new();
    for (kind, side) in [("test", &metrics.test), ("training", &metrics.training)] {
        if let Some(side) = side {
            let images = counted(side.images, "image", "images");
            figures += &figure(&format!("{kind} accuracy"), &percent(side.accuracy), &format!("of {images}"));
        }
    }
    let of_side = format!("{} images", side.kind);
    figures += &figure("macro F1", &percent(side.metrics.macro_average.f1), &of_side);
    figures += &figure("log-loss", &format!("{:.3}", side.metrics.log_loss), &of_side);
    let end = if metrics.descent.converged { "converged" } else { "not converged" };
    figures += &figure("iterations", &count(metrics.descent.iterations), end);
    format!("<dl class=\"figures\">\n{figures}</dl>\n")
}

fn how_found(metrics: &Metrics) -> String {
    let classify = &metrics.classify;
    let seen = match classify.classify_on {
        ClassifyOn::Features => "features",
        ClassifyOn::Components => "principal components",
    };
    format!(
        "<p>A multinomial logistic regression on the {seen} predicts one of {}. Training images are {} of those with a \
         label (seed {}); regularization {}, at most {}.</p>\n",
        counted(metrics.classes, "label", "labels"),
        percent(classify.train_share),
        classify.seed,
        classify.regularization,
        counted(classify.max_iterations, "iteration", "iterations"),
    )
}

/// The pairs of labels that are most often confused, where images were held back to see it.
fn most_confused(metrics: &Metrics, labels: &[String], tally: &Tally) -> String {
    let Some(test) = &metrics.test else { return String::new() };
    let pairs = classification::most_confused(tally);
    if pairs.is_empty() {
        return "<p>No test image was taken for another label.</p>\n".to_owned();
    }
    let support = classification::label_counts(&tally.test);
    let mut rows = String::new();
    for pair in &pairs {
        let all = support.get(&pair.label).map_or(0, |counts| counts.support);
        let (name, images, share) = (confused(pair, labels), count(pair.images), percent(share(pair.images, all)));
        rows += &row(&name, &[images, share]);
    }
    let mistakes = test.images.saturating_sub(support.values().map(|counts| counts.right).sum());
    let caption = format!(
        "<p><strong>Most often confused.</strong> {} taken for another label.</p>\n",
        counted(mistakes, "test image was", "test images were")
    );
    caption + &table("label → predicted, and the likeliest of these images", &["images", "of the label"], &rows)
}

fn confused(pair: &Confused<'_>, labels: &[String]) -> String {
    let name = |number| label(&classification::name(labels, number));
    let mut text = format!("{} → {}", name(pair.label), name(pair.predicted));
    for mistake in &pair.examples {
        let _ = write!(text, "<small><code>{}</code> {}</small>", escape(&mistake.path), percent(mistake.probability));
    }
    text
}

/// The labels that are recognised least.
fn worst_labels(side: &Side<'_>) -> String {
    let mut labels: Vec<&LabelMetrics> = side.metrics.labels.iter().filter(|label| label.support > 0).collect();
    // The sort is stable: labels that are recognised alike stay in the order of their numbers.
    labels.sort_by(|a, b| a.recall.total_cmp(&b.recall));
    let (shown, others) = labels.split_at(labels.len().min(LABELS_SHOWN));
    let mut rows = String::new();
    for LabelMetrics { label: name, precision, recall, f1, support } in shown {
        let [precision, recall, f1] = [precision, recall, f1].map(|&figure| percent(figure));
        rows += &row(&label(name), &[recall, precision, f1, count(*support)]);
    }
    let heading =
        format!("<p><strong>By label.</strong> {} images, least recognised first.</p>\n", capitalised(side.kind));
    let never_there = (side.metrics.labels.len() - labels.len()) as u64;
    [heading, table("label", &["recall", "precision", "F1", "images"], &rows), rest(others, never_there)].concat()
}

/// What the table of labels leaves out.
fn rest(others: &[&LabelMetrics], never_there: u64) -> String {
    let mut text = String::new();
    if let Some(least) = others.first() {
        let labels = counted(others.len() as u64, "other label has", "other labels have");
        let _ = writeln!(text, "<p>{labels} a recall of {} or more.</p>", percent(least.recall));
    }
    if never_there > 0 {
        let labels = counted(never_there, "label was", "labels were");
        let _ = writeln!(text, "<p>{labels} predicted that none of these images has.</p>");
    }
    text
}

fn capitalised(kind: &str) -> &'static str {
    if kind == "test" { "Test" } else { "Training" }
}

fn table(name: &str, numbers: &[&str], rows: &str) -> String {
    let heads: String = numbers.iter().map(|head| format!("<th scope=\"col\" class=\"number\">{head}</th>")).collect();
    format!(
        "<table class=\"labels\">
<thead><tr><th scope=\"col\">{name}</th>{heads}</tr></thead>
<tbody>
{rows}</tbody>
</table>
"
    )
}

fn row(name: &str, numbers: &[String]) -> String {
    let cells: String = numbers.iter().map(|number| format!("<td class=\"number\">{number}</td>")).collect();
    format!("<tr><th scope=\"row\">{name}</th>{cells}</tr>\n")
}
