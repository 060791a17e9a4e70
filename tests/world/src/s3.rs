//! The buckets as the product's functions see them: through requests that take time, fail, and are tried again as the
//! SDK tries them.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use pomona_run::layout::LOCK;
use pomona_store::{Entry, Error, Keep, Object, Store, Stored, Version};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use crate::bucket::{Blob, Bucket, Place};
use crate::context::{self, Doom};
use crate::invariants;
use crate::met::Trouble;

/// Tries of a request, as the product's S3 has them.
const ATTEMPTS: u32 = 16;
/// Milliseconds that the first pause between two tries may take.
const FIRST_PAUSE: u64 = 200;
/// Seconds that any other may.
const LONGEST_PAUSE: u64 = 5;
/// Seconds until a try that nobody answers is given up.
const READ: u64 = 30;
/// Seconds until the request is, with all its tries.
const OPERATION: u64 = 60;

/// A bucket of this thread's world.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SimulatedS3(pub(crate) Place);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Read,
    Write,
}

/// How many requests of a kind each prefix has been asked in which second.
#[derive(Default)]
pub(crate) struct Prefixes(BTreeMap<(Place, Kind, String), (i64, u32)>);

impl Prefixes {
    /// Counts one more, and gives their number in this second.
    fn count(&mut self, (place, kind, prefix): (Place, Kind, &str), second: i64) -> u32 {
        let asked = self.0.entry((place, kind, prefix.to_owned())).or_default();
        *asked = (second, if asked.0 == second { asked.1 + 1 } else { 1 });
        asked.1
    }
}

/// What becomes of one try.
enum Fate {
    Done,
    /// Nothing happened.
    Refused(Trouble),
    /// It was carried out, and nobody heard of it; of a read, the body broke off.
    Lost,
    Hangs,
}

impl Fate {
    fn trouble(&self, kind: Kind) -> Option<Trouble> {
        match self {
            Self::Done => None,
            Self::Refused(trouble) => Some(*trouble),
            Self::Hangs => Some(Trouble::Hangs),
            Self::Lost if kind == Kind::Read => Some(Trouble::BodyCut),
            Self::Lost => Some(Trouble::AnswerLost),
        }
    }
}

/// What a write depends on.
#[derive(Clone, Copy)]
enum Condition<'a> {
    Always,
    Absent,
    Matches(&'a str),
}

/// How often a request was tried, and what came of it.
struct Outcome<T> {
    tries: u32,
    result: Result<T, Error>,
}

impl SimulatedS3 {
    async fn request<T: Send>(
        self,
        kind: Kind,
        key: &str,
        mut effect: impl FnMut(&mut Bucket) -> Result<T, Error> + Send,
    ) -> Outcome<T> {
        let (mut tries, mut began) = (0, None);
        while tries < ATTEMPTS {
            tries += 1;
            meet_doom().await;
            let began = *began.get_or_insert_with(Instant::now);
            let is_over = || began.elapsed() > Duration::from_secs(OPERATION);
            let (fate, latency) = fate(kind);
            sleep(latency).await;
            let fate = if self.is_throttled(kind, key) { Fate::Refused(Trouble::PrefixBusy) } else { fate };
            fate.trouble(kind).into_iter().for_each(|trouble| context::world().count(trouble));
            match fate {
                Fate::Done if !is_over() => {
                    return Outcome { tries, result: context::world().with_bucket(self.0, &mut effect) };
                }
                // S3 carries out what it was sent, whether anybody waits for the answer still or not.
                Fate::Done | Fate::Lost => drop(context::world().with_bucket(self.0, &mut effect)),
                Fate::Refused(_) => {}
                Fate::Hangs => sleep(Duration::from_secs(READ)).await,
            }
            sleep(pause(tries)).await;
            if is_over() {
                break;
            }
        }
        Outcome { tries, result: Err(self.transient(key)) }
    }

    /// Whether the prefix of this key can answer no more requests of a kind in this second.
    fn is_throttled(self, kind: Kind, key: &str) -> bool {
        let world = context::world();
        let Some(rate) = world.weather().prefix_rate else { return false };
        let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
        world.prefixes.borrow_mut().count((self.0, kind, prefix), world.now().timestamp()) > rate
    }

    fn transient(self, key: &str) -> Error {
        Error::Transient { location: self.location().into(), key: key.into(), reason: "the world is harsh".into() }
    }

