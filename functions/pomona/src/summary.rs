//! What a run came to, in a few lines.

use std::fmt::Write;

use pomona_formats::rejects::describe_reasons;
use pomona_run::layout::RunLayout;
use pomona_run::stage::{StageTime, Timing, by_stage};
use pomona_stages::local::Summary;

/// The lines that `pomona run` ends with.
pub(crate) fn of(summary: &Summary, output: &str) -> String {
    let Summary { plan, extracted, info, timings } = summary;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<10} {value}");
    };
    let classes = if info.num_classes == 1 { "class" } else { "classes" };
    line("images", format!("{} in {} {classes}", info.num_images_listed, info.num_classes));
    line("computed", computed(extracted.computed, plan.images));
    line("rejects", describe_reasons(&info.rejects));
    for notice in plan.left_out.notices() {
        line("skipped", notice);
    }
    for notice in plan.odd_labels.notices() {
        line("labels", notice);
    }
    line("features", format!("{} x {}", info.num_images_processed, info.original_dimensions));
    line("components", info.describe_components());
    if let Some(convergence) = &info.convergence {
        line("", convergence.describe());
    }
    if let Some(classification) = &info.classification {
        line("classifier", classification.describe());
    }
    line("time", seconds_by_stage(timings));
    for notice in info.notices() {
        line("note", notice);
    }
    line("results", run_folder(summary, output));
    text
}

fn seconds_by_stage(timings: &[Timing]) -> String {
    let times = by_stage(timings.iter().map(StageTime::from)).into_iter();
    times.map(|StageTime { stage, seconds, .. }| format!("{stage} {seconds:.1} s")).collect::<Vec<_>>().join(", ")
}

/// Where the run's results are, in a form that `pomona inspect` and `pomona search` take.
pub(crate) fn run_folder(summary: &Summary, output: &str) -> String {
    format!("{}/{}", output.trim_end_matches('/'), RunLayout::new(summary.plan.run_id.as_str()).root())
}

fn computed(computed: u64, images: u64) -> String {
    match computed {
        0 => "nothing: all features were there already".to_owned(),
        _ if computed == images => "all".to_owned(),
        _ => format!("{computed}; the features of the others were there already"),
    }
}
