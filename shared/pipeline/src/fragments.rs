//! The finished images of parts that are not finished: kept every half minute and when a run stops, so that none is computed twice.
//!
//! A part's fragments are numbered from 0. Each is a Parquet table behind the digest of its key and bytes; only images that could be used
//! stand in it. Once the part exists they are deleted.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::{Int64Array, StringArray};
use bytes::Bytes;
use ndarray::Array2;
use pomona_run::{layout, names};
use pomona_store::{Error as StoreError, Store};

use crate::error::{Damage, Error, tell_of_damage};
use crate::listing::Identity;
use crate::losses;
use crate::part::{Outcome, Usable};
use crate::tables::{self, ParquetTable};

/// How often the finished images of a part are kept.
const INTERVAL: Duration = Duration::from_secs(30);

/// The length of a digest in hexadecimal.
const DIGEST: usize = 64;

/// Finished images of all parts that a run is making.
#[derive(Debug)]
pub struct Fragments<'a> {
    output: &'a dyn Store,
    interval: Duration,
    parts: Mutex<BTreeMap<String, Unkept>>,
}

/// A part's images that stand in no fragment yet.
#[derive(Debug)]
struct Unkept {
    /// The number of the next fragment.
    next: u32,
    since: Instant,
    images: Vec<(Identity, Usable)>,
}

impl<'a> Fragments<'a> {
    /// Keeps fragments at `output`.
    pub fn new(output: &'a dyn Store) -> Self {
        Self { output, interval: INTERVAL, parts: Mutex::default() }
    }

    /// A part is about to be made that has so many fragments.
    pub(crate) fn begin(&self, part: &str, fragments: u32) {
        let unkept = Unkept { next: fragments, since: Instant::now(), images: Vec::new() };
        self.lock().insert(part.to_owned(), unkept);
    }

    /// Takes note of finished images, and keeps those of their part where it is time to.
    pub(crate) async fn add(
        &self,
        part: &str,
        finished: impl Iterator<Item = (Identity, Usable)>,
    ) -> Result<(), Error> {
        let due = {
            let mut parts = self.lock();
            let Some(unkept) = parts.get_mut(part) else { return Ok(()) };
            unkept.images.extend(finished);
            (unkept.since.elapsed() >= self.interval).then(|| unkept.take()).flatten()
        };
        match due {
            Some((number, images)) => write(self.output, part, number, images).await,
            None => Ok(()),
        }
    }

