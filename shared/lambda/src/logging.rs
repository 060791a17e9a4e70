//! The log: one JSON object a line on standard output, where CloudWatch Logs takes it from.

use tracing::Subscriber;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::Layer;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged where POMONA_LOG says nothing else. The runtime's own account of an error would hold the message, and
/// so image keys: `serve` logs each failure by its name.
const LEVELS: &str = "warn,pomona=info,lambda_runtime::layers::panic=off";

/// Starts the log. POMONA_LOG sets levels by target, for instance `debug` or `pomona_store=debug`.
pub fn start_logging() {
    log_panics_by_their_place();
    subscriber(lines()).init();
}

/// The message of a panic may name an image, and goes where those of errors go.
pub(crate) fn log_panics_by_their_place() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic");
    }));
}

/// A JSON object for each line, with the invocation that it belongs to: the run and Lambda's request.
pub(crate) fn lines<S>() -> Layer<S, JsonFields, Format<Json>> {
    tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false)
}

/// Lines at the levels that POMONA_LOG or [`LEVELS`] set.
pub(crate) fn subscriber<L: tracing_subscriber::Layer<Registry> + Send + Sync>(
    lines: L,
) -> impl Subscriber + Send + Sync {
    let levels = std::env::var("POMONA_LOG").ok().and_then(|levels| levels.parse().ok());
    tracing_subscriber::registry().with(lines).with(levels.unwrap_or_else(default_levels))
}

fn default_levels() -> Targets {
    LEVELS.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn by_default_our_crates_log_at_info_and_the_runtime_does_not_repeat_errors() {
        let levels = default_levels();
        assert!(levels.would_enable("pomona_lambda::edge", &Level::INFO));
        assert!(levels.would_enable("pomona_stages::plan", &Level::INFO));
        assert!(!levels.would_enable("pomona_store::s3", &Level::DEBUG));
        assert!(levels.would_enable("aws_config", &Level::WARN));
        assert!(!levels.would_enable("aws_config", &Level::INFO));
        assert!(!levels.would_enable("lambda_runtime::layers::panic", &Level::ERROR));
    }
}
