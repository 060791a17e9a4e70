//! The finished images of parts that are not finished: kept every half minute and when a run stops, so that none is
//! computed twice.
//!
//! A fragment lies in the folder of its part and is called by the digest of its bytes, so attempts that run side by
//! side take nothing from one another, and what is damaged is known by its name. Only images that could be used stand
//! in it. Once the part exists, its fragments are deleted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pomona_formats::fragment::{self, Image};
use pomona_store::Store;
use tokio::time::Instant;

/// How often the finished images of a part are kept.
const INTERVAL: Duration = Duration::from_secs(30);

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
        let written = fragment::write(self.output, part, &images).await;
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
            && let Err(error) = fragment::delete_all(self.output, part).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use pomona_dataset::Content;
    use pomona_formats::fragment::read;
    use pomona_formats::part::Usable;
    use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};
    use pomona_vision::pixels::Losses;
    use std::sync::Arc;

    const PART: &str = "p";

    fn store() -> MemoryStore {
        MemoryStore::new("memory", BTreeMap::new())
    }

    fn image(number: u64) -> Image {
        let content = Content { id: format!("a/{number}.jpg"), version: Some(format!("e{number}")), size: number };
        let losses = Losses { alpha_dropped: number == 2, saturated: number == 3, orientation_ignored: number == 4 };
        (content, Usable { features: [number as f32, 0.5].into(), losses })
    }

    async fn kept(store: &dyn Store) -> Vec<u64> {
        let mut images = read(store, PART, 2).await.unwrap().unwrap_or_default();
        images.sort_by_key(|(content, _)| content.size);
        for (content, usable) in &images {
            let (expected, expected_usable) = image(content.size);
            assert_eq!((content, &usable.features), (&expected, &expected_usable.features));
            assert_eq!(usable.losses, expected_usable.losses);
        }
        images.iter().map(|(content, _)| content.size).collect()
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
