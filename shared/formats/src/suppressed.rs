//! suppressed.json: the images that were erased and must not come back, as digests of their keys. The salt is drawn once
//! an output, so that what was erased here and elsewhere cannot be told to be the same. Where somebody has brought back
//! what was deleted of an output, there may be two.

use std::collections::{BTreeMap, BTreeSet};

use pomona_run::chance;
use pomona_run::layout::SUPPRESSED;
use pomona_run::names::NameHasher;
use pomona_store::{Error as StoreError, Store};
use serde::{Deserialize, Serialize};

use crate::erasure::{Erasures, Request};
use crate::error::{Error, tell_of_damage};
use crate::json;

/// The content of suppressed.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    salt: String,
    digests: BTreeSet<String>,
    /// What was asked for under other salts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    others: BTreeMap<String, BTreeSet<String>>,
}

impl Suppressed {
    /// No image, under a salt that nobody knows.
    ///
    /// # Errors
    /// [`Error::Internal`] where the system has no randomness.
    pub fn none() -> Result<Self, Error> {
        let salt = chance::salt().map_err(|error| Error::Internal(format!("no salt can be drawn: {error}")))?;
        let salt = salt.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self::of(salt, BTreeSet::new()))
    }

    /// Those of these `digests` under a `salt`.
    pub fn of(salt: String, digests: BTreeSet<String>) -> Self {
        Self { salt, digests, others: BTreeMap::new() }
    }

    /// What was erased at `output`, if anything was. Where the file is lost, that is all that ever was asked to be erased:
    /// images that were allowed again among it.
    ///
    /// # Errors
    /// [`Error::Damaged`] where nothing else tells what was erased: a run that went on would bring it back. And those of
    /// the store.
    pub async fn read(output: &dyn Store) -> Result<Option<Self>, Error> {
        Ok(Self::read_with_etag(output).await?.0)
    }

    /// As [`Suppressed::read`], with the etag of the file, if there is one.
    async fn read_with_etag(output: &dyn Store) -> Result<(Option<Self>, Option<String>), Error> {
        let stored = match output.get(SUPPRESSED).await {
            Err(StoreError::NotFound { .. }) => return Ok((Self::asked_for(output).await?, None)),
            stored => stored?,
        };
        Ok((Some(Self::in_force(output, &stored.bytes).await?), Some(stored.etag())))
    }

    /// What is erased where the file is `bytes`.
    async fn in_force(output: &dyn Store, bytes: &[u8]) -> Result<Self, Error> {
        match Self::decode(bytes) {
            Err(error @ Error::Damaged { .. }) => {
                let Some(asked_for) = Self::asked_for(output).await? else { return Err(error) };
                tell_of_damage(&error, "all that was ever erased is left out, images that were allowed again, too");
                Ok(asked_for)
            }
            // What was asked for is in force before it is written here.
            read => {
                let mut suppressed = read?;
                let pending = Erasures::pending(output).await?;
                pending.iter().for_each(|request| suppressed.add(request));
                Ok(suppressed)
            }
        }
    }

    /// All that was ever asked to be erased at `output`.
    async fn asked_for(output: &dyn Store) -> Result<Option<Self>, Error> {
        let Erasures { pending, done } = Erasures::read(output).await?;
        let mut asked = pending.into_iter().chain(done.into_iter().map(|certificate| certificate.request));
        let Some(Request { salt, digests, .. }) = asked.next() else { return Ok(None) };
        let mut suppressed = Self::of(salt, digests);
        asked.for_each(|request| suppressed.add(&request));
        Ok(Some(suppressed))
    }

    /// What `bytes` say.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        json::unseal(SUPPRESSED, bytes)
    }

    /// Writes down what `change` makes of what is erased at `output`, over nothing that somebody else has written
    /// meanwhile: whoever comes late brings nothing back and takes nothing away. Gives it with what `change` gave; nothing
    /// where nothing was ever erased.
    ///
    /// # Errors
    /// As [`Suppressed::read`].
    pub async fn change<T>(output: &dyn Store, change: impl Fn(&mut Self) -> T) -> Result<Option<(Self, T)>, Error> {
        loop {
            let (Some(mut suppressed), etag) = Self::read_with_etag(output).await? else { return Ok(None) };
            let given = change(&mut suppressed);
            if pomona_store::put_over(output, etag.as_deref(), SUPPRESSED, json::seal(SUPPRESSED, &suppressed)?).await?
            {
                return Ok(Some((suppressed, given)));
            }
        }
    }

    /// Under which salt what is asked for next is written down.
    pub fn salt(&self) -> &str {
        &self.salt
    }

    /// The images, each by the digest of its key, by salts.
    pub fn by_salt(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        let others = self.others.iter().map(|(salt, digests)| (salt.as_str(), digests));
        [(self.salt(), &self.digests)].into_iter().chain(others)
    }

    /// What stands for the image of this key in what is asked for next.
    pub fn digest(&self, key: &str) -> String {
        digest(&self.salt, key)
    }

    /// Whether an image was erased of whose key this is the digest.
    pub fn has_digest(&self, digest: &str) -> bool {
        self.by_salt().any(|(_, digests)| digests.contains(digest))
    }

    /// Whether the image of this key was erased.
    pub fn has(&self, key: &str) -> bool {
        self.by_salt().any(|(salt, digests)| !digests.is_empty() && digests.contains(&digest(salt, key)))
    }

    /// Adds the images that somebody asks to be erased.
    pub fn add(&mut self, Request { salt, digests, .. }: &Request) {
        let known = match *salt == self.salt {
            true => &mut self.digests,
            false => self.others.entry(salt.clone()).or_default(),
        };
        known.extend(digests.iter().cloned());
    }

    /// Leaves out the images of the other digests.
    pub fn keep(&mut self, is_kept: impl Fn(&str) -> bool) {
        for digests in std::iter::once(&mut self.digests).chain(self.others.values_mut()) {
            digests.retain(|digest| is_kept(digest));
        }
    }

    /// Lets the image of this key come back; whether it was erased.
    pub fn allow(&mut self, key: &str) -> bool {
        let was_here = self.digests.remove(&digest(&self.salt, key));
        let elsewhere = self.others.iter_mut().filter_map(|(salt, digests)| digests.take(&digest(salt, key)));
        let was_elsewhere = elsewhere.count() > 0;
        self.others.retain(|_, digests| !digests.is_empty());
        was_here || was_elsewhere
    }

    /// How many images were erased; one twice that was so under two salts.
    pub fn len(&self) -> usize {
        self.by_salt().map(|(_, digests)| digests.len()).sum()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn digest(salt: &str, key: &str) -> String {
    let mut hasher = NameHasher::new("erased");
    hasher.field(salt.as_bytes());
    hasher.field(key.as_bytes());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use pomona_run::RunId;
    use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test]
    async fn an_erased_key_is_known_again_and_none_can_be_read_from_the_file() {
        let output = MemoryStore::new("out", Default::default());
        assert_eq!(Suppressed::read(&output).await.unwrap(), None);
        let mut suppressed = Suppressed::none().unwrap();
        let digest = suppressed.digest("anna/1.jpg");
        suppressed.add(&asking(suppressed.salt(), "anna/1.jpg"));
        output.put(SUPPRESSED, json::seal(SUPPRESSED, &suppressed).unwrap()).await.unwrap();
        let bytes = output.get(SUPPRESSED).await.unwrap().bytes;
        assert!(!bytes.windows(4).any(|bytes| bytes == b"anna"));
        let mut read = Suppressed::read(&output).await.unwrap().unwrap();
        assert!(read.has("anna/1.jpg") && !read.has("anna/2.jpg") && read.len() == 1);
        assert_ne!(Suppressed::none().unwrap().digest("anna/1.jpg"), digest, "another output has another salt");
        assert!(read.allow("anna/1.jpg") && !read.allow("anna/1.jpg") && read.is_empty());

        output.put(SUPPRESSED, bytes.slice(..bytes.len() - 9)).await.unwrap();
        assert!(matches!(Suppressed::read(&output).await, Err(Error::Damaged { .. })));
    }

    /// One of them stands still between its look and its write.
    #[tokio::test]
    async fn of_two_who_change_what_is_erased_none_undoes_what_the_other_did() {
        let output = Arc::new(MemoryStore::new("out", Default::default()));
        let mut suppressed = Suppressed::none().unwrap();
        let salt = suppressed.salt().to_owned();
        suppressed.add(&asking(&salt, "anna/1.jpg"));
        output.put(SUPPRESSED, json::seal(SUPPRESSED, &suppressed).unwrap()).await.unwrap();
        let standing = FailingStore::new(output.clone());
        standing.on(Operation::Replace, |_| true, ..2, Fault::Delay(Duration::from_millis(200)));
        let others = async {
            while standing.calls().iter().all(|(operation, _)| *operation != Operation::Replace) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Suppressed::change(output.as_ref(), |suppressed| suppressed.allow("anna/1.jpg")).await
        };
        let erased = Suppressed::change(&standing, |suppressed| suppressed.add(&asking(&salt, "ben/1.jpg")));
        let (erased, allowed) = tokio::join!(erased, others);
        assert!(erased.unwrap().is_some() && allowed.unwrap().is_some_and(|(_, allowed)| allowed));
        let read = Suppressed::read(output.as_ref()).await.unwrap().unwrap();
        assert!(read.has("ben/1.jpg") && !read.has("anna/1.jpg"));
    }

    #[test]
    fn keys_are_known_whatever_the_salt_under_which_they_were_erased() {
        let mut suppressed = Suppressed::none().unwrap();
        suppressed.add(&asking(suppressed.salt(), "anna/1.jpg"));
        for key in ["anna/1.jpg", "ben/1.jpg"] {
            suppressed.add(&asking("another", key));
        }
        let mut read = Suppressed::decode(&json::seal(SUPPRESSED, &suppressed).unwrap()).unwrap();
        assert_eq!(read, suppressed);
        assert!(read.has("anna/1.jpg") && read.has("ben/1.jpg") && !read.has("ben/2.jpg") && read.len() == 3);
        assert!(read.has_digest(&digest("another", "ben/1.jpg")) && !read.has_digest(&read.digest("ben/1.jpg")));
        assert!(read.allow("anna/1.jpg") && !read.has("anna/1.jpg") && read.has("ben/1.jpg"));
        assert!(read.allow("ben/1.jpg") && read.is_empty() && read.by_salt().count() == 1);
    }

    fn asking(salt: &str, key: &str) -> Request {
        Request {
            id: RunId::new(DateTime::UNIX_EPOCH, key),
            asked: DateTime::UNIX_EPOCH,
            pomona_version: "1".to_owned(),
            because: None,
            salt: salt.to_owned(),
            digests: BTreeSet::from([digest(salt, key)]),
            unlisted: 0,
            rewrites_older: false,
            is_to_be_signed: false,
        }
    }
}
