//! The finished images of parts that are not finished: kept every half minute and when a run stops, so that none is
//! computed twice.
//!
//! A fragment lies in the folder of its part and is called by the digest of its bytes, so attempts that run side by
//! side take nothing from one another, and what is damaged is known by its name. Only images that could be used stand
//! in it. Once the part exists, its fragments are deleted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::{Int64Array, StringArray};
use bytes::Bytes;
use ndarray::Array2;
use pomona_run::layout;
use pomona_run::names;
use pomona_store::Store;

use crate::error::{Error, tell_of_damage};
use crate::listing::Identity;
use crate::part::Usable;
use crate::tables::{self, ParquetTable};
use crate::{digests, losses};

/// How often the finished images of a part are kept.
const INTERVAL: Duration = Duration::from_secs(30);

type Image = (Identity, Usable);

/// Finished images of all parts that are being made.
#[derive(Debug)]
pub struct Fragments<'a> {
    output: &'a dyn Store,
    interval: Duration,
    parts: Mutex<BTreeMap<String, Unfinished>>,
}

/// A part in the making.
#[derive(Debug, Default)]
struct Unfinished {
    /// Images that stand in no fragment yet.
    images: Vec<Image>,
    /// When the first of them came.
    since: Option<Instant>,
    is_being_kept: bool,
    has_fragments: bool,
}

impl<'a> Fragments<'a> {
    /// Keeps fragments at `output`.
    pub fn new(output: &'a dyn Store) -> Self {
        Self { output, interval: INTERVAL, parts: Mutex::default() }
    }

    /// A part is about to be made, which has fragments already or none.
    pub(crate) fn begin(&self, part: &str, has_fragments: bool) {
        self.lock().entry(part.to_owned()).or_default().has_fragments |= has_fragments;
    }

    /// Takes note of finished images, and keeps those of their part where it is time to.
    pub(crate) async fn add(&self, part: &str, finished: impl Iterator<Item = Image>) {
        let is_due = {
            let mut parts = self.lock();
            let Some(unfinished) = parts.get_mut(part) else { return };
            unfinished.images.extend(finished);
            let since = *unfinished.since.get_or_insert_with(Instant::now);
            since.elapsed() >= self.interval
        };
        if is_due {
            self.keep(part).await;
        }
    }

    /// Keeps what every unfinished part has by now: the run stops, or is planned anew.
    pub async fn keep_all(&self) {
        let parts: Vec<String> = self.lock().keys().cloned().collect();
        for part in parts {
            self.keep(&part).await;
        }
    }

    /// Writes what stands in no fragment yet. Where that fails the run goes on: nothing but time is lost, and only if
    /// it is stopped.
    async fn keep(&self, part: &str) {
        let images = {
            let mut parts = self.lock();
            let Some(unfinished) = parts.get_mut(part).filter(|part| !part.is_being_kept) else { return };
            if unfinished.images.is_empty() {
                return;
            }
            unfinished.is_being_kept = true;
            // Whoever drops this call, as Ctrl-C does, leaves them where they are.
            unfinished.images.clone()
        };
        let written = write(self.output, part, &images).await;
        let mut parts = self.lock();
        let Some(unfinished) = parts.get_mut(part) else { return };
        unfinished.is_being_kept = false;
        unfinished.since = None;
        match written {
            Ok(()) => {
                unfinished.images.drain(..images.len());
                unfinished.has_fragments = true;
            }
            Err(error) => tracing::warn!(%error, "could not keep images that are done of a part that is not"),
        }
    }

    /// The part is written: its fragments are of no use any more.
    pub(crate) async fn remove(&self, part: &str) {
        let unfinished = self.lock().remove(part);
        if unfinished.is_some_and(|unfinished| unfinished.has_fragments)
            && let Err(error) = delete_all(self.output, part).await
        {
            tracing::warn!(%error, "could not delete the fragments of a finished part");
        }
    }

