//! Images that are read while others are computed.

use std::future::Future;

use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_dataset::Item;
use pomona_run::pace;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::Error;

/// Small images are read and computed in groups, because each change of threads costs as much as reading one.
const GROUP_IMAGES: usize = pace::IMAGES_OF_A_THREAD;

/// Bytes of a group of more than one image.
const GROUP_BYTES: u64 = 1 << 20;

/// How many images, and bytes of them, are held at once, in the making and read ahead.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// As many permits as images may be held.
    images: Semaphore,
    images_at_once: usize,
    bytes: Semaphore,
    bytes_at_once: u32,
}

impl Ahead {
    /// For so many threads that compute.
    pub(crate) fn of(threads: usize) -> Self {
        let images_at_once = pace::images_at_once(threads);
        let bytes_at_once = pace::bytes_read_ahead(threads) as u32;
        Self {
            images: Semaphore::new(images_at_once),
            images_at_once,
            bytes: Semaphore::new(bytes_at_once as usize),
            bytes_at_once,
        }
    }

    /// What `work` makes of each group, in their order; as many are under way as may be held.
    pub(crate) async fn each<'g, T, W: Future<Output = Result<T, Error>>>(
        &self,
        groups: impl Iterator<Item = &'g [&'g Item]>,
        work: impl Fn(&'g [&'g Item]) -> W,
    ) -> Result<Vec<T>, Error> {
        let work = &work;
        let held = |group: &'g [&'g Item]| async move {
            let bytes = group.iter().map(|item| item.size).sum::<u64>().clamp(1, self.bytes_at_once.into()) as u32;
            let _images_held = acquire(&self.images, group.len() as u32).await?;
            let _bytes_held = acquire(&self.bytes, bytes).await?;
            work(group).await
        };
        // Groups, of which there may be as many as images.
        stream::iter(groups).map(held).buffered(self.images_at_once).try_collect().await
    }
}

async fn acquire(budget: &Semaphore, wanted: u32) -> Result<SemaphorePermit<'_>, Error> {
    budget.acquire_many(wanted).await.map_err(|error| Error::internal(error.to_string()))
}

/// Cuts items into groups; what could not be opened when it was listed is alone.
pub(crate) fn groups<'a, 'b>(mut items: &'a [&'b Item]) -> impl Iterator<Item = &'a [&'b Item]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |item: &&&Item| {
            bytes = u64::saturating_add(bytes, item.size);
            bytes <= GROUP_BYTES && item.version.is_some()
        };
        let length = items.iter().take(GROUP_IMAGES).take_while(fits).count().max(1);
        let (group, rest) = items.split_at_checked(length)?;
        items = rest;
        Some(group)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use pomona_dataset::Place;
    use tokio::time::{Instant, sleep};

    use super::*;

    fn item(size: u64, version: Option<&str>) -> Item {
        Item { id: "a/b.jpg".into(), size, version: version.map(str::to_owned), label: "a".into(), place: Place::File }
    }

    #[test]
    fn small_images_form_groups_and_large_or_unopened_ones_are_alone() {
        let sizes = [1, 2, 3, 4, 5, GROUP_BYTES, 6, GROUP_BYTES - 6, 1, 2 * GROUP_BYTES, 7];
        let mut items: Vec<Item> = sizes.iter().map(|size| item(*size, Some("etag"))).collect();
        items.extend([item(0, None), item(0, None), item(8, Some("etag"))]);
        let items: Vec<&Item> = items.iter().collect();
        let found: Vec<usize> = groups(&items).map(<[_]>::len).collect();
        assert_eq!(found, [4, 1, 1, 2, 1, 1, 1, 1, 1, 1]);
        assert_eq!(groups(&items).flatten().count(), items.len());
        assert_eq!(groups(&[]).count(), 0);
    }

    /// The share of their time that threads compute, of virtual time: a request takes 30 ms and one in 50 five times as
    /// long, and its bytes come at 100 MB/s; all of `images` are of `bytes`, and take `compute` each.
    async fn busy(threads: usize, images: usize, bytes: u64, compute: Duration) -> f64 {
        let items: Vec<Item> = (0..images).map(|_| item(bytes, Some("etag"))).collect();
        let items: Vec<&Item> = items.iter().collect();
        let (cores, requests) = (Semaphore::new(threads), AtomicUsize::new(0));
        let started = Instant::now();
        let (cores, requests) = (&cores, &requests);
        let work = move |group: &[&Item]| {
            let first = requests.fetch_add(group.len(), Ordering::Relaxed);
            let is_slow = (first..first + group.len()).any(|request| request % 50 == 7);
            let (images, answer) = (group.len() as u32, Duration::from_millis(if is_slow { 150 } else { 30 }));
            async move {
                sleep(answer + Duration::from_secs_f64(bytes as f64 / 1e8)).await;
                let _core = acquire(cores, 1).await?;
                sleep(compute * images).await;
                Ok(())
            }
        };
        Ahead::of(threads).each(groups(&items), work).await.unwrap();
        compute.as_secs_f64() * images as f64 / threads as f64 / started.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn threads_do_not_wait_for_a_distant_bucket() {
        let (small, large) = (20_000, 3_000_000);
        for (threads, bytes, milliseconds) in [
            (1, small, 5),
            (4, small, 3),
            (16, small, 3),
            // A thread of a machine of many is slower.
            (64, small, 5),
            (4, large, 40),
            (16, large, 40),
            (64, large, 40),
        ] {
            let share = busy(threads, threads * 1_000, bytes, Duration::from_millis(milliseconds)).await;
            assert!(share > 0.95, "{threads} threads are busy {share:.3} of their time, at {bytes} bytes an image");
        }
    }
}
