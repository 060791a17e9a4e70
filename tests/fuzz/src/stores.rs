//! Stores in memory, and what drives them.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use bytes::Bytes;
use pomona_lambda::BucketLocation;
use pomona_store::testing::MemoryStore;
use tokio::runtime::{Builder, Runtime};

pub(crate) const INPUT: &str = "s3://in";
pub(crate) const OUTPUT: &str = "s3://out";

pub(crate) fn at(location: &str) -> BucketLocation {
    location.parse().expect("it is a location")
}

/// A store of these objects.
pub(crate) fn store_of(objects: impl IntoIterator<Item = (String, Bytes)>) -> MemoryStore {
    MemoryStore::new("memory", objects.into_iter().collect::<BTreeMap<_, _>>())
}

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
}

/// Runs `job` to its end, all of it on this thread, and waits for no time to pass.
pub(crate) fn block_on<T>(job: impl Future<Output = T>) -> T {
    let runtime =
        || Builder::new_current_thread().enable_time().start_paused(true).build().expect("the system has a runtime");
    RUNTIME.with(|kept| kept.get_or_init(runtime).block_on(job))
}
