//! Erasing images from everything below an output, and the proof that they are gone.
//!
//! What was asked is written down first, as salted digests of the images' keys, so that an erasure that was killed goes
//! on where it is asked for again; from then on every plan leaves these images out. The newest run, if it has any of
//! them, is made anew of the features that are there, without reading an image, and older ones are where that is asked
//! for; then every file that names one of them
//! goes, and what was made of such files: whole runs, parts, fragments, sums. All that is left is read once more, and the
//! certificate is written last. Where a bucket keeps what was replaced and deleted, all that is said of files is true of
//! each of their versions.

mod older;
mod rebuild;
mod removal;
mod traces;
mod wish;

use std::collections::BTreeSet;
use std::future::Future;

use chrono::{DateTime, TimeDelta, Utc};
use pomona_formats::Error as FileError;
use pomona_formats::erasure::{Certificate, Erasures, LeftFile, LeftFiles, Request, Signature};
use pomona_formats::planned;
use pomona_formats::planned_runs::PlannedRuns;
use pomona_formats::signature::{PublicKey, SigningKey};
use pomona_formats::suppressed::Suppressed;
use pomona_results::latest::{self, Latest};
use pomona_results::{html, verify};
use pomona_run::layout::{self, RunLayout};
use pomona_run::{RunId, clock, names};
use pomona_store::Store;
use serde::Serialize;

use crate::error::Error;
use crate::local::Observer;
use crate::lock::{self, Holders, Lock};
use crate::report::Rank;

pub use older::Older;
use removal::Removal;
pub use traces::Traces;
use wish::Chosen;
pub use wish::{Which, Wish};

/// What lies out of reach of whoever erases at an output, and who must act.
const BEYOND: [&str; 4] = [
    "the images themselves: whoever holds the input deletes them there, with their older versions",
    "results that were copied or downloaded, and backups or snapshots of this output: whoever made them",
    "outputs that took models from a run here (`pomona apply`), which are sums over all images: whoever runs those \
     applies the models that were made anew",
    "archives of the input: whoever holds them; an index of one is made anew when a run reads it, and names its members \
     as the archive does",
];

/// The same, where the output is a bucket.
const BEYOND_OF_A_BUCKET: [&str; 3] = [
    "records of requests to S3 (CloudTrail's data events, server access logs), where the account keeps any: whoever runs \
     the account; they name objects",
    "queues that tell of uploads (a stack's `Uploads` and `LostUploads`): messages with the paths of objects go within 4 \
     and 14 days",
    "backups and replicas of the buckets (AWS Backup, replication): whoever runs the account",
];

/// So long Step Functions keeps the history of an execution after its end (quotas of Step Functions).
const HISTORY_DAYS: i64 = 90;

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
    /// What becomes of older runs that had one of the images.
    pub older: Older,
    /// By which certificates are signed, if by any.
    pub signing_key: Option<&'a SigningKey>,
}

/// What became of erasures that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// A certificate for each of them.
    pub certificates: Vec<Certificate>,
    /// Why there is no run any more over the images that stay, where nothing can be fitted to them.
    pub obstacle: Option<String>,
}

