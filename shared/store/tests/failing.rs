//! The store that fails on command does what its rules say.

use std::sync::Arc;

use pomona_store::testing::{FailingStore, Fault, Operation};
use pomona_store::{Error, LocalStore, Store};
use tempfile::TempDir;

fn stores() -> (Arc<LocalStore>, FailingStore, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = Arc::new(LocalStore::open(folder.path()).expect("a store"));
    (inner.clone(), FailingStore::new(inner), folder)
}

#[tokio::test]
async fn only_the_calls_that_a_rule_names_fail() {
    let (_inner, store, _folder) = stores();
    store.on(Operation::Put, |key| key.ends_with(".moments"), 2..=3, Fault::transient());
    store.put("a.parquet", "x".into()).await.expect("another key");
    store.put("a.moments", "x".into()).await.expect("the first call");
    for _ in 2..=3 {
        let error = store.put("b.moments", "x".into()).await.expect_err("a failure");
        assert!(error.is_retryable(), "{error}");
    }
    store.put("b.moments", "x".into()).await.expect("the fourth call");
    let expected = ["a.parquet", "a.moments", "b.moments", "b.moments", "b.moments"];
    assert_eq!(store.calls(), expected.map(|key| (Operation::Put, key.to_owned())));
}

#[tokio::test]
async fn after_a_crash_every_call_fails() {
    for (fault, is_there) in [(Fault::CrashBefore, false), (Fault::CrashAfter, true)] {
        let (inner, store, _folder) = stores();
        store.on(Operation::Put, |_| true, 1.., fault);
        store.put("a", "x".into()).await.expect_err("the crash");
        assert!(store.has_crashed());
        assert_eq!(inner.exists("a").await.expect("exists"), is_there);
        let error = store.exists("a").await.expect_err("after the crash");
        assert!(matches!(&error, Error::Other { .. }) && !error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn a_delayed_call_is_carried_out() {
    let (inner, store, _folder) = stores();
    store.on(Operation::Create, |_| true, .., Fault::Delay(std::time::Duration::from_millis(1)));
    store.create("a", "x".into()).await.expect("create");
    assert_eq!(inner.get("a").await.expect("get").bytes, "x");
}
