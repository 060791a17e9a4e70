//! planned.json: the runs that were planned last, whatever became of them. What they computed need not be computed
//! again.

use futures::future::try_join_all;
use pomona_run::RunId;
use pomona_run::layout::{PLANNED, RunLayout};
use pomona_store::{Error as StoreError, Store};
use serde::{Deserialize, Serialize};

use crate::error::{Error, tell_of_damage};
use crate::json;

/// Runs that are remembered.
const MOST_REMEMBERED: usize = 64;

/// The content of [`PLANNED`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRuns {
    /// The last one first.
    run_ids: Vec<RunId>,
}

impl PlannedRuns {
    /// These runs, the last one first; no more of them than are remembered.
    pub fn new(mut run_ids: Vec<RunId>) -> Self {
        run_ids.truncate(MOST_REMEMBERED);
        Self { run_ids }
    }

    /// The runs, the last one first.
    pub fn run_ids(&self) -> &[RunId] {
        &self.run_ids
    }

    /// The runs that `bytes` name.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        json::unseal(PLANNED, bytes)
    }

    /// The runs that were planned at `output`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read(output: &dyn Store) -> Result<Self, Error> {
        match output.get(PLANNED).await {
            Ok(stored) => Self::decode_as_source(&stored.bytes),
            Err(StoreError::NotFound { .. }) => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`PlannedRuns::decode`]; none where the file is damaged.
    fn decode_as_source(bytes: &[u8]) -> Result<Self, Error> {
        match Self::decode(bytes) {
            Err(error @ Error::Damaged { .. }) => {
                tell_of_damage(&error, "of earlier runs only the newest one may be found");
                Ok(Self::default())
            }
            read => read,
        }
    }

    /// Writes down at `output` that `run_id` was planned last. A plan that has lost the output, but not heard of it yet,
    /// may do so at any time, and must not forget others.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn add(output: &dyn Store, run_id: &RunId) -> Result<(), Error> {
        Self::change(output, |planned| planned.with(run_id)).await
    }

    /// Writes down what `change` makes of the runs that were planned at `output`, over nothing that somebody else has
    /// written meanwhile.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn change(output: &dyn Store, change: impl Fn(Self) -> Self) -> Result<(), Error> {
        Self::update(output, Self::decode_as_source, change).await
    }

    async fn update(
        output: &dyn Store,
        decode: impl Fn(&[u8]) -> Result<Self, Error>,
        change: impl Fn(Self) -> Self,
    ) -> Result<(), Error> {
        loop {
            let (planned, etag) = match output.get(PLANNED).await {
                Ok(stored) => (decode(&stored.bytes)?, Some(stored.etag())),
                Err(StoreError::NotFound { .. }) => (Self::default(), None),
                Err(error) => return Err(error.into()),
            };
            let changed = change(planned).without_too_many(output).await?;
            if pomona_store::put_over(output, etag.as_deref(), PLANNED, json::seal(PLANNED, &changed)?).await? {
                return Ok(());
            }
        }
    }

    /// These runs but for some; what `stand_in` gives takes the place of one.
    pub fn replaced(self, stand_in: impl Fn(RunId) -> Option<RunId>) -> Self {
        Self { run_ids: self.run_ids.into_iter().filter_map(stand_in).collect() }
    }

    /// Writes these runs down, which were found by what lies at `output`, where planned.json was lost or damaged. What
    /// somebody has written there since stays.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn restore(&self, output: &dyn Store) -> Result<(), Error> {
        let merge = |Self { mut run_ids }: Self| {
            let found = self.run_ids.iter().filter(|found| !run_ids.contains(found)).cloned().collect::<Vec<_>>();
            run_ids.extend(found);
            Self::new(run_ids)
        };
        // Whoever restores it has been told of the damage.
        Self::update(output, |bytes| Ok(Self::decode(bytes).unwrap_or_default()), merge).await
    }

    fn with(self, run_id: &RunId) -> Self {
        let earlier = self.run_ids.into_iter().filter(|earlier| earlier != run_id);
        Self { run_ids: std::iter::once(run_id.clone()).chain(earlier).collect() }
    }

    /// No more of them than are remembered. Runs that have tables are forgotten last: nobody would remove those any more.
    async fn without_too_many(mut self, output: &dyn Store) -> Result<Self, Error> {
        while self.run_ids.len() > MOST_REMEMBERED {
            let has_tables = |run_id: &RunId| {
                let mark = RunLayout::new(run_id.as_str()).success();
                async move { output.exists(&mark).await }
            };
            let have_tables = try_join_all(self.run_ids.iter().skip(1).map(has_tables)).await?;
            let oldest_without = have_tables.iter().rposition(|has_tables| !has_tables);
            self.run_ids.remove(1 + oldest_without.unwrap_or(have_tables.len() - 1));
        }
        Ok(self)
    }

    /// Whether one run was planned before another, as far as both are remembered.
    pub fn has_before(&self, one: &RunId, other: &RunId) -> bool {
        self.before(other).any(|planned| planned == one)
    }

    /// The runs that were planned before `run_id`, the last one first; none where it is not remembered.
    pub fn before(&self, run_id: &RunId) -> impl Iterator<Item = &RunId> {
        self.run_ids.iter().skip_while(move |planned| *planned != run_id).skip(1)
    }

    /// The runs whose features the next one may take over: the newest successful one first, whatever was planned since.
    pub fn as_sources<'a>(&'a self, newest: Option<&'a RunId>) -> impl Iterator<Item = &'a RunId> {
        newest.into_iter().chain(self.run_ids.iter().filter(move |run_id| Some(*run_id) != newest))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};

    #[tokio::test]
    async fn of_plans_at_once_none_forgets_another() {
        let output = FailingStore::new(Arc::new(MemoryStore::new("out", BTreeMap::new())));
        for operation in [Operation::Create, Operation::Replace, Operation::Put] {
            output.on(operation, |_| true, ..6, Fault::Delay(Duration::from_millis(20)));
        }
        let runs: [RunId; 4] = [1, 2, 3, 4].map(|number| format!("2026010{number}T120000Z-0123abcd").parse().unwrap());
        try_join_all(runs[..2].iter().map(|run_id| PlannedRuns::add(&output, run_id))).await.unwrap();
        try_join_all(runs[2..].iter().map(|run_id| PlannedRuns::add(&output, run_id))).await.unwrap();
        let planned: BTreeSet<RunId> = PlannedRuns::read(&output).await.unwrap().run_ids().iter().cloned().collect();
        assert_eq!(planned, runs.into());
    }

    #[tokio::test]
    async fn runs_that_have_tables_are_forgotten_last() {
        let run_id = |number: usize| -> RunId { format!("20260101T120000Z-{number:08x}").parse().unwrap() };
        let output = MemoryStore::new("out", Default::default());
        for number in 0..MOST_REMEMBERED + 2 {
            PlannedRuns::add(&output, &run_id(number)).await.unwrap();
            if number == 0 {
                output.put(&RunLayout::new(run_id(0).as_str()).success(), Default::default()).await.unwrap();
            }
        }
        let remembered = PlannedRuns::read(&output).await.unwrap().run_ids;
        let expected: Vec<RunId> = (3..MOST_REMEMBERED + 2).rev().chain([0]).map(run_id).collect();
        assert_eq!(remembered, expected);

        for run_id in &remembered {
            output.put(&RunLayout::new(run_id.as_str()).success(), Default::default()).await.unwrap();
        }
        PlannedRuns::add(&output, &run_id(100)).await.unwrap();
        let remembered = PlannedRuns::read(&output).await.unwrap();
        assert_eq!((remembered.run_ids.len(), remembered.run_ids.last()), (MOST_REMEMBERED, Some(&run_id(3))));
    }

    #[test]
    fn the_newest_successful_run_is_a_source_however_many_were_planned_since() {
        let run_id = |day: usize| -> RunId { format!("202601{:02}T120000Z-0123abcd", day % 31 + 1).parse().unwrap() };
        let runs = PlannedRuns { run_ids: (1..20).map(run_id).collect() };
        let newest = run_id(7);
        let sources: Vec<&RunId> = runs.as_sources(Some(&newest)).collect();
        assert_eq!((sources[0], sources.len()), (&newest, 19));
        assert_eq!(PlannedRuns::default().as_sources(Some(&newest)).count(), 1);
        assert_eq!(runs.before(&newest).collect::<Vec<_>>(), runs.run_ids[7..].iter().collect::<Vec<_>>());
        assert_eq!(PlannedRuns::default().before(&newest).count(), 0);
    }
}
