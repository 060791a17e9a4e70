//! A store in memory does what every store must.

use std::collections::BTreeMap;
use std::sync::Arc;

use pomona_store::Store;
use pomona_store::testing::MemoryStore;

async fn memory() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new("memory", BTreeMap::new())), ())
}

pomona_store::conformance_tests!(memory);

mod with_versions {
    use super::*;

    async fn memory() -> (Arc<dyn Store>, ()) {
        (Arc::new(MemoryStore::new("memory", BTreeMap::new()).with_versions()), ())
    }

    pomona_store::conformance_tests!(memory);
}