impl Eraser<'_> {
    /// Does what `wish` says and all that was asked for before and is not done, or without a wish what has come back;
    /// nothing where `stopped` comes first: then the next call goes on.
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
            let pending = Erasures::pending(self.output).await?;
            let asked: Vec<Suppressed> =
                pending.into_iter().map(|Request { salt, digests, .. }| Suppressed::of(salt, digests)).collect();
            let is_pending = |key: &String| asked.iter().any(|asked| asked.has(key));
            if keys.iter().any(is_pending) {
                let problem = "an erasure of some of these images is not done: `pomona erase` goes on with it";
                return Err(FileError::option("allow-again", problem).into());
            }
            let allowed = keys.iter().filter(|key| suppressed.allow(key)).count() as u64;
            suppressed.write(self.output).await?;
            Ok(allowed)
        };
        let held = (self.holder, self.holders);
        Ok(lock::hold(self.output, held, allow, std::future::pending()).await?.unwrap_or_default())
    }

    async fn erase_held(&self, run_id: &RunId, wish: Option<&Wish>, observer: &dyn Observer) -> Result<Erased, Error> {
        Erasures::delete_work(self.output).await?;
        let mut pending = Erasures::pending(self.output).await?;
        let mut suppressed = match Suppressed::read(self.output).await? {
            Some(suppressed) => {
                // It may have been lost.
                suppressed.write(self.output).await?;
                suppressed
            }
            None => Suppressed::none()?,
        };
        if let Some(wish) = wish {
            let Chosen { keys, unlisted } = wish::choose(self.output, &wish.which).await?;
            if wish.because.as_ref().is_some_and(|because| keys.iter().any(|key| because.contains(key))) {
                return Err(FileError::option("because", "it has the path of an image, and would stay").into());
            }
            // What an erasure that was killed had chosen by listings may be listed no more.
            if keys.is_empty() && pending.is_empty() {
                return Err(self.nothing("no run has listed such an image; `--keys` takes any path"));
            }
            let digests: BTreeSet<String> = keys.iter().map(|key| suppressed.digest(key)).collect();
            // The same command again goes on with what it asked for before.
            let is_new = |digest: &String| !pending.iter().any(|request| request.digests.contains(digest));
            if digests.iter().any(is_new) {
                let because = wish.because.clone();
                let request = Request { unlisted, because, ..request(run_id, suppressed.salt(), digests) };
                request.write(self.output).await?;
                pending.push(request);
            }
        }
        if pending.is_empty() {
            pending = self.once_more(run_id, &suppressed).await?;
        }
        pending.iter().for_each(|request| suppressed.add(request));
        suppressed.write(self.output).await?;
        let mut removal = Removal::go_on(self.output, &pending).await?;
        let obstacle = self.remove(&mut removal, run_id, &suppressed, observer).await?;
        let found = traces::find(self.output, &suppressed).await?;
        let left: Vec<LeftFile> = removal.refused.iter().cloned().chain(found.left()).collect();
        if !left.is_empty() {
            return Err(self.tell_of_left(&pending, left).await?);
        }
        let certificates = self.certify(pending, &removal, &found).await?;
        let obstacle = obstacle.map(|obstacle| obstacle.to_string());
        // An attempt before this one may have met it.
        Ok(Erased { obstacle: obstacle.or_else(|| certificates[0].no_run_because.clone()), certificates })
    }

    /// Writes a certificate for each request.
    async fn certify(
        &self,
        done: Vec<Request>,
        removal: &Removal<'_>,
        found: &Traces,
    ) -> Result<Vec<Certificate>, Error> {
        let (finished, rewritten) = (clock::now(), removal.rewritten().await?);
        let certificates = done.into_iter().map(|request| Certificate {
            request,
            finished,
            pomona_version: env!("CARGO_PKG_VERSION").to_owned(),
            run: removal.journal.run.clone(),
            no_run_because: removal.journal.no_run_because.clone(),
            rewritten: rewritten.clone(),
            deleted: removal.journal.deleted.iter().cloned().collect(),
            examined: found.examined,
            not_examined: found.foreign,
            beyond: beyond(self.output.location(), finished),
        });
        let mut certificates: Vec<Certificate> = certificates.collect();
        certificates.sort_by(|a, b| a.request.id.cmp(&b.request.id));
        // That of the first one last: what was done is in its journal.
        for certificate in certificates.iter().rev() {
            self.write(certificate).await?;
        }
        Erasures::delete_work(self.output).await?;
        Ok(certificates)
    }

    /// Writes a certificate down, last the file by which others know that it is there.
    async fn write(&self, certificate: &Certificate) -> Result<(), Error> {
        let (id, bytes) = (&certificate.request.id, certificate.encode()?);
        match self.signing_key {
            Some(key) => self.output.put(&layout::erasure_signature(id), key.sign(&bytes)).await?,
            // One that was killed may have been by another attempt's key, over other bytes.
            None => self.output.delete(&layout::erasure_signature(id)).await?,
        }
        let page = html::certificate::page(certificate, &names::digest(&bytes), self.signing_key.is_some());
        self.output.put(&layout::erasure_page(id), page.into()).await?;
        Ok(self.output.put(&layout::erasure_certificate(id), bytes).await?)
    }

    /// Writes down what should not be there any more.
    async fn tell_of_left(&self, pending: &[Request], left: Vec<LeftFile>) -> Result<Error, Error> {
        let (files, first) = (left.len(), left[0].clone());
        let left = LeftFiles { seen: clock::now(), left };
        for request in pending {
            left.write(self.output, &request.id).await?;
        }
        Ok(Error::TracesLeft {
            location: self.output.location().to_owned(),
            first: first.file.to_string(),
            why: first.why.to_string(),
            files,
            list: layout::erasure_left(&pending[0].id),
        })
    }

    fn nothing(&self, what: &str) -> Error {
        Error::NothingToErase { location: self.output.location().to_owned(), what: what.to_owned() }
    }

    /// Asks for all that was erased where some of it has come back.
    async fn once_more(&self, run_id: &RunId, suppressed: &Suppressed) -> Result<Vec<Request>, Error> {
        if !traces::find(self.output, suppressed).await?.are_any() {
            return Err(self.nothing(
                "no erasure is unfinished, and nothing of what was erased is there; name images by --keys, --filter or --label",
            ));
        }
        let mut requests = Vec::new();
        for (number, (salt, digests)) in suppressed.by_salt().enumerate() {
            let id = if number == 0 { run_id } else { &RunId::new(clock::now(), &format!("{run_id} under {salt}")) };
            let request = request(id, salt, digests.clone());
            request.write(self.output).await?;
            requests.push(request);
        }
        Ok(requests)
    }

    /// The newest run; where latest.json cannot be read, or names a run that is gone but for what a late call has written
    /// of it, it is made to name the newest one that is left.
    async fn mend_latest(&self) -> Result<Option<RunId>, Error> {
        match latest::read(self.output).await {
            Err(FileError::Damaged { .. }) => {}
            Err(error) => return Err(error.into()),
            Ok(None) => return Ok(None),
            Ok(Some(Latest { run_id, .. })) => {
                if self.output.exists(&RunLayout::new(run_id.as_str()).plan()).await? {
                    return Ok(Some(run_id));
                }
            }
        }
        let newest = verify::runs(self.output).await?.newest;
        match &newest {
            Some(newest) => latest::point_at(self.output, newest).await?,
            None => latest::remove(self.output).await?,
        }
        Ok(newest)
    }

    /// Makes the newest run anew if it is among those that go; gives why it cannot be.
    async fn remake(
        &self,
        newest: &RunId,
        removal: &mut Removal<'_>,
        gone: &BTreeSet<RunId>,
        suppressed: &Suppressed,
        observer: &dyn Observer,
    ) -> Result<Option<Error>, Error> {
        if !gone.contains(newest) {
            if gone.iter().any(|run_id| removal.is_made_of(newest, run_id)) {
                // An attempt before this one has made it, and was killed before it could write that down.
                removal.note_run(Some(rebuild::named(self.output, newest).await?), None).await?;
            }
            return Ok(None);
        }
        let (plan, anew) = (planned::read_plan(self.output, newest).await?, removal.name_anew(newest));
        let made = (&anew, self.threads, Rank::Newest);
        let (run, obstacle) = match rebuild::run(self.output, &plan, made, suppressed, observer).await {
            Err(error) if rebuild::is_about_what_stays(&error) => (None, Some(error)),
            made => (made?, None),
        };
        let is_gone = run.is_none();
        removal.note_run(run, obstacle.as_ref()).await?;
        if is_gone {
            latest::remove(self.output).await?;
        }
        Ok(obstacle)
    }

    /// Makes the newest run anew where it has any of the images, and deletes what holds one of them, or was made of it.
    /// Gives why there is no run any more over the images that stay, where nothing can be fitted to them.
    async fn remove(
        &self,
        removal: &mut Removal<'_>,
        run_id: &RunId,
        suppressed: &Suppressed,
        observer: &dyn Observer,
    ) -> Result<Option<Error>, Error> {
        self.output.settle(&traces::is_ours).await?;
        observer.notice("reading everything");
        let mut traces = traces::find(self.output, suppressed).await?;
        traces.add_followers(self.output).await?;
        let newest = self.mend_latest().await?;
        if self.older == Older::Rewrite {
            let runs = (&traces.runs(), newest.as_ref());
            older::rewrite(self.output, runs, removal, self.threads, suppressed, observer).await?;
        }
        let obstacle = match newest {
            Some(newest) => self.remake(&newest, removal, &traces.runs(), suppressed, observer).await?,
            None => None,
        };
        removal.made.iter().for_each(|run_id| traces.forget(run_id));
        let gone = traces.runs();
        let planned = PlannedRuns::read(self.output).await?;
        let stays = |run_id: &RunId| match gone.contains(run_id) {
            true => removal.in_place_of(run_id).cloned(),
            false => Some(run_id.clone()),
        };
        let kept = planned.run_ids().iter().filter_map(stays).collect();
        PlannedRuns::new(kept).write(self.output).await?;
        observer.notice("deleting what holds or was made of the images");
        removal.delete_traces(&traces).await?;
        removal.delete_sums(run_id).await?;
        Ok(obstacle)
    }
}