    /// Keeps what every unfinished part has by now: the run stops.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn keep_all(&self) -> Result<(), Error> {
        let unkept: Vec<_> = {
            let mut parts = self.lock();
            parts.iter_mut().filter_map(|(part, unkept)| Some((part.clone(), unkept.take()?))).collect()
        };
        for (part, (number, images)) in unkept {
            write(self.output, &part, number, images).await?;
        }
        Ok(())
    }

    /// The part is written: its fragments are of no use any more.
    pub(crate) async fn remove(&self, part: &str) -> Result<(), Error> {
        let fragments = self.lock().remove(part).map_or(0, |unkept| unkept.next);
        // The last one first, because they are looked for from the first one on.
        for number in (0..fragments).rev() {
            self.output.delete(&layout::part_fragment(part, number)).await?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Unkept>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unkept {
    /// The images and the number of their fragment, if there are any.
    fn take(&mut self) -> Option<(u32, Vec<(Identity, Usable)>)> {
        self.since = Instant::now();
        let images = std::mem::take(&mut self.images);
        if images.is_empty() {
            return None;
        }
        self.next += 1;
        Some((self.next - 1, images))
    }
}

/// All that the fragments of `part` hold, and how many there are. A damaged one holds nothing.
pub(crate) async fn read(
    output: &dyn Store,
    part: &str,
    width: usize,
) -> Result<(u32, HashMap<Identity, Outcome>), Error> {
    let mut images = HashMap::new();
    for number in 0.. {
        let key = layout::part_fragment(part, number);
        let bytes = match output.get(&key).await {
            Ok(stored) => stored.bytes,
            Err(StoreError::NotFound { .. }) => return Ok((number, images)),
            Err(error) => return Err(error.into()),
        };
        match decode(&key, bytes, width) {
            Ok(fragment) => images.extend(fragment),
            Err(error @ Error::Damaged { .. }) => tell_of_damage(&error, "its images are computed anew"),
            Err(error) => return Err(error),
        }
    }
    Err(Error::Internal(format!("part {part} has no last fragment")))
}

async fn write(output: &dyn Store, part: &str, number: u32, images: Vec<(Identity, Usable)>) -> Result<(), Error> {
    let key = layout::part_fragment(part, number);
    Ok(output.put(&key, encode(&key, &images)?).await?)
}

fn encode(key: &str, images: &[(Identity, Usable)]) -> Result<Bytes, Error> {
    let width = images.first().map_or(0, |(_, usable)| usable.features.len());
    let values = images.iter().flat_map(|(_, usable)| usable.features.iter().copied()).collect();
    let values = Array2::from_shape_vec((images.len(), width), values).map_err(|error| Error::table(key, error))?;
    let losses: Vec<_> = images.iter().map(|(_, usable)| usable.losses).collect();
    let text = |cell: fn(&Identity) -> &str| {
        Arc::new(StringArray::from_iter_values(images.iter().map(|(identity, _)| cell(identity))))
    };
    let table = tables::to_parquet(
        key,
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
    )?;
    Ok([names::seal(key, &table).as_bytes(), &table].concat().into())
}

fn decode(key: &str, bytes: Bytes, width: usize) -> Result<Vec<(Identity, Outcome)>, Error> {
    if bytes.len() < DIGEST {
        return Err(Error::damaged(key, Damage::Unknown));
    }
    let table = bytes.slice(DIGEST..);
    if names::seal(key, &table).as_bytes() != &bytes[..DIGEST] {
        return Err(Error::damaged(key, Damage::Altered));
    }
    let table = ParquetTable::read(key, table)?;
    let (keys, etags, sizes) = (table.text("path")?, table.text("etag")?, table.int64("size")?);
    let (values, losses) = (table.vectors("features", width)?, losses::of_table(&table)?);
    let image = |row: usize| {
        let identity = Identity {
            key: keys.value(row).to_owned(),
            etag: etags.value(row).to_owned(),
            size: sizes.value(row) as u64,
        };
        (identity, Ok(Usable { features: values.row(row).iter().copied().collect(), losses: losses[row] }))
    };
    Ok((0..table.rows()).map(image).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_store::testing::MemoryStore;
    use pomona_vision::pixels::Losses;

    const PART: &str = "p";

    fn store() -> MemoryStore {
        MemoryStore::new("memory", BTreeMap::new())
    }

    fn image(number: u64) -> (Identity, Usable) {
        let identity = Identity { key: format!("a/{number}.jpg"), etag: format!("e{number}"), size: number };
        let losses = Losses { alpha_dropped: number == 2, saturated: number == 3 };
        (identity, Usable { features: [number as f32, 0.5].into(), losses })
    }

    fn features(images: &HashMap<Identity, Outcome>, number: u64) -> Option<Usable> {
        images.get(&image(number).0).map(|outcome| outcome.clone().unwrap())
    }

    #[tokio::test]
    async fn images_are_kept_now_and_then_and_at_the_end_until_their_part_is_made() {
        let store = store();
        let mut fragments = Fragments::new(&store);
        fragments.begin(PART, 0);
        fragments.add(PART, [image(1)].into_iter()).await.unwrap();
        assert_eq!(read(&store, PART, 2).await.unwrap().0, 0);
        fragments.interval = Duration::ZERO;
        fragments.add(PART, [image(2)].into_iter()).await.unwrap();
        assert_eq!(read(&store, PART, 2).await.unwrap().0, 1);
        fragments.interval = INTERVAL;
        fragments.add(PART, [image(3)].into_iter()).await.unwrap();
        assert_eq!(read(&store, PART, 2).await.unwrap().0, 1);
        fragments.keep_all().await.unwrap();
        fragments.keep_all().await.unwrap();

        let (count, images) = read(&store, PART, 2).await.unwrap();
        assert_eq!((count, images.len()), (2, 3));
        for number in 1..=3 {
            let (kept, expected) = (features(&images, number).unwrap(), image(number).1);
            assert_eq!((kept.features, kept.losses), (expected.features, expected.losses));
        }

        let next_run = Fragments::new(&store);
        next_run.begin(PART, count);
        next_run.add(PART, [image(4)].into_iter()).await.unwrap();
        next_run.keep_all().await.unwrap();
        assert_eq!(read(&store, PART, 2).await.unwrap().0, 3);
        next_run.remove(PART).await.unwrap();
        assert!(store.list("", &|_| true).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_damaged_fragment_holds_nothing_and_the_next_one_is_read() {
        let store = store();
        let fragments = Fragments::new(&store);
        fragments.begin(PART, 0);
        for number in 1..=3 {
            fragments.add(PART, [image(number)].into_iter()).await.unwrap();
            fragments.keep_all().await.unwrap();
        }
        let keys = [0, 1, 2].map(|number| layout::part_fragment(PART, number));
        let whole = store.get(&keys[1]).await.unwrap().bytes;
        let mut flipped = whole.to_vec();
        flipped[whole.len() / 2] ^= 1;
        let other = store.get(&keys[2]).await.unwrap().bytes;
        for damaged in [flipped.into(), whole.slice(..whole.len() / 2), Bytes::new(), other] {
            store.put(&keys[1], damaged).await.unwrap();
            let (count, images) = read(&store, PART, 2).await.unwrap();
            assert_eq!((count, images.len()), (3, 2));
            assert!(features(&images, 2).is_none());
        }
    }
}
