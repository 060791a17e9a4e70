//! What was asked to be erased, and is not done.

use std::collections::BTreeSet;

use pomona_formats::Error as FileError;
use pomona_formats::erasure::{Erasures, Request};
use pomona_formats::suppressed::Suppressed;
use pomona_run::place::Place;
use pomona_run::{RunId, clock};
use pomona_store::Store;

use super::wish::{self, Chosen, Wish};
use crate::error::Error;

/// How an erasure is to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct How {
    /// Older runs are made anew.
    pub(super) rewrites_older: bool,
    /// The certificate is signed.
    pub(super) is_to_be_signed: bool,
}

/// What was asked, and with it all that was ever erased.
pub(super) struct Asked {
    /// In the order of their names. Each attempt is at all of them.
    pub(super) requests: Vec<Request>,
    pub(super) suppressed: Suppressed,
}

impl Asked {
    /// What was asked before and is not done.
    pub(super) async fn read(output: &dyn Store) -> Result<Self, Error> {
        let suppressed = match Suppressed::read(output).await? {
            Some(suppressed) => suppressed,
            None => Suppressed::none()?,
        };
        Ok(Self { requests: Erasures::pending(output).await?, suppressed })
    }

    /// Writes down what `wish` asks for, by this name, and how it is to be done.
    ///
    /// # Errors
    /// [`Error::NothingToErase`] where no run has listed such an image and nothing else is to be done, or where nothing of
    /// Pomona's lies.
    pub(super) async fn ask(&mut self, output: &dyn Store, id: &RunId, wish: &Wish, how: How) -> Result<(), Error> {
        let Chosen { keys, unlisted } = wish::choose(output, &wish.which, &self.suppressed).await?;
        if wish.because.as_ref().is_some_and(|because| keys.iter().any(|key| because.contains(key))) {
            return Err(FileError::option("because", "it has the path of an image, and would stay").into());
        }
        // What an erasure that was killed had chosen by listings may be listed no more.
        if keys.is_empty() {
            if self.requests.is_empty() {
                return Err(nothing(output, "no run has listed such an image; `--keys` takes any path"));
            }
            tracing::warn!("no run lists such an image; only what was asked for before, and is not done, is erased");
        }
        if !is_ours(output).await? {
            return Err(nothing(output, "no run has ever written there; name the folder of results"));
        }
        let digests: BTreeSet<String> = keys.iter().map(|key| self.suppressed.digest(key)).collect();
        // The same command again goes on with what it asked for before.
        let is_new = |digest: &String| !self.requests.iter().any(|request| request.digests.contains(digest));
        if digests.iter().any(is_new) {
            let asked = request(id, self.suppressed.salt(), digests);
            let How { rewrites_older, is_to_be_signed } = how;
            let because = wish.because.clone();
            self.add(output, Request { unlisted, because, rewrites_older, is_to_be_signed, ..asked }).await?;
        }
        Ok(())
    }

    /// Asks for all that was ever erased, some of which has come back.
    pub(super) async fn ask_again(&mut self, output: &dyn Store, id: &RunId) -> Result<(), Error> {
        let under = |salt: &str| RunId::new(clock::now(), &format!("{id} under {salt}"));
        let by_salt = self.suppressed.by_salt().enumerate();
        let requests: Vec<Request> = by_salt
            .map(|(number, (salt, digests))| match number {
                0 => request(id, salt, digests.clone()),
                _ => request(&under(salt), salt, digests.clone()),
            })
            .collect();
        for request in requests {
            self.add(output, request).await?;
        }
        Ok(())
    }

    async fn add(&mut self, output: &dyn Store, request: Request) -> Result<(), Error> {
        request.write(output).await?;
        self.requests.push(request);
        Ok(())
    }

    /// How all of it is to be done, whoever asks now.
    pub(super) fn how(&self) -> How {
        How {
            rewrites_older: self.requests.iter().any(|request| request.rewrites_older),
            is_to_be_signed: self.requests.iter().any(|request| request.is_to_be_signed),
        }
    }

    /// Refuses what a state machine cannot do.
    pub(super) fn refuse_what_a_machine_cannot_do(&self) -> Result<(), Error> {
        let what = match self.how() {
            How { rewrites_older: true, .. } => "--older rewrite",
            How { is_to_be_signed: true, .. } => "--sign-with",
            How { .. } => return Ok(()),
        };
        let problem = format!("an erasure that is not done was asked for with {what}: end it without --on-aws");
        Err(FileError::option("on-aws", problem).into())
    }

    /// Has all plans leave out what is asked for. The file may have been lost, too.
    pub(super) async fn put_in_force(&mut self, output: &dyn Store) -> Result<(), Error> {
        // What has been done since, and allowed again, is not asked for any more.
        if let Some((suppressed, ())) = Suppressed::change(output, |_| ()).await? {
            self.suppressed = suppressed;
        }
        Ok(())
    }
}

/// What is not done and can be certified: one that was to be signed waits for its key.
pub(super) async fn certifiable(output: &dyn Store, has_key: bool) -> Result<Vec<Request>, Error> {
    let mut pending = Erasures::pending(output).await?;
    pending.retain(|request| has_key || !request.is_to_be_signed);
    Ok(pending)
}

/// Whether anything there is of a run, be it the first plan.
async fn is_ours(output: &dyn Store) -> Result<bool, Error> {
    let keys = output.sizes("").await?.into_iter().map(|(key, _)| key);
    let is_result = |key: &String| Place::of(key).is_some_and(|place| !matches!(place, Place::Lock));
    Ok(keys.into_iter().any(|key| is_result(&key)))
}

/// The error that says why nothing is done.
pub(super) fn nothing(output: &dyn Store, what: &str) -> Error {
    Error::NothingToErase { location: output.location().to_owned(), what: what.to_owned() }
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
        rewrites_older: false,
        is_to_be_signed: false,
    }
}