fn beyond(location: &str, finished: DateTime<Utc>) -> Vec<String> {
    let mut beyond = BEYOND.map(str::to_owned).to_vec();
    if location.starts_with("s3://") {
        beyond.extend(BEYOND_OF_A_BUCKET.map(str::to_owned));
        let end = (finished + TimeDelta::days(HISTORY_DAYS)).format("%Y-%m-%d");
        beyond.push(format!(
            "Step Functions' histories of earlier runs: AWS deletes them by {end}; they hold options with their filters, \
             and no image's key"
        ));
    }
    beyond
}

/// A request by nobody who says why.
fn request(id: &RunId, salt: &str, digests: BTreeSet<String>) -> Request {
    Request {
        id: id.clone(),
        asked: clock::now(),
        pomona_version: env!("CARGO_PKG_VERSION").to_owned(),
        because: None,
        salt: salt.to_owned(),
        digests,
        unlisted: 0,
    }
}

/// What a certificate is worth now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The certificate.
    pub certificate: Certificate,
    /// What the key says that was asked for its signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Images of it that may be here, because they were allowed again.
    pub allowed_again: u64,
    /// What was read, and what of it names one of the others.
    pub traces: Traces,
}

/// What erasures are worth now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// Those that have a certificate.
    pub done: Vec<Checked>,
    /// Those that were asked for and are not done.
    pub pending: Vec<RunId>,
}

