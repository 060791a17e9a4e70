//! The folder passes the suite.

use std::sync::Arc;

use pomona_store::{LocalStore, Store};
use tempfile::TempDir;

async fn folder() -> (Arc<dyn Store>, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = LocalStore::open(folder.path()).expect("the folder opens");
    (Arc::new(store), folder)
}

pomona_store::conformance_tests!(folder);
