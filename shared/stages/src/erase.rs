//! Erasing images from everything below an output, and the proof that they are gone.
//!
//! What was asked is written down first, as salted digests of the images' keys, so that an erasure that was killed goes
//! on where it is asked for again; from then on every plan leaves these images out. The newest run, if it has any of
//! them, is made anew of the features that are there, without reading an image; then every file that names one of them
//! goes, and what was made of such files: whole runs, parts, fragments, sums. All that is left is read once more, and the
//! certificate is written last.

mod rebuild;
mod traces;
mod wish;

use std::collections::BTreeSet;
use std::future::Future;

use pomona_formats::Error as FileError;
use pomona_formats::erasure::{Certificate, DeletedFile, Erasures, NewRun, Request};
use pomona_formats::planned;
use pomona_formats::planned_runs::PlannedRuns;
use pomona_formats::suppressed::Suppressed;
use pomona_results::latest;
use pomona_run::layout::SUPPRESSED;
use pomona_run::{ErrorName, RunId, clock};
use pomona_store::Store;
use serde::Serialize;

use crate::error::Error;
use crate::local::Observer;
use crate::lock::{self, Holders};

pub use traces::Traces;
pub use wish::{Which, Wish};

/// What lies out of reach of whoever erases at an output.
const BEYOND: [&str; 4] = [
    "the images themselves: whoever holds the input deletes them there, with their older versions",
    "results that were copied or downloaded, and backups of this output",
    "outputs that took models from a run here (`pomona apply`): models are sums over all images, and are made anew here",
    "archives of the input: an index of one is made anew when a run reads it, and names its members as the archive does",
];

/// Who erases, and how.
pub struct Eraser<'a> {
    /// Where the results are.
    pub output: &'a dyn Store,
    /// Who erases, for lock.json.
    pub holder: &'a str,
    /// What is known about others that hold the output.
    pub holders: &'a dyn Holders,
    /// Threads that compute.
    pub threads: usize,
}

/// What became of erasures that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// A certificate for each of them.
    pub certificates: Vec<Certificate>,
    /// How many of the named keys no run had listed. They stay out of later runs all the same.
    pub unlisted: u64,
    /// Why there is no run any more over the images that stay, where nothing can be fitted to them.
    pub obstacle: Option<String>,
}