/// Holds every certificate at an output against all that is there, and its signature against a key.
///
/// # Errors
/// [`pomona_formats::Error::Damaged`] for a certificate that was altered, and those of the store.
pub async fn check(output: &dyn Store, key: Option<&PublicKey>) -> Result<Checks, Error> {
    let suppressed = Suppressed::read(output).await?;
    let Erasures { done, pending } = Erasures::read(output).await?;
    let is_busy = Lock::read(output).await?.is_some_and(|lock| lock.is_held());
    let mut checked = Vec::new();
    for certificate in done {
        let Request { salt, digests, .. } = &certificate.request;
        let is_erased = |digest: &&String| suppressed.as_ref().is_none_or(|all| all.has_digest(digest));
        let erased: BTreeSet<String> = digests.iter().filter(is_erased).cloned().collect();
        let allowed_again = (digests.len() - erased.len()) as u64;
        let mut traces = traces::find(output, &Suppressed::of(salt.clone(), erased)).await?;
        if is_busy {
            // A run that is being planned has no plan yet.
            traces.remains.clear();
        }
        let signature = match key {
            Some(key) => Some(Signature::of(output, &certificate.request.id, key).await?),
            None => None,
        };
        checked.push(Checked { certificate, signature, allowed_again, traces });
    }
    Ok(Checks { done: checked, pending: pending.into_iter().map(|request| request.id).collect() })
}