    fn not_found(self, key: &str) -> Error {
        Error::NotFound { location: self.location().into(), key: key.into() }
    }

    fn changed(self, key: &str) -> Error {
        Error::Changed { location: self.location().into(), key: key.into() }
    }

    /// Of a write that was tried again S3 may say that its condition does not hold because the write itself was carried
    /// out before (shared/store/src/s3/write.rs looks then, too).
    async fn write(self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Result<(), Error> {
        let written = self.request(Kind::Write, key, |bucket| {
            let is_met = match (condition, bucket.get(key)) {
                (Condition::Always, _) | (Condition::Absent, None) => true,
                (Condition::Matches(etag), Some(blob)) => blob.etag == etag,
                (Condition::Absent, Some(_)) | (Condition::Matches(_), None) => false,
            };
            if !is_met {
                context::world().count(Trouble::ConditionUnmet);
                return Err(self.changed(key));
            }
            if key == LOCK {
                invariants::lock_is_written(&context::world(), bucket, &bytes);
            }
            bucket.put(key, bytes.clone(), context::world().now());
            Ok(())
        });
        let Outcome { tries, result } = written.await;
        let unmet = match (result, condition) {
            (Err(unmet @ Error::Changed { .. }), Condition::Absent | Condition::Matches(_)) => unmet,
            (result, _) => return result,
        };
        if tries > 1 && self.get(key).await.is_ok_and(|stored| stored.bytes == bytes) {
            return Ok(());
        }
        Err(match condition {
            Condition::Absent => Error::AlreadyExists { location: self.location().into(), key: key.into() },
            _ => unmet,
        })
    }
}

/// Before each try whoever makes it may be killed or stand still.
pub(crate) async fn meet_doom() {
    let doom = context::actor().meets_doom();
    match doom {
        None => {}
        Some(Doom::Killed) => {
            context::world().met.borrow_mut().kills += 1;
            pending().await
        }
        Some(Doom::Frozen(_) | Doom::Stalled(_)) => {
            context::world().met.borrow_mut().standstills += 1;
            // So that it stands still before it goes on.
            yield_now().await;
        }
    }
}

fn fate(kind: Kind) -> (Fate, Duration) {
    let (actor, weather) = (context::actor(), context::world().weather());
    actor.roll(|dice| {
        let latency = if dice.chance(weather.slow) {
            dice.between(Duration::from_millis(200), Duration::from_secs(20))
        } else {
            dice.between(Duration::from_millis(10), Duration::from_millis(60))
        };
        let refused = dice.share();
        let lost = if kind == Kind::Read { weather.cut_body } else { weather.lost_answer };
        let fate = match () {
            () if refused < weather.slow_down => Fate::Refused(Trouble::SlowDown),
            () if refused < weather.slow_down + weather.server_error => Fate::Refused(Trouble::ServerError),
            () if refused < weather.slow_down + weather.server_error + weather.reset => Fate::Refused(Trouble::Reset),
            () if dice.chance(lost) => Fate::Lost,
            () if dice.chance(weather.hang) => Fate::Hangs,
            () => Fate::Done,
        };
        (fate, latency)
    })
}

fn pause(tries: u32) -> Duration {
    let most = Duration::from_millis(FIRST_PAUSE << (tries - 1)).min(Duration::from_secs(LONGEST_PAUSE));
    context::actor().roll(|dice| dice.between(Duration::ZERO, most))
}

fn object(key: &str, blob: &Blob) -> Object {
    Object { key: key.to_owned(), size: blob.bytes.len() as u64, etag: Some(blob.etag.clone()) }
}

#[async_trait]
impl Store for SimulatedS3 {
    fn location(&self) -> &str {
        self.0.location()
    }

    /// Page by page: what changes meanwhile is seen or not.
    async fn list(&self, prefix: &str, keep: &Keep<'_>) -> Result<Vec<Object>, Error> {
        let page_size = context::world().setting.page_size;
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.request(Kind::Read, prefix, |bucket| {
                let from = after.clone().unwrap_or_else(|| prefix.to_owned());
                let below = bucket.objects().range(from..).take_while(|(key, _)| key.starts_with(prefix));
                let page = below.filter(|(key, _)| Some(*key) != after.as_ref()).take(page_size);
                Ok(page.map(|(key, blob)| object(key, blob)).collect::<Vec<_>>())
            });
            let page = page.await.result?;
            let is_last = page.len() < page_size;
            after = page.last().map(|object| object.key.clone()).or(after);
            found.extend(page.into_iter().filter(|object| keep(entry(&object.key))));
            if is_last {
                return Ok(found);
            }
        }
    }

