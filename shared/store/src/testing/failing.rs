//! A store that fails on command.

use std::fmt;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Error, IsOurs, Keep, Object, Store, Stored, Version};

/// The operations of a [`Store`].
#[allow(missing_docs)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    List,
    Exists,
    Get,
    GetIfMatch,
    GetRange,
    Put,
    Create,
    Replace,
    Copy,
    Refresh,
    Delete,
}

/// What happens to a call.
#[derive(Clone)]
pub enum Fault {
    /// It fails without effect, with the error that the function makes of location and key.
    Fail(fn(&str, &str) -> Error),
    /// It is carried out after this time.
    Delay(Duration),
    /// It has no effect, and from then on every call fails: the process was killed before it.
    CrashBefore,
    /// It is carried out, and from then on every call fails, this one included: the process was killed after it.
    CrashAfter,
}

impl Fault {
    /// Throttling.
    pub fn transient() -> Self {
        Self::Fail(|location, key| Error::Transient {
            location: location.into(),
            key: key.into(),
            reason: "injected".into(),
        })
    }

    /// Lacking rights.
    pub fn denied() -> Self {
        Self::Fail(|location, key| Error::denied(location, key, "injected"))
    }
}

struct Rule {
    operation: Operation,
    matches: Box<dyn Fn(&str) -> bool + Send + Sync>,
    calls: (Bound<u64>, Bound<u64>),
    fault: Fault,
    counted: u64,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    calls: Vec<(Operation, String)>,
    crashed: bool,
}

/// A store that passes calls on to another one, records them, and fails those that its rules name.
///
/// ```
/// # use std::sync::Arc;
/// # use pomona_store::LocalStore;
/// # use pomona_store::testing::{FailingStore, Fault, Operation};
/// # let inner = Arc::new(LocalStore::open(".")?);
/// let store = FailingStore::new(inner);
/// // The second write of a part's moments kills the process.
/// store.on(Operation::Put, |key| key.ends_with(".moments"), 2..=2, Fault::CrashBefore);
/// // Every read of an image is throttled.
/// store.on(Operation::GetIfMatch, |_| true, 1.., Fault::transient());
/// # Ok::<(), pomona_store::Error>(())
/// ```
pub struct FailingStore {
    inner: Arc<dyn Store>,
    state: Mutex<State>,
}

impl FailingStore {
    /// A store that does what `inner` does until rules are added.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, state: Mutex::default() }
    }

    /// Adds a rule: of the calls of `operation` on keys that `matches` accepts (the prefix of a listing, the source of
    /// a copy), those whose number, counted from 1, lies in `calls` meet `fault`. The first rule that applies to a call
    /// decides.
    pub fn on(
        &self,
        operation: Operation,
        matches: impl Fn(&str) -> bool + Send + Sync + 'static,
        calls: impl RangeBounds<u64>,
        fault: Fault,
    ) {
        let calls = (calls.start_bound().cloned(), calls.end_bound().cloned());
        let rule = Rule { operation, matches: Box::new(matches), calls, fault, counted: 0 };
        self.state().rules.push(rule);
    }

    /// All calls so far, those that failed included, in order.
    pub fn calls(&self) -> Vec<(Operation, String)> {
        self.state().calls.clone()
    }

    /// Waits for so many calls that are meant, be it that they stand still.
    pub async fn until_called(&self, times: usize, is_meant: impl Fn(Operation, &str) -> bool) {
        while self.calls().iter().filter(|(operation, key)| is_meant(*operation, key)).count() < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether a crash was injected.
    pub fn has_crashed(&self) -> bool {
        self.state().crashed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn crash(&self, key: &str) -> Error {
        Error::other("reach", self.inner.location(), key, "injected crash")
    }

    /// Records the call and finds the fault that it meets.
    fn meet(&self, operation: Operation, key: &str) -> Result<Option<Fault>, Error> {
        let mut state = self.state();
        if state.crashed {
            return Err(self.crash(key));
        }
        state.calls.push((operation, key.into()));
        let mut met = None;
        for rule in state.rules.iter_mut().filter(|rule| rule.operation == operation && (rule.matches)(key)) {
            rule.counted += 1;
            if met.is_none() && rule.calls.contains(&rule.counted) {
                met = Some(rule.fault.clone());
            }
        }
        state.crashed = matches!(met, Some(Fault::CrashBefore | Fault::CrashAfter));
        Ok(met)
    }

    async fn call<T>(
        &self,
        operation: Operation,
        key: &str,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match self.meet(operation, key)? {
            None => call.await,
            Some(Fault::Fail(error)) => Err(error(self.inner.location(), key)),
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                call.await
            }
            Some(Fault::CrashBefore) => Err(self.crash(key)),
            Some(Fault::CrashAfter) => {
                call.await?;
                Err(self.crash(key))
            }
        }
    }
}

