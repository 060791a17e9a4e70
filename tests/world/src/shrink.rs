//! Telling a failing history as shortly as it can be.

use crate::history::History;
use crate::life::{Lived, live_through};

/// The history of a seed, shortened as long as the same thing goes wrong, as a timeline for people; nothing where
/// nothing goes wrong.
pub fn tell(seed: u64) -> Option<String> {
    let whole = History::of(seed);
    let violated = invariant(&live_through(&whole, false))?;
    let shortest = shorten(whole, &violated);
    let Lived { violation, timeline, .. } = live_through(&shortest, true);
    let mut text = format!("seed {seed}: {}\n", violation.unwrap_or_default());
    text += &format!("{:?}\n{:?}\n", shortest.setting, shortest.weather);
    for line in timeline {
        text += &line;
        text.push('\n');
    }
    Some(text)
}

fn invariant(lived: &Lived) -> Option<String> {
    lived.violation.as_ref().and_then(|violation| Some(violation.split_once(':')?.0.to_owned()))
}

fn shorten(mut history: History, violated: &str) -> History {
    let still_fails = |history: &History| invariant(&live_through(history, false)).as_deref() == Some(violated);
    while let Some(shorter) = candidates(&history).into_iter().find(|shorter| still_fails(shorter)) {
        history = shorter;
    }
    history
}

/// Each a little simpler.
fn candidates(history: &History) -> Vec<History> {
    let without_deed = (0..history.deeds.len()).rev().map(|index| {
        let mut shorter = history.clone();
        let (gap, _) = shorter.deeds.remove(index);
        if let Some((next, _)) = shorter.deeds.get_mut(index) {
            *next += gap;
        }
        shorter
    });
    let in_milder_weather = history.weather.milder().into_iter().map(|weather| History { weather, ..history.clone() });
    without_deed.chain(in_milder_weather).collect()
}
