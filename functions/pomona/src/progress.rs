//! How far a command has got: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use pomona_run::stage::{Stage, Timing};
use pomona_run::sweep::Method;
use pomona_stages::fit::Pass;
use pomona_stages::local::Observer;

use crate::console;
use crate::pace::{Counting, Pace};

/// How often a plain line is written.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// How often a terminal shows that something without a number still goes on.
const TICK: Duration = Duration::from_millis(200);

/// Shows progress and notices on standard error.
pub(crate) struct Progress {
    quiet: bool,
    bar: Mutex<Option<Bar>>,
    /// The pass that was told last: of which fit, and when.
    pass_told: Mutex<Option<(Method, Instant)>>,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, bar: Mutex::default(), pass_told: Mutex::default() }
    }

    /// Tells something.
    pub(crate) fn say(&self, text: &str) {
        self.say_beside(self.current().as_ref(), text);
    }

    /// Tells which pass a fit is in, now and then: it may have a hundred.
    pub(crate) fn tell_pass(&self, method: Method, pass: u32, distance: Option<f64>) {
        let mut told = lock(&self.pass_told);
        if told.is_some_and(|(of, at)| of == method && at.elapsed() < LINE_INTERVAL) {
            return;
        }
        *told = Some((method, Instant::now()));
        self.say(&describe_pass(method, pass, distance));
    }

    /// Tells something above a bar, which stays whole.
    pub(crate) fn say_beside(&self, bar: Option<&Bar>, text: &str) {
        match bar.map(|bar| &bar.shown) {
            _ if self.quiet => {}
            Some(Shown::Terminal(bar)) => bar.suspend(|| console::tell(text)),
            _ => console::tell(text),
        }
    }

    /// A bar for `total` items.
    pub(crate) fn bar(&self, name: &str, unit: &str, total: u64) -> Bar {
        self.bar_from(name, unit, 0, total)
    }

    /// A bar for `total` items of which `done` were done before anybody looked.
    pub(crate) fn bar_from(&self, name: &str, unit: &str, done: u64, total: u64) -> Bar {
        Bar::new(name, Counting::Items(unit.to_owned()), Pace::new(done, total), self.quiet)
    }

    /// A bar for `total` bytes.
    pub(crate) fn bar_of_bytes(&self, name: &str, total: u64) -> Bar {
        Bar::new(name, Counting::Bytes, Pace::new(0, total), self.quiet)
    }

    fn current(&self) -> MutexGuard<'_, Option<Bar>> {
        lock(&self.bar)
    }
}

/// Which pass a fit is in, and how far it is from its end.
pub(crate) fn describe_pass(method: Method, pass: u32, distance: Option<f64>) -> String {
    let distance = match distance {
        Some(distance) => format!(", still {distance:.1e} times what is near enough to the end"),
        None => String::new(),
    };
    format!("{method}: pass {}{distance}", pass + 1)
}

impl Observer for Progress {
    /// A fit may have a hundred passes: the first is told, and another one from time to time.
    fn pass_started(&self, pass: &Pass) {
        self.tell_pass(pass.method, pass.pass, pass.distance);
    }

    fn stage_started(&self, stage: Stage, items: u64) {
        if stage == Stage::Plan {
            *self.current() = Some(Bar::of_listing(self.quiet));
        } else if let Some(unit) = stage.unit(items).filter(|_| items > 0) {
            *self.current() = Some(self.bar(stage.as_str(), unit, items).one_of_many(stage == Stage::Sweep));
        }
    }

    fn file_listed(&self) {
        if let Some(bar) = self.current().as_ref() {
            bar.advance();
        }
    }

    fn item_done(&self, _: Stage) {
        if let Some(bar) = self.current().as_ref() {
            bar.advance();
        }
    }

