//! What can go wrong, in words that name the file or URL and say what to do.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::MODEL_NAME;
use crate::obstacle::Obstacle;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the model could not be had.
///
/// Messages are whole: each already holds its cause, so there is no `source()` to print after them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No source gave all the files.
    #[error(
        "the model {MODEL_NAME} could not be fetched ({}); fetch its weights from a mirror or a folder with \
         `pomona model fetch --from URL|FOLDER`, name a model file with `--model FILE`, or, for a trial, use untrained \
         weights with `--untrained`",
        join(failures)
    )]
    Unavailable {
        /// The failure that ended each source, in the order they were tried.
        failures: Vec<Error>,
    },
    /// A host cannot be asked at all.
    #[error("{}", obstacle.describe(host, proxy.as_deref()))]
    Unreachable {
        /// The source's host.
        host: String,
        /// The proxy before it, if any.
        proxy: Option<String>,
        /// What keeps it out of reach.
        obstacle: Obstacle,
    },
    /// All the time that fetching may take is over.
    #[error("not all of it came within {} s", within.as_secs_f64())]
    OutOfTime {
        /// [`FetchOptions::within`](crate::FetchOptions::within).
        within: Duration,
    },
    /// A download failed.
    #[error("{url}: {reason}")]
    Download {
        /// The file's URL.
        url: String,
        /// The client's error.
        reason: Box<ureq::Error>,
    },
    /// The system has no thread to fetch with.
    #[error("no thread can be started: {0}; end other programs, or raise the limit of threads (`ulimit -u`)")]
    NoThread(std::io::Error),
    /// A weight file in a folder could not be read.
    #[error("{}: {reason}; the folder must hold all the published .npy files", path.display())]
    ReadWeights {
        /// The weight file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// A weight file is not the published one.
    #[error(
        "{location}: not the published file (sha256 is {found}, expected {expected}); the source, or something on the \
         way to it, altered the file"
    )]
    WrongWeights {
        /// Its URL or path.
        location: String,
        /// The digest of what was received.
        found: String,
        /// The digest of the edition's file.
        expected: String,
    },
    /// A source is neither an http(s) URL nor a folder.
    #[error("source {text}: {problem}; give an http:// or https:// URL or a folder that holds the .npy files")]
    BadSource {
        /// The source as given.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// [`assemble`](crate::assemble) was not given one of the files.
    #[error("weight file {file}: missing; all files that weight_files() names are needed")]
    MissingWeights {
        /// The file's name.
        file: &'static str,
    },
    /// A weight file is not a float32 array of the layer's shape in `.npy` format.
    #[error("weight file {file}: {problem}; use the published file")]
    BadArray {
        /// The file's name.
        file: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no folder to cache the model in.
    #[error(
        "no cache folder: none of POMONA_CACHE, XDG_CACHE_HOME and HOME is set to an absolute path; set POMONA_CACHE"
    )]
    NoCacheFolder,
    /// The model could not be put into the cache.
    #[error("cache folder {}: {reason}; {}", folder.display(), mend_write(reason))]
    WriteCache {
        /// The folder that was to hold the model.
        folder: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// A model file could not be read.
    #[error("model {}: {reason}", path.display())]
    ReadModel {
        /// The model file.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// A model file is not that of the edition.
    #[error(
        "model {}: not {MODEL_NAME} (sha256 is {found}, expected {expected}); fetch it with `pomona model fetch`",
        path.display()
    )]
    WrongModel {
        /// The model file.
        path: PathBuf,
        /// Its digest.
        found: String,
        /// The digest of the edition's model.
        expected: String,
    },
    /// The weights were the published ones, yet the assembled model is not the pinned one.
    #[error(
        "assembled model {MODEL_NAME}: sha256 is {found}, expected {expected}; this build of Pomona assembles wrongly: \
         report it, and meanwhile name a model file with `--model FILE`"
    )]
    WrongAssembly {
        /// The digest of what was assembled.
        found: String,
        /// The digest of the edition's model.
        expected: String,
    },
}

fn join(failures: &[Error]) -> String {
    let messages: Vec<String> = failures.iter().map(Error::to_string).collect();
    messages.join("; ")
}

fn mend_write(reason: &io::Error) -> &'static str {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match reason.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => {
            "the model needs 9 MB: make room, or set POMONA_CACHE to another folder"
        }
        _ => "make it a folder that you can write to, or set POMONA_CACHE to another one",
    }
}