impl fmt::Debug for FailingStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("FailingStore").field(&self.inner).finish()
    }
}

// A method that is left to its default would never run under faults.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Store for FailingStore {
    fn location(&self) -> &str {
        self.inner.location()
    }

    async fn list(&self, prefix: &str, keep: &Keep<'_>) -> Result<Vec<Object>, Error> {
        self.call(Operation::List, prefix, self.inner.list(prefix, keep)).await
    }

    async fn sizes(&self, prefix: &str) -> Result<Vec<(String, u64)>, Error> {
        self.call(Operation::List, prefix, self.inner.sizes(prefix)).await
    }

    async fn find(&self, key: &str) -> Result<Option<Object>, Error> {
        self.call(Operation::Exists, key, self.inner.find(key)).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        self.call(Operation::Exists, key, self.inner.exists(key)).await
    }

    async fn get(&self, key: &str) -> Result<Stored, Error> {
        self.call(Operation::Get, key, self.inner.get(key)).await
    }

    async fn get_start(&self, key: &str, length: usize) -> Result<Bytes, Error> {
        self.call(Operation::Get, key, self.inner.get_start(key, length)).await
    }

    async fn get_if_match(&self, key: &str, etag: &str) -> Result<Bytes, Error> {
        self.call(Operation::GetIfMatch, key, self.inner.get_if_match(key, etag)).await
    }

    async fn get_range(&self, key: &str, etag: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.call(Operation::GetRange, key, self.inner.get_range(key, etag, range)).await
    }

    /// Each object meets the faults of its own; those that meet none are read together.
    async fn get_all_if_match(&self, wanted: &[(&str, &str)]) -> Result<Vec<Result<Bytes, Error>>, Error> {
        let mut met = Vec::with_capacity(wanted.len());
        for (key, _) in wanted {
            met.push(self.call(Operation::GetIfMatch, key, async { Ok(()) }).await);
        }
        let unharmed = wanted.iter().zip(&met).filter(|(_, met)| met.is_ok()).map(|(wanted, _)| *wanted);
        let mut read = self.inner.get_all_if_match(&unharmed.collect::<Vec<_>>()).await?.into_iter();
        Ok(met.into_iter().map(|met| met.and_then(|()| read.next().expect("as many as were asked for"))).collect())
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.call(Operation::Put, key, self.inner.put(key, bytes)).await
    }

    async fn create(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.call(Operation::Create, key, self.inner.create(key, bytes)).await
    }

    async fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Result<(), Error> {
        self.call(Operation::Replace, key, self.inner.replace(key, bytes, etag)).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        self.call(Operation::Copy, from, self.inner.copy(from, to)).await
    }

    async fn refresh(&self, key: &str, age: Duration) -> Result<(), Error> {
        self.call(Operation::Refresh, key, self.inner.refresh(key, age)).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.call(Operation::Delete, key, self.inner.delete(key)).await
    }

    async fn delete_if_match(&self, key: &str, etag: &str) -> Result<(), Error> {
        self.call(Operation::Delete, key, self.inner.delete_if_match(key, etag)).await
    }

    async fn versions(&self, prefix: &str) -> Result<Vec<Version>, Error> {
        self.call(Operation::List, prefix, self.inner.versions(prefix)).await
    }

    async fn get_version(&self, version: &Version) -> Result<Bytes, Error> {
        self.call(Operation::Get, &version.key, self.inner.get_version(version)).await
    }

    async fn delete_version(&self, version: &Version) -> Result<(), Error> {
        self.call(Operation::Delete, &version.key, self.inner.delete_version(version)).await
    }

    async fn settle(&self, is_ours: &IsOurs<'_>) -> Result<(), Error> {
        self.inner.settle(is_ours).await
    }
}