    fn item_there(&self, _: Stage) {
        if let Some(bar) = self.current().as_ref() {
            bar.change(Pace::find);
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
    counting: Counting,
    pace: Arc<Mutex<Pace>>,
    shown: Shown,
    /// Others like it follow, so that its end is no news.
    is_one_of_many: bool,
}

enum Shown {
    Nothing,
    Terminal(ProgressBar),
    Lines { last: Mutex<Instant> },
}

impl Bar {
    fn new(name: &str, counting: Counting, pace: Pace, quiet: bool) -> Self {
        let pace = Arc::new(Mutex::new(pace));
        let shown = Shown::new(quiet, || terminal_bar(name, &counting, pace.clone()));
        Self { name: name.to_owned(), counting, pace, shown, is_one_of_many: false }
    }

    /// Nobody knows how many files there will be. While those of a folder are read for the first time none is counted,
    /// so this shows by itself that work goes on.
    fn of_listing(quiet: bool) -> Self {
        let pace = Arc::new(Mutex::new(Pace::new(0, 0)));
        let shown = match Shown::new(quiet, listing_spinner) {
            Shown::Lines { .. } => {
                tell_of_listing(Arc::downgrade(&pace));
                Shown::Nothing
            }
            shown => shown,
        };
        let counting = Counting::Items("files".to_owned());
        Self { name: "listing".to_owned(), counting, pace, shown, is_one_of_many: false }
    }

    pub(crate) fn one_of_many(mut self, is_one_of_many: bool) -> Self {
        self.is_one_of_many = is_one_of_many;
        self
    }

    pub(crate) fn advance(&self) {
        self.advance_by(1);
    }

    pub(crate) fn advance_by(&self, more: u64) {
        self.change(|pace| pace.work(more));
    }

    /// Shows that `done` of `total` items are done.
    pub(crate) fn reach(&self, done: u64, total: u64) {
        self.change(|pace| (pace.done, pace.total) = (done, total));
    }

    fn change(&self, change: impl FnOnce(&mut Pace)) {
        let pace = {
            let mut pace = lock(&self.pace);
            change(&mut pace);
            // A copy: what draws the bar locks it, too.
            *pace
        };
        match &self.shown {
            Shown::Nothing => {}
            Shown::Terminal(bar) => {
                if bar.length().is_some() {
                    bar.set_length(pace.total);
                }
                bar.set_position(pace.done);
            }
            Shown::Lines { last } => self.write_line_if_due(&pace, last),
        }
    }

    fn write_line_if_due(&self, pace: &Pace, last: &Mutex<Instant>) {
        let mut last = lock(last);
        let is_news = pace.done >= pace.total && !self.is_one_of_many;
        if last.elapsed() < LINE_INTERVAL && !is_news {
            return;
        }
        *last = Instant::now();
        let Self { name, counting, .. } = self;
        console::tell(&format!("{name}: {}, {}", counting.describe(pace.done, pace.total), pace.describe(counting)));
    }
}

impl Shown {
    fn new(quiet: bool, on_terminal: impl FnOnce() -> ProgressBar) -> Self {
        if quiet {
            Self::Nothing
        } else if std::io::stderr().is_terminal() {
            Self::Terminal(on_terminal())
        } else {
            Self::Lines { last: Mutex::new(Instant::now()) }
        }
    }
}

fn terminal_bar(name: &str, counting: &Counting, pace: Arc<Mutex<Pace>>) -> ProgressBar {
    let so_far = match counting {
        Counting::Items(unit) => format!("{{pos}}/{{len}} {unit}"),
        Counting::Bytes => "{bytes}/{total_bytes}".to_owned(),
    };
    let template = format!("{name:<8} {{bar:32}} {so_far}, {{pace}}");
    let Pace { done, total, .. } = *lock(&pace);
    let counting = counting.clone();
    let describe = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = out.write_str(&lock(&pace).describe(&counting));
    };
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    bar.set_style(style.with_key("pace", describe));
    bar.set_position(done);
    bar
}

fn listing_spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("listing  {spinner} {pos} files, {elapsed}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
    bar.enable_steady_tick(TICK);
    bar
}

/// Writes a line from time to time for as long as the listing's bar is there.
fn tell_of_listing(pace: Weak<Mutex<Pace>>) {
    let tell = move || {
        for lines in 1.. {
            std::thread::sleep(LINE_INTERVAL);
            let Some(pace) = pace.upgrade() else { return };
            let seconds = lines * LINE_INTERVAL.as_secs();
            console::tell(&format!("listing: {} files after {seconds} s", lock(&pace).done));
        }
    };
    // Where the system has no thread for it, there are no lines.
    drop(std::thread::Builder::new().spawn(tell));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Shown::Terminal(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}