    /// The run is done: what is left is of parts that a new plan had no use for, and whose images it took over.
    pub(crate) async fn remove_abandoned(&self) {
        let parts: Vec<String> = self.lock().keys().cloned().collect();
        for part in parts {
            self.remove(&part).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Unfinished>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(output: &dyn Store, part: &str, images: &[Image]) -> Result<(), Error> {
    let fragment = encode(part, images)?;
    Ok(output.put(&layout::part_fragment(part, &names::digest(&fragment)), fragment).await?)
}

async fn delete_all(output: &dyn Store, part: &str) -> Result<(), Error> {
    for fragment in output.list(&layout::part_fragments(part), &|_| true).await? {
        output.delete(&fragment.key).await?;
    }
    Ok(())
}

/// All that the fragments of `part` hold; nothing where there are none. A damaged one holds nothing.
pub(crate) async fn read(output: &dyn Store, part: &str, width: usize) -> Result<Option<Vec<Image>>, Error> {
    let folder = layout::part_fragments(part);
    let fragments = output.list(&folder, &|_| true).await?;
    let mut images = Vec::new();
    for key in fragments.iter().map(|fragment| fragment.key.as_str()) {
        let bytes = digests::read(output, key, key.strip_prefix(&folder).unwrap_or_default()).await;
        match bytes.and_then(|bytes| decode(key, bytes, width)) {
            Ok(fragment) => images.extend(fragment),
            Err(error @ (Error::Damaged { .. } | Error::Table { .. })) => {
                tell_of_damage(&error, "its images are computed anew");
            }
            Err(error) => return Err(error),
        }
    }
    Ok((!fragments.is_empty()).then_some(images))
}

fn encode(part: &str, images: &[Image]) -> Result<Bytes, Error> {
    let width = images.first().map_or(0, |(_, usable)| usable.features.len());
    let values = images.iter().flat_map(|(_, usable)| usable.features.iter().copied()).collect();
    let values = Array2::from_shape_vec((images.len(), width), values).map_err(|error| Error::table(part, error))?;
    let losses: Vec<_> = images.iter().map(|(_, usable)| usable.losses).collect();
    let text = |cell: fn(&Identity) -> &str| {
        Arc::new(StringArray::from_iter_values(images.iter().map(|(identity, _)| cell(identity))))
    };
    tables::to_parquet(
        part,
        vec![
            tables::text_field("path"),
            tables::text_field("etag"),
            tables::int64_field("size"),
            tables::vector_field("features"),
        ],
        vec![
            text(|identity| &identity.key),
            text(|identity| &identity.etag),
            Arc::new(Int64Array::from_iter_values(images.iter().map(|(identity, _)| identity.size as i64))),
            tables::vectors(values.view()),
        ],
        losses::to_metadata(&losses),
    )
}

fn decode(key: &str, bytes: Bytes, width: usize) -> Result<Vec<Image>, Error> {
    let table = ParquetTable::read(key, bytes)?;
    let (keys, etags, sizes) = (table.text("path")?, table.text("etag")?, table.int64("size")?);
    let (values, losses) = (table.vectors("features", width)?, losses::of_table(&table)?);
    let image = |row: usize| {
        let identity = Identity {
            key: keys.value(row).to_owned(),
            etag: etags.value(row).to_owned(),
            size: sizes.value(row) as u64,
        };
        (identity, Usable { features: values.row(row).iter().copied().collect(), losses: losses[row] })
    };
    Ok((0..table.rows()).map(image).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};
    use pomona_vision::pixels::Losses;

    const PART: &str = "p";

    fn store() -> MemoryStore {
        MemoryStore::new("memory", BTreeMap::new())
    }

    fn image(number: u64) -> Image {
        let identity = Identity { key: format!("a/{number}.jpg"), etag: format!("e{number}"), size: number };
        let losses = Losses { alpha_dropped: number == 2, saturated: number == 3 };
        (identity, Usable { features: [number as f32, 0.5].into(), losses })
    }

    async fn kept(store: &dyn Store) -> Vec<u64> {
        let mut images = read(store, PART, 2).await.unwrap().unwrap_or_default();
        images.sort_by_key(|(identity, _)| identity.size);
        for (identity, usable) in &images {
            let (expected, expected_usable) = image(identity.size);
            assert_eq!((identity, &usable.features), (&expected, &expected_usable.features));
            assert_eq!(usable.losses, expected_usable.losses);
        }
        images.iter().map(|(identity, _)| identity.size).collect()
    }

    #[tokio::test]
    async fn images_are_kept_now_and_then_and_at_the_end_until_their_part_is_made() {
        let store = store();
        let mut fragments = Fragments::new(&store);
        fragments.begin(PART, false);
        fragments.add(PART, [image(1)].into_iter()).await;
        assert!(read(&store, PART, 2).await.unwrap().is_none());
        fragments.interval = Duration::ZERO;
        fragments.add(PART, [image(2)].into_iter()).await;
        assert_eq!(kept(&store).await, [1, 2]);
        fragments.interval = INTERVAL;
        fragments.add(PART, [image(3)].into_iter()).await;
        assert_eq!(kept(&store).await, [1, 2]);
        fragments.keep_all().await;
        fragments.keep_all().await;
        assert_eq!(kept(&store).await, [1, 2, 3]);

        let next_run = Fragments::new(&store);
        next_run.begin(PART, true);
        next_run.remove(PART).await;
        assert!(store.list("", &|_| true).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn images_of_a_write_that_failed_are_written_with_the_next() {
        let store = Arc::new(store());
        let failing = FailingStore::new(store.clone());
        failing.on(Operation::Put, |_| true, 1..=1, Fault::transient());
        let fragments = Fragments::new(&failing);
        fragments.begin(PART, false);
        fragments.add(PART, [image(1)].into_iter()).await;
        fragments.keep_all().await;
        fragments.add(PART, [image(2)].into_iter()).await;
        fragments.keep_all().await;
        assert_eq!(kept(store.as_ref()).await, [1, 2]);
    }

    #[tokio::test]
    async fn attempts_that_run_side_by_side_take_nothing_from_one_another() {
        let store = store();
        let attempts = [Fragments::new(&store), Fragments::new(&store)];
        for (attempt, number) in attempts.iter().zip(1..) {
            attempt.begin(PART, false);
            attempt.add(PART, [image(number)].into_iter()).await;
            attempt.keep_all().await;
        }
        assert_eq!(kept(&store).await, [1, 2]);
        attempts[0].remove(PART).await;
        assert!(store.list("", &|_| true).await.unwrap().is_empty());
        attempts[1].add(PART, [image(3)].into_iter()).await;
        attempts[1].remove(PART).await;
        assert!(store.list("", &|_| true).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_damaged_fragment_holds_nothing_and_the_others_are_read() {
        let store = store();
        let fragments = Fragments::new(&store);
        fragments.begin(PART, false);
        for number in 1..=3 {
            fragments.add(PART, [image(number)].into_iter()).await;
            fragments.keep_all().await;
        }
        let keys: Vec<String> = store.list("", &|_| true).await.unwrap().into_iter().map(|found| found.key).collect();
        let whole = store.get(&keys[1]).await.unwrap().bytes;
        let mut flipped = whole.to_vec();
        flipped[whole.len() / 2] ^= 1;
        let other = store.get(&keys[2]).await.unwrap().bytes;
        let zeros = vec![0; whole.len()];
        for damaged in [flipped.into(), whole.slice(..whole.len() / 2), Bytes::new(), zeros.into(), other] {
            store.put(&keys[1], damaged).await.unwrap();
            assert_eq!(kept(&store).await.len(), 2);
        }
    }
}
