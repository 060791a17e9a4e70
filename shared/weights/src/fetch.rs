//! The whole way from a source to a model in the cache.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use crate::client::Client;
use crate::{Cache, Edition, Error, Result, Source, WeightFile, WeightFiles, assemble, sha256_hex};

/// Downloads at once. The files are small, so waiting for answers is what takes the time.
const WORKERS: usize = 8;

/// What to fetch from where, and how patiently.
#[derive(Debug, Clone)]
pub struct FetchOptions {
    /// Which weights.
    pub edition: Edition,
    /// Tried in order; a later one is asked only for files that the earlier ones did not give.
    pub sources: Vec<Source>,
    /// How often a source is asked for a file before it is given up; at least once.
    pub attempts: u32,
    /// The wait before the second attempt; each later wait is twice as long.
    pub first_wait: Duration,
    /// The longest wait for a connection (not tried again after that), and then for each of the answer's next bytes.
    pub timeout: Duration,
    /// The most that it may take in all.
    pub within: Option<Duration>,
}

impl Default for FetchOptions {
    /// The published weights and sources, four attempts within some four seconds, 15 seconds of silence.
    fn default() -> Self {
        Self {
            edition: Edition::published(),
            sources: Source::published(),
            attempts: 4,
            first_wait: Duration::from_millis(500),
            timeout: Duration::from_secs(15),
            within: None,
        }
    }
}

/// What happens on the way, for whoever shows progress. All files together are as many as the edition has.
#[derive(Debug)]
pub enum Event<'a> {
    /// A file is here and its digest is right.
    Fetched {
        /// The file's name.
        file: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// A file did not come, and is asked for again. Of all files that a source fails to give at the same attempt, one
    /// is told of.
    Retrying {
        /// What went wrong.
        failure: &'a Error,
        /// How long until the next attempt.
        wait: Duration,
    },
    /// A source is given up, and the next one asked.
    NextSource {
        /// What ended it.
        failure: &'a Error,
    },
}

/// The path of the whole, checked model in the cache; fetched now if it was not there yet.
///
/// Any number of processes may do this at once. HTTP goes through the proxy that `HTTPS_PROXY` (or `ALL_PROXY`,
/// `HTTP_PROXY`) names, save for the hosts in `NO_PROXY`. `on_event` is called on the caller's thread.
///
/// # Errors
/// [`Error::Unavailable`] when no source gives all files, [`Error::WriteCache`] when the model cannot be stored.
pub fn fetch(cache: &Cache, options: &FetchOptions, mut on_event: impl FnMut(Event)) -> Result<PathBuf> {
    let edition = &options.edition;
    if let Some(path) = cache.model(edition)? {
        return Ok(path);
    }
    let files = gather(options, &mut on_event)?;
    let model = assemble(&files)?;
    let found = sha256_hex(&model);
    if found != edition.model_sha256 {
        return Err(Error::WrongAssembly { found, expected: edition.model_sha256.clone() });
    }
    cache.store(edition, &model)
}

/// All weight files, from as many sources as it takes.
fn gather(options: &FetchOptions, on_event: &mut impl FnMut(Event)) -> Result<WeightFiles> {
    let client = Client::new(options.timeout, options.within);
    let mut files = WeightFiles::new();
    let mut failures: Vec<Error> = Vec::new();
    for source in &options.sources {
        if failures.iter().any(|failure| rules_out(failure, source)) {
            continue;
        }
        if let Some(failure) = failures.last() {
            on_event(Event::NextSource { failure });
        }
        match gather_missing(source, options, &client, &mut files, on_event) {
            Ok(()) => return Ok(files),
            Err(failure) => failures.push(failure),
        }
    }
    Err(Error::Unavailable { failures })
}

/// Whether there is no use in asking a source after what went wrong with an earlier one.
fn rules_out(failure: &Error, source: &Source) -> bool {
    match failure {
        Error::Unreachable { host, .. } => source.host().as_ref() == Some(host),
        Error::OutOfTime { .. } => true,
        _ => false,
    }
}

/// What a worker tells the thread that gathers.
enum Message {
    Fetched(&'static str, Vec<u8>),
    Retrying(Error, Duration),
    Failed(Error),
}

/// Adds the files that one source has. The first file that it fails to give ends it: a model needs them all.
fn gather_missing(
    source: &Source,
    options: &FetchOptions,
    client: &Client,
    files: &mut WeightFiles,
    on_event: &mut impl FnMut(Event),
) -> Result<()> {
    let missing = options.edition.files.iter().filter(|file| !files.contains_key(file.name)).collect();
    let work = Work {
        source,
        options,
        client,
        missing,
        retried: AtomicU32::new(0),
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    };
    let mut first_failure = None;
    thread::scope(|scope| {
        let (sender, messages) = mpsc::channel();
        for number in 0..WORKERS {
            let sender = sender.clone();
            match thread::Builder::new().spawn_scoped(scope, || work.run(sender)) {
                Ok(_) => {}
                Err(refused) if number == 0 => return Err(Error::NoThread(refused)),
                // Fewer do the same in more time.
                Err(_) => break,
            }
        }
        drop(sender);
        for message in messages {
            match message {
                Message::Fetched(file, bytes) => {
                    on_event(Event::Fetched { file, bytes: bytes.len() });
                    files.insert(file, bytes);
                }
                Message::Retrying(failure, wait) => on_event(Event::Retrying { failure: &failure, wait }),
                Message::Failed(failure) => {
                    first_failure.get_or_insert(failure);
                }
            }
        }
        Ok(())
    })?;
    first_failure.map_or(Ok(()), Err)
}

/// What the workers share while they empty one source.
struct Work<'a> {
    source: &'a Source,
    options: &'a FetchOptions,
    client: &'a Client,
    missing: Vec<&'a WeightFile>,
    /// The last attempt whose failure was told of.
    retried: AtomicU32,
    next: AtomicUsize,
    stop: AtomicBool,
}

impl Work<'_> {
    /// One worker: file after file until none is left, one fails, or nobody listens any more.
    fn run(&self, sender: Sender<Message>) {
        while let Some(file) = self.next_file() {
            // The client starts a thread for a name server's answer, and panics where the system refuses it one.
            let read = catch_unwind(AssertUnwindSafe(|| self.read_patiently(file, &sender)));
            let message = match read.unwrap_or_else(|_| Err(Error::NoThread(ErrorKind::WouldBlock.into()))) {
                Ok(bytes) => Message::Fetched(file.name, bytes),
                Err(failure) => {
                    self.stop.store(true, Ordering::Relaxed);
                    Message::Failed(failure)
                }
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    }

    fn next_file(&self) -> Option<&WeightFile> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        self.missing.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()
    }

    fn read_patiently(&self, file: &WeightFile, sender: &Sender<Message>) -> Result<Vec<u8>> {
        let mut wait = self.options.first_wait;
        for attempt in 1..self.options.attempts {
            match self.source.read(file, self.client) {
                Err(failure) if self.is_worth_another_try(&failure, wait) => {
                    if self.retried.fetch_max(attempt, Ordering::Relaxed) < attempt {
                        // A gatherer that went away is noticed when the file is sent.
                        let _ = sender.send(Message::Retrying(failure, wait));
                    }
                    thread::sleep(wait);
                    wait = wait.saturating_mul(2);
                }
                outcome => return outcome,
            }
        }
        self.source.read(file, self.client)
    }

    fn is_worth_another_try(&self, failure: &Error, wait: Duration) -> bool {
        self.source.may_recover_from(failure) && !self.stop.load(Ordering::Relaxed) && wait < self.client.time_left()
    }
}
