//! How long each stage took.

use pomona_run::stage::{Stage, StageTime, Timing, by_stage};

use super::bars::Bars;
use super::text::{counted, duration};

/// How long each stage took. The report itself was not finished when it was written.
pub(super) fn section(timings: &[Timing]) -> String {
    let times = by_stage(timings.iter().map(StageTime::from));
    let longest = times.iter().map(|time| time.seconds).fold(f64::MIN_POSITIVE, f64::max);
    let mut table = Bars::new(["stage", "items", "time"]);
    for StageTime { stage, seconds, items: count } in &times {
        table.row(stage.as_str(), seconds / longest, [items(*stage, *count), duration(*seconds)]);
    }
    let total: f64 = times.iter().map(|time| time.seconds).sum();
    format!("{}<p>Together {}, until this page was written.</p>\n", table.finish(), duration(total))
}

fn items(stage: Stage, items: u64) -> String {
    match stage.unit(items) {
        None => String::new(),
        Some(_) if stage == Stage::Extract && items == 0 => "nothing new".to_owned(),
        Some(unit) => counted(items, unit, unit),
    }
}
