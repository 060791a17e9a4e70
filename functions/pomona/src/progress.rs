//! How far a command has got: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use pomona_pipeline::local::Observer;
use pomona_pipeline::stage::{Stage, Timing};

/// How often a plain line is written.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Shows progress and notices on standard error.
pub(crate) struct Progress {
    quiet: bool,
    bar: Mutex<Option<Bar>>,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, bar: Mutex::default() }
    }

    /// Tells something.
    pub(crate) fn say(&self, text: &str) {
        self.say_beside(self.current().as_ref(), text);
    }

    /// Tells something above a bar, which stays whole.
    pub(crate) fn say_beside(&self, bar: Option<&Bar>, text: &str) {
        match bar.map(|bar| &bar.shown) {
            _ if self.quiet => {}
            Some(Shown::Terminal(bar)) => bar.suspend(|| eprintln!("{text}")),
            _ => eprintln!("{text}"),
        }
    }

    /// A bar for `total` items.
    pub(crate) fn bar(&self, name: &str, unit: &str, total: u64) -> Bar {
        self.bar_from(name, unit, 0, total)
    }

    /// A bar for `total` items of which `done` were done before anybody looked.
    pub(crate) fn bar_from(&self, name: &str, unit: &str, done: u64, total: u64) -> Bar {
        Bar::new(name, unit, done, total, self.quiet)
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Bar>> {
        self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Observer for Progress {
    fn stage_started(&self, stage: Stage, items: u64) {
        let unit = match stage {
            Stage::Extract => "images",
            Stage::Combine => "groups",
            Stage::Project => "shards",
            Stage::Plan | Stage::Reduce | Stage::Report => return,
        };
        if items > 0 {
            *self.current() = Some(self.bar(stage.as_str(), unit, items));
        }
    }

    fn item_done(&self, _: Stage) {
        if let Some(bar) = self.current().as_ref() {
            bar.advance();
        }
    }

    fn stage_finished(&self, _: &Timing) {
        self.current().take();
    }

    fn notice(&self, text: &str) {
        self.say(text);
    }
}

/// Progress towards a number of items; what was drawn is cleared when it is dropped.
pub(crate) struct Bar {
    name: String,
    unit: String,
    total: AtomicU64,
    before: u64,
    done: AtomicU64,
    started: Instant,
    shown: Shown,
}

enum Shown {
    Nothing,
    Terminal(ProgressBar),
    Lines { last: Mutex<Instant> },
}

impl Bar {
    fn new(name: &str, unit: &str, before: u64, total: u64, quiet: bool) -> Self {
        let started = Instant::now();
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            Shown::Terminal(terminal_bar(name, unit, before, total))
        } else {
            Shown::Lines { last: Mutex::new(started) }
        };
        let (name, unit) = (name.to_owned(), unit.to_owned());
        Self { name, unit, total: total.into(), before, done: before.into(), started, shown }
    }

    pub(crate) fn advance(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.shown {
            Shown::Nothing => {}
            Shown::Terminal(bar) => bar.inc(1),
            Shown::Lines { last } => self.write_line_if_due(done, last),
        }
    }

    /// Shows that `done` of `total` items are done.
    pub(crate) fn reach(&self, done: u64, total: u64) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        match &self.shown {
            Shown::Nothing => {}
            Shown::Terminal(bar) => {
                bar.set_length(total);
                bar.set_position(done);
            }
            Shown::Lines { last } => self.write_line_if_due(done, last),
        }
    }

    fn write_line_if_due(&self, done: u64, last: &Mutex<Instant>) {
        let total = self.total.load(Ordering::Relaxed);
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.elapsed() < LINE_INTERVAL && done < total {
            return;
        }
        *last = Instant::now();
        let seconds = self.started.elapsed().as_secs_f64().max(1e-3);
        let per_second = done.saturating_sub(self.before) as f64 / seconds;
        let left = Duration::try_from_secs_f64(total.saturating_sub(done) as f64 / per_second);
        // Nothing is known of the time that is left before anything is done.
        let left = left.map_or_else(|_| String::new(), |left| format!(", {} left", HumanDuration(left)));
        eprintln!("{}: {done} of {total} {}, {per_second:.1} a second{left}", self.name, self.unit);
    }
}

fn terminal_bar(name: &str, unit: &str, before: u64, total: u64) -> ProgressBar {
    let template = format!("{name:<8} {{bar:32}} {{pos}}/{{len}} {unit}, {{per_sec}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()).with_style(style);
    bar.set_position(before);
    // What was done before says nothing about the speed.
    bar.reset_eta();
    bar
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Shown::Terminal(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}
