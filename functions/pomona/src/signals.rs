//! Signals that ask the program to end: Ctrl-C, those of schedulers and containers, a terminal that is closed.

use std::future::poll_fn;
use std::sync::OnceLock;
use std::task::Poll;

use tokio::signal::unix::{self, SignalKind};

/// A signal that asks the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What `kill`, containers and schedulers send before they end a program by force.
    Terminate,
    /// The terminal is gone.
    HangUp,
}

impl Signal {
    const ALL: [Self; 3] = [Self::Interrupt, Self::Terminate, Self::HangUp];

    fn kind(self) -> SignalKind {
        match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
            Self::HangUp => SignalKind::hangup(),
        }
    }

    /// The exit code of a program that it has ended, as shells have it: 128 and its number.
    pub(crate) fn exit_code(self) -> u8 {
        128 + self.kind().as_raw_value() as u8
    }

    /// Whether it is to be heard: under `nohup` the program goes on when the terminal is gone.
    fn is_heard(self) -> bool {
        self != Self::HangUp || !is_ignored(self.kind())
    }
}

/// Whether whoever started the program has it ignore a signal (proc_pid_status(5)); where that is not to be known, it
/// counts as if.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

/// Waits for a signal, and notes which one has come; a second one ends the process at once.
pub(crate) async fn wait(received: &OnceLock<Signal>) {
    let heard = Signal::ALL.into_iter().filter(|signal| signal.is_heard());
    // One without a handler ends the process at once, which loses nothing either.
    let mut streams: Vec<_> = heard.filter_map(|signal| Some((signal, unix::signal(signal.kind()).ok()?))).collect();
    let first = next(&mut streams).await;
    received.get_or_init(|| first);
    tokio::spawn(async move {
        let second = next(&mut streams).await;
        std::process::exit(second.exit_code().into());
    });
}

async fn next(streams: &mut [(Signal, unix::Signal)]) -> Signal {
    poll_fn(|context| {
        let mut ready =
            streams.iter_mut().filter_map(|(signal, stream)| stream.poll_recv(context).is_ready().then_some(*signal));
        ready.next().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