    async fn find(&self, key: &str) -> Result<Option<Object>, Error> {
        self.request(Kind::Read, key, |bucket| Ok(bucket.get(key).map(|blob| object(key, blob)))).await.result
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        self.request(Kind::Read, key, |bucket| Ok(bucket.get(key).is_some())).await.result
    }

    async fn get(&self, key: &str) -> Result<Stored, Error> {
        let read = |bucket: &mut Bucket| bucket.bytes(key).ok_or_else(|| self.not_found(key));
        self.request(Kind::Read, key, read).await.result.map(Stored::of)
    }

    async fn get_if_match(&self, key: &str, etag: &str) -> Result<Bytes, Error> {
        let read = |bucket: &mut Bucket| {
            let blob = bucket.get(key).filter(|blob| blob.etag == etag);
            blob.map(|blob| blob.bytes.clone()).ok_or_else(|| self.changed(key))
        };
        self.request(Kind::Read, key, read).await.result
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.write(key, bytes, Condition::Always).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.write(key, bytes, Condition::Absent).await
    }

    async fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Result<(), Error> {
        self.write(key, bytes, Condition::Matches(etag)).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        let copy = |bucket: &mut Bucket| {
            let bytes = bucket.bytes(from).ok_or_else(|| self.not_found(from))?;
            bucket.put(to, bytes, context::world().now());
            Ok(())
        };
        self.request(Kind::Write, from, copy).await.result
    }

    async fn refresh(&self, key: &str, age: Duration) -> Result<(), Error> {
        let is_old = |bucket: &mut Bucket| {
            let now = context::world().now();
            Ok(bucket.get(key).is_some_and(|blob| (now - blob.written).to_std().is_ok_and(|found| found >= age)))
        };
        if self.request(Kind::Read, key, is_old).await.result? { self.copy(key, key).await } else { Ok(()) }
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let delete = |bucket: &mut Bucket| {
            bucket.delete(key);
            Ok(())
        };
        self.request(Kind::Write, key, delete).await.result
    }

    async fn delete_if_match(&self, key: &str, etag: &str) -> Result<(), Error> {
        let delete = |bucket: &mut Bucket| {
            if bucket.get(key).is_some_and(|blob| blob.etag != etag) {
                context::world().count(Trouble::ConditionUnmet);
                return Err(self.changed(key));
            }
            bucket.delete(key);
            Ok(())
        };
        self.request(Kind::Write, key, delete).await.result
    }

    async fn versions(&self, prefix: &str) -> Result<Vec<Version>, Error> {
        self.request(Kind::Read, prefix, |bucket| Ok(bucket.versions(prefix))).await.result
    }

    async fn get_version(&self, version: &Version) -> Result<Bytes, Error> {
        let key = &version.key;
        let Some(id) = &version.id else { return Ok(self.get(key).await?.bytes) };
        let read = |bucket: &mut Bucket| bucket.version(key, id).ok_or_else(|| self.not_found(key));
        self.request(Kind::Read, key, read).await.result
    }

    async fn delete_version(&self, version: &Version) -> Result<(), Error> {
        let key = &version.key;
        let Some(id) = &version.id else { return self.delete(key).await };
        let delete = |bucket: &mut Bucket| {
            bucket.delete_version(key, id, context::world().now());
            Ok(())
        };
        self.request(Kind::Write, key, delete).await.result
    }
}

fn entry(key: &str) -> Entry<'_> {
    if key.ends_with('/') { Entry::Folder(key) } else { Entry::File(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_given_up_as_the_product_gives_them_up() {
        let config = include_str!("../../../shared/store/src/s3/config.rs");
        for line in [
            format!("const ATTEMPTS: u32 = {ATTEMPTS};"),
            format!("const FIRST_PAUSE: Duration = Duration::from_millis({FIRST_PAUSE});"),
            format!("const LONGEST_PAUSE: Duration = Duration::from_secs({LONGEST_PAUSE});"),
            format!("const READ: Duration = Duration::from_secs({READ});"),
            format!("const OPERATION: Duration = Duration::from_secs({OPERATION});"),
        ] {
            assert!(config.contains(&line), "{line}");
        }
    }
}
