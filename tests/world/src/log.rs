//! What functions log, which AWS keeps: no key and no label may be in it.

use std::fmt::{Debug, Write};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::context;

static STARTED: Once = Once::new();

/// Has worlds hear what their functions log.
pub(crate) fn start() {
    // Whoever runs these tests may listen already.
    STARTED.call_once(|| drop(tracing::subscriber::set_global_default(Heard)));
}

/// As a function is deployed: its own lines of the level `info`, and warnings of others'.
struct Heard;

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let least = if metadata.target().starts_with("pomona") { Level::INFO } else { Level::WARN };
        *metadata.level() <= least
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        hear(|line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        hear(|line| values.record(line));
    }

    fn event(&self, event: &Event<'_>) {
        hear(|line| event.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A program's log is on the machine of whoever started it.
fn hear(record: impl FnOnce(&mut Line)) {
    if context::is_in_function() {
        let mut line = Line::default();
        record(&mut line);
        context::world().hear(&line.0);
    }
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("a string grows");
    }
}
