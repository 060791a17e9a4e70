//! How long each stage took.

use pomona_run::stage::{Stage, Timing};

use super::bars::Bars;
use super::text::{counted, duration};

/// How long each stage took. The report itself was not finished when it was written.
pub(super) fn section(timings: &[Timing]) -> String {
    let longest = timings.iter().map(|timing| timing.seconds()).fold(f64::MIN_POSITIVE, f64::max);
    let mut table = Bars::new(["stage", "items", "time"]);
    for timing in timings {
        let items = items(timing.stage, timing.items);
        table.row(timing.stage.as_str(), timing.seconds() / longest, [items, duration(timing.seconds())]);
    }
    let total: f64 = timings.iter().map(|timing| timing.seconds()).sum();
    format!("{}<p>Together {}, until this page was written.</p>\n", table.finish(), duration(total))
}

fn items(stage: Stage, items: u64) -> String {
    match stage.unit(items) {
        None => String::new(),
        Some(_) if stage == Stage::Extract && items == 0 => "nothing new".to_owned(),
        Some(unit) => counted(items, unit, unit),
    }
}
