//! The lists of a run's plan, written only over what was there when the plan was begun, and models, tables and reports
//! that are made by a plan, written only while it is the run's.
//!
//! Lambda may hand an event over twice, and a call that was given up may go on an hour later, when its run has long been
//! made by the plan of the call that took its place: the run's lists must stay what that one made of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use pomona_formats::planned::{self, Plan, Shard};
use pomona_run::layout::RunLayout;
use pomona_store::{Entry, Error as StoreError, Store};

use crate::error::Error;

/// Refuses to write what was made by `plan` where the run has been planned anew since: a call that was given up may come
/// to its writes when the run has long been made by the plan that took this one's place.
///
/// # Errors
/// [`Error::Overtaken`], `pomona_formats::Error::Damaged` where the plan is or is gone, and those of the store.
pub(crate) async fn refuse_overtaken(output: &dyn Store, plan: &Plan) -> Result<(), Error> {
    let now = planned::read_plan(output, &plan.run_id).await?;
    // Attempts are counted anew where a plan was lost.
    match now.attempt == plan.attempt && now.digests == plan.digests {
        true => Ok(()),
        false => Err(overtaken(plan)),
    }
}

/// Refuses a shard that another attempt at the plan has handed out: a call may be given up before it reads anything.
///
/// # Errors
/// [`Error::Overtaken`].
pub(crate) fn refuse_other_attempt(plan: &Plan, shard: &Shard) -> Result<(), Error> {
    match shard.attempt.is_none_or(|attempt| attempt == plan.attempt) {
        true => Ok(()),
        false => Err(overtaken(plan)),
    }
}

fn overtaken(plan: &Plan) -> Error {
    Error::Overtaken { file: RunLayout::new(plan.run_id.as_str()).plan() }
}

/// What was there of a run's plan.
pub(crate) struct Claims<'a> {
    output: &'a dyn Store,
    layout: &'a RunLayout,
    etags: BTreeMap<String, String>,
}

impl<'a> Claims<'a> {
    /// Looks what is there.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn of(output: &'a dyn Store, layout: &'a RunLayout) -> Result<Self, Error> {
        let is_list = |entry: Entry<'_>| layout.is_list_of_plan(entry.key());
        let lists = output.list(&format!("{}/", layout.root()), &is_list).await?;
        let etags = lists.into_iter().filter_map(|list| Some((list.key, list.etag?))).collect();
        Ok(Self { output, layout, etags })
    }

    /// Whether there was a list of that name.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.etags.contains_key(key)
    }

    /// Whether a list is still the one that was there.
    ///
    /// # Errors
    /// [`Error::Overtaken`] where it is not, and those of the store.
    pub(crate) async fn check(&self, key: &str) -> Result<(), Error> {
        let now = self.output.find(key).await?.and_then(|list| list.etag);
        if now.as_ref() == self.etags.get(key) { Ok(()) } else { Err(Error::Overtaken { file: key.to_owned() }) }
    }

    /// Whether all lists are.
    ///
    /// # Errors
    /// As [`Claims::check`].
    pub(crate) async fn check_all(&self) -> Result<(), Error> {
        let now = Self::of(self.output, self.layout).await?;
        let differs = |key: &&String| now.etags.get(*key) != self.etags.get(*key);
        match now.etags.keys().chain(self.etags.keys()).find(differs) {
            Some(file) => Err(Error::Overtaken { file: file.clone() }),
            None => Ok(()),
        }
    }

    /// Writes one of the plan's lists.
    ///
    /// # Errors
    /// [`Error::Overtaken`] where somebody else has written another one since, and those of the store.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        let written = match self.etags.get(key) {
            Some(etag) => self.output.replace(key, bytes.clone(), etag).await,
            None => self.output.create(key, bytes.clone()).await,
        };
        match written {
            Err(StoreError::AlreadyExists { .. } | StoreError::Changed { .. }) => self.accept_only(key, bytes).await,
            written => Ok(written?),
        }
    }

    async fn accept_only(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        match self.output.get(key).await {
            Ok(theirs) if theirs.bytes == bytes => Ok(()),
            Ok(_) => Err(Error::Overtaken { file: key.to_owned() }),
            // What ends with a plan was removed by this one.
            Err(StoreError::NotFound { .. }) => Ok(self.output.create(key, bytes).await?),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_store::testing::MemoryStore;

    #[tokio::test]
    async fn a_plan_that_was_overtaken_writes_nothing_over_the_other() {
        let (output, layout) = (MemoryStore::new("out", BTreeMap::new()), RunLayout::new("1"));
        let late = Claims::of(&output, &layout).await.unwrap();
        let first = Claims::of(&output, &layout).await.unwrap();
        first.put(&layout.shards(), "two shards".into()).await.unwrap();
        late.put(&layout.shards(), "two shards".into()).await.unwrap();
        assert!(late.check_all().await.is_err());
        first.put(&layout.plan(), "a plan".into()).await.unwrap();
        assert!(late.put(&layout.plan(), "another plan".into()).await.is_err());
        assert_eq!(output.get(&layout.plan()).await.unwrap().bytes, "a plan");

        let again = Claims::of(&output, &layout).await.unwrap();
        again.check_all().await.unwrap();
        again.put(&layout.plan(), "a new plan".into()).await.unwrap();
        output.delete(&layout.shards()).await.unwrap();
        again.put(&layout.shards(), "three shards".into()).await.unwrap();
        assert_eq!(output.get(&layout.shards()).await.unwrap().bytes, "three shards");
    }
}