impl Eraser<'_> {
    /// Does what `wish` says, and all that was asked for before and is not done; nothing where `stopped` comes first: then
    /// the next call goes on.
    ///
    /// # Errors
    /// [`Error::Busy`] while a run is going on, [`Error::NothingToErase`], [`Error::FeaturesGone`],
    /// [`Error::TracesLeft`], and those of the store.
    pub async fn erase(
        &self,
        wish: Option<&Wish>,
        observer: &dyn Observer,
        stopped: impl Future<Output = ()>,
    ) -> Result<Option<Erased>, Error> {
        let work = |run_id| async move { self.erase_held(&run_id, wish, observer).await };
        lock::hold(self.output, (self.holder, self.holders), work, stopped).await
    }

    /// Lets images come back that were erased: how many of these keys had been.
    ///
    /// # Errors
    /// [`Error::Busy`] while a run is going on, and those of the store.
    pub async fn allow_again(&self, keys: &[String]) -> Result<u64, Error> {
        let allow = |_| async {
            let Some(mut suppressed) = Suppressed::read(self.output).await? else { return Ok(0) };
            let allowed = keys.iter().filter(|key| suppressed.allow(key)).count() as u64;
            suppressed.write(self.output).await?;
            Ok(allowed)
        };
        let held = (self.holder, self.holders);
        Ok(lock::hold(self.output, held, allow, std::future::pending()).await?.unwrap_or_default())
    }

    async fn erase_held(&self, run_id: &RunId, wish: Option<&Wish>, observer: &dyn Observer) -> Result<Erased, Error> {
        let Erasures { mut pending, .. } = Erasures::read(self.output).await?;
        let mut suppressed = match Suppressed::read(self.output).await? {
            Some(suppressed) => suppressed,
            // One that was killed had not come to write it.
            None if let Some(request) = pending.first() => Suppressed::of(request.salt.clone(), BTreeSet::new()),
            None => Suppressed::none()?,
        };
        let mut unlisted = 0;
        if let Some(wish) = wish {
            let chosen = wish::choose(self.output, &wish.which).await?;
            unlisted = chosen.unlisted;
            let request = request(run_id, wish, &chosen.keys, &suppressed);
            request.write(self.output).await?;
            pending.push(request);
        }
        if pending.is_empty() {
            let location = self.output.location().to_owned();
            return Err(Error::NothingToErase { location, what: "no erasure is unfinished".to_owned() });
        }
        if pending.iter().any(|request| request.salt != suppressed.salt()) {
            return Err(FileError::inconsistent(SUPPRESSED, "what was asked to be erased has another salt").into());
        }
        pending.iter().for_each(|request| suppressed.add(&request.digests));
        suppressed.write(self.output).await?;
        let Removed { run, obstacle, deleted } = self.remove(run_id, &suppressed, observer).await?;
        let examined = traces::find(self.output, &suppressed).await?.into_examined(self.output)?;
        let finished = clock::now();
        let certificates = pending.into_iter().map(|request| Certificate {
            request,
            finished,
            pomona_version: env!("CARGO_PKG_VERSION").to_owned(),
            run: run.clone(),
            deleted: deleted.clone(),
            examined,
            beyond: BEYOND.map(str::to_owned).to_vec(),
        });
        let certificates: Vec<Certificate> = certificates.collect();
        for certificate in &certificates {
            certificate.write(self.output).await?;
        }
        Ok(Erased { certificates, unlisted, obstacle })
    }

    /// Makes the newest run anew where it has any of the images, and deletes what holds one of them, or was made of it.
    async fn remove(&self, run_id: &RunId, suppressed: &Suppressed, observer: &dyn Observer) -> Result<Removed, Error> {
        self.output.remove_unfinished().await?;
        observer.notice("reading everything");
        let traces = traces::find(self.output, suppressed).await?;
        let newest = latest::read(self.output).await?.map(|latest| latest.run_id);
        let (mut run, mut obstacle) = (None, None);
        if let Some(newest) = newest.filter(|newest| traces.are_in(newest)) {
            let newest = planned::read_plan(self.output, &newest).await?;
            match rebuild::run(self.output, &newest, (run_id, self.threads), suppressed, observer).await {
                Err(error) if is_about_what_stays(&error) => obstacle = Some(error.to_string()),
                made => run = made?,
            }
            if run.is_none() {
                latest::remove(self.output).await?;
            }
        }
        let gone: Vec<RunId> = traces.runs();
        let planned = PlannedRuns::read(self.output).await?;
        let kept = planned.run_ids().iter().filter(|run_id| !gone.contains(run_id)).cloned().collect();
        PlannedRuns::new(kept).write(self.output).await?;
        observer.notice("deleting what holds or was made of the images");
        let mut deleted = traces::delete(self.output, &traces).await?;
        deleted.extend(traces::delete_sums(self.output, run_id).await?);
        deleted.sort_unstable();
        Ok(Removed { run, obstacle, deleted })
    }
}

/// What an erasure has done.
struct Removed {
    run: Option<NewRun>,
    obstacle: Option<String>,
    deleted: Vec<DeletedFile>,
}

/// Whether an error says that nothing can be fitted to the images that stay: that is no reason to keep the others.
fn is_about_what_stays(error: &Error) -> bool {
    match error {
        Error::OneImage { .. } | Error::NothingUsable { .. } | Error::TooManyRejects { .. } => true,
        Error::File(FileError::Pca(_) | FileError::Request(_)) => error.name() == ErrorName::BadInput,
        _ => false,
    }
}

fn request(id: &RunId, wish: &Wish, keys: &BTreeSet<String>, suppressed: &Suppressed) -> Request {
    Request {
        id: id.clone(),
        asked: clock::now(),
        pomona_version: env!("CARGO_PKG_VERSION").to_owned(),
        because: wish.because.clone(),
        salt: suppressed.salt().to_owned(),
        digests: keys.iter().map(|key| suppressed.digest(key)).collect(),
    }
}

/// What a certificate is worth now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The certificate.
    pub certificate: Certificate,
    /// Images of it that may be here, because they were allowed again.
    pub allowed_again: u64,
    /// What was read, and what of it names one of the others.
    pub traces: Traces,
}

/// Holds every certificate at an output against all that is there.
///
/// # Errors
/// [`pomona_formats::Error::Damaged`] for a certificate that was altered, and those of the store.
pub async fn check(output: &dyn Store) -> Result<Vec<Checked>, Error> {
    let suppressed = Suppressed::read(output).await?;
    let mut checked = Vec::new();
    for certificate in Erasures::read(output).await?.done {
        let Request { salt, digests, .. } = &certificate.request;
        let is_erased = |digest: &&String| suppressed.as_ref().is_none_or(|all| all.has_digest(digest));
        let erased: BTreeSet<String> = digests.iter().filter(is_erased).cloned().collect();
        let allowed_again = (digests.len() - erased.len()) as u64;
        let traces = traces::find(output, &Suppressed::of(salt.clone(), erased)).await?;
        checked.push(Checked { certificate, allowed_again, traces });
    }
    Ok(checked)
}
