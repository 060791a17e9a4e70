//! Erasing images from everything below an output, and the proof that they are gone.
//!
//! What was asked is written down first, as salted digests of the images' keys, so that an erasure that was killed goes
//! on where it is asked for again; from then on every plan leaves these images out. The newest run, if it has any of
//! them, is made anew of the features that are there, without reading an image, and older ones are where that is asked
//! for; then every file that names one of them goes, and what was made of such files: whole runs, parts, fragments,
//! sums. All that is left is read once more, and the certificate is written last. Where a bucket keeps what was
//! replaced and deleted, all that is said of files is true of each of their versions.

mod asked;
mod check;
mod handed_over;
mod newest;
mod older;
mod proof;
mod rebuild;
mod removal;
mod search;
pub mod steps;
mod traces;
mod wish;

use pomona_formats::Error as FileError;
use pomona_formats::erasure::{Certificate, Erasures};
use pomona_formats::signature::SigningKey;
use pomona_formats::suppressed::Suppressed;
use pomona_run::RunId;
use pomona_store::Store;

use crate::error::Error;
use crate::local::Observer;
use crate::lock::{self, Holders};

use asked::{Asked, How};
pub use check::{Checked, Checks, check};
pub use handed_over::{Attempt, Round, give_up};
pub use older::Older;
use removal::Removal;
pub use search::{Group, search};
pub use traces::Traces;
pub use wish::{Which, Wish};

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
    /// What becomes of older runs that had one of the images; they are made anew also where somebody has asked for that
    /// before.
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
            let pending = Erasures::pending(self.output).await?;
            let mut asked = Suppressed::none()?;
            pending.iter().for_each(|request| asked.add(request));
            if keys.iter().any(|key| asked.has(key)) {
                let problem = "an erasure of some of these images is not done: `pomona erase` goes on with it";
                return Err(FileError::option("allow-again", problem).into());
            }
            let allow = |suppressed: &mut Suppressed| keys.iter().filter(|key| suppressed.allow(key)).count() as u64;
            Ok(Suppressed::change(self.output, allow).await?.map_or(0, |(_, allowed)| allowed))
        };
        let held = (self.holder, self.holders);
        Ok(lock::hold(self.output, held, allow, std::future::pending()).await?.unwrap_or_default())
    }

    /// Writes down what `wish` says, which is in force from then on, and does no more: how many images are to be erased
    /// with all that was asked for before.
    ///
    /// # Errors
    /// [`Error::Busy`] while a run is going on, [`Error::NothingToErase`], and those of the store.
    pub async fn ask(&self, wish: &Wish) -> Result<usize, Error> {
        let ask = |id: RunId| async move {
            let mut asked = Asked::read(self.output).await?;
            asked.refuse_what_a_machine_cannot_do()?;
            asked.ask(self.output, &id, wish, How::default()).await?;
            asked.put_in_force(self.output).await?;
            Ok(asked.requests.iter().map(|request| request.digests.len()).sum())
        };
        let held = (self.holder, self.holders);
        Ok(lock::hold(self.output, held, ask, std::future::pending()).await?.unwrap_or_default())
    }

    async fn erase_held(&self, run_id: &RunId, wish: Option<&Wish>, observer: &dyn Observer) -> Result<Erased, Error> {
        let output = self.output;
        Erasures::delete_work_of_done(output).await?;
        handed_over::clear(output, run_id).await?;
        let mut asked = Asked::read(output).await?;
        if let Some(wish) = wish {
            let how = How { rewrites_older: self.older == Older::Rewrite, is_to_be_signed: self.signing_key.is_some() };
            asked.ask(output, run_id, wish, how).await?;
        }
        let how = asked.how();
        if how.is_to_be_signed && self.signing_key.is_none() {
            let problem = "an erasure that is not done was to be signed: give its key, and this one goes on with it";
            return Err(FileError::option("sign-with", problem).into());
        }
        if asked.requests.is_empty() {
            if !asked.suppressed.is_empty() {
                asked.put_in_force(output).await?;
            }
            if !traces::find(output, &asked.suppressed).await?.are_any() {
                return Err(asked::nothing(
                    output,
                    "no erasure is unfinished, and nothing of what was erased is there; name images by --keys, --filter or --label",
                ));
            }
            asked.ask_again(output, run_id).await?;
        }
        asked.put_in_force(output).await?;
        let Asked { requests, suppressed } = asked;
        let mut removal = Removal::go_on(output, Attempt::at(&requests, run_id)?, &requests).await?;
        let rewrites_older = how.rewrites_older || self.older == Older::Rewrite;
        let obstacle = self.remove(&mut removal, rewrites_older, &suppressed, observer).await?;
        // What certificates were for that could not be read any more, and have gone, is not done: it is looked for, too,
        // although it may have been allowed again since.
        let requests = asked::certifiable(output, self.signing_key.is_some()).await?;
        let suppressed = Asked::read(output).await?.suppressed;
        let found = traces::find(output, &suppressed).await?;
        let certificates = proof::certify(output, requests, &removal, &found, self.signing_key).await?;
        let obstacle = obstacle.map(|obstacle| obstacle.to_string());
        // An attempt before this one may have met it.
        Ok(Erased { obstacle: obstacle.or_else(|| certificates[0].no_run_because.clone()), certificates })
    }

    /// Makes the newest run anew where it has any of the images, and deletes what holds one of them, or was made of it.
    /// Gives why there is no run any more over the images that stay, where nothing can be fitted to them.
    async fn remove(
        &self,
        removal: &mut Removal<'_>,
        rewrites_older: bool,
        suppressed: &Suppressed,
        observer: &dyn Observer,
    ) -> Result<Option<Error>, Error> {
        let output = self.output;
        output.settle(&traces::is_ours).await?;
        observer.notice("reading everything");
        let mut traces = traces::find(output, suppressed).await?;
        traces.add_followers(output).await?;
        let (newest, gone) = (newest::mend(output).await?, traces.runs());
        if rewrites_older {
            older::rewrite(output, (&gone, newest.as_ref()), removal, self.threads, suppressed, observer).await?;
        }
        let obstacle = match newest {
            Some(newest) if gone.contains(&newest) => {
                newest::remake(output, &newest, removal, (suppressed, self.threads, observer)).await?
            }
            Some(newest) => {
                newest::note(output, &newest, removal, &gone).await?;
                None
            }
            None => None,
        };
        observer.notice("deleting what holds or was made of the images");
        removal.remove(traces).await?;
        Ok(obstacle)
    }
}
