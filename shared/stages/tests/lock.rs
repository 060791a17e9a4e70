//! One run at a time on an output.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pomona_run::{ErrorName, RunId, layout};
use pomona_stages::lock::{self, NoOtherHolders, UnknownHolders};
use pomona_store::testing::{FailingStore, Fault, MemoryStore, Operation};
use pomona_store::{LocalStore, Store};

#[tokio::test(start_paused = true)]
async fn an_output_in_use_is_busy_until_its_lock_is_given_back_runs_out_or_its_holder_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    let (first, second) = (RunId::now(), RunId::now());
    let minute = Duration::from_secs(60);
    lock::acquire(&store, &first, "first", minute, &UnknownHolders).await.unwrap();
    lock::acquire(&store, &first, "first", minute, &UnknownHolders).await.unwrap();
    let error = lock::acquire(&store, &second, "second", minute, &UnknownHolders).await.unwrap_err();
    assert_eq!(error.name(), ErrorName::Busy);
    assert!(error.to_string().contains(first.as_str()), "{error}");

    lock::release(&store, &second).await.unwrap();
    assert!(store.exists(layout::LOCK).await.unwrap(), "a lock is given back by its holder only");
    lock::acquire(&store, &second, "second", minute, &NoOtherHolders).await.unwrap();
    assert_eq!(lock::renew(&store, &first, minute).await.unwrap_err().name(), ErrorName::Busy);
    lock::release(&store, &second).await.unwrap();

    lock::acquire(&store, &first, "first", Duration::ZERO, &UnknownHolders).await.unwrap();
    lock::acquire(&store, &second, "second", minute, &UnknownHolders).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_a_clock_that_is_behind_holds_as_long_as_it_is_renewed() {
    let store = MemoryStore::new("out", BTreeMap::new());
    let (first, second) = (RunId::now(), RunId::now());
    let (over, minute) = (Duration::ZERO, Duration::from_secs(60));
    lock::acquire(&store, &first, "a clock that is behind", over, &UnknownHolders).await.unwrap();
    let renewals = async {
        loop {
            tokio::time::sleep(minute / 3).await;
            lock::renew(&store, &first, over).await.unwrap();
        }
    };
    let taken = tokio::select! {
        taken = lock::acquire(&store, &second, "second", minute, &UnknownHolders) => taken,
        () = renewals => unreachable!(),
    };
    assert_eq!(taken.unwrap_err().name(), ErrorName::Busy);
    // Given back while somebody looks on.
    let release = async {
        tokio::time::sleep(minute / 6).await;
        lock::release(&store, &first).await.unwrap();
    };
    let (taken, ()) = tokio::join!(lock::acquire(&store, &second, "second", minute, &UnknownHolders), release);
    taken.unwrap();
    assert_eq!(lock::renew(&store, &first, minute).await.unwrap_err().name(), ErrorName::Busy);
}

/// Whoever gives it back has looked that it is still theirs, and stands still before they do.
#[tokio::test(start_paused = true)]
async fn a_lock_that_was_taken_over_meanwhile_is_not_given_back() {
    let store = Arc::new(MemoryStore::new("out", BTreeMap::new()));
    let (first, second, minute) = (RunId::now(), RunId::now(), Duration::from_secs(60));
    lock::acquire(store.as_ref(), &first, "first", Duration::ZERO, &UnknownHolders).await.unwrap();
    let standing = FailingStore::new(store.clone());
    standing.on(Operation::Delete, |_| true, .., Fault::Delay(2 * minute));
    let taken = lock::acquire(store.as_ref(), &second, "second", 5 * minute, &UnknownHolders);
    let (released, taken) = tokio::join!(lock::release(&standing, &first), taken);
    released.and(taken).unwrap();
    lock::renew(store.as_ref(), &second, minute).await.unwrap();

    // Its own run has renewed it.
    let renewed = async {
        tokio::time::sleep(minute).await;
        lock::renew(store.as_ref(), &second, minute).await
    };
    let (released, renewed) = tokio::join!(lock::release(&standing, &second), renewed);
    released.and(renewed).unwrap();
    assert!(!store.exists(layout::LOCK).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_nobody_can_read_or_that_would_last_for_years_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::create(folder.path()).unwrap();
    let (run, minute) = (RunId::now(), Duration::from_secs(60));
    let of_2050 = serde_json::json!({
        "run_id": RunId::now(), "holder": "a clock", "since": "2050-01-01T00:00:00Z", "until": "2050-01-01T00:01:30Z",
    });
    for left_behind in ["", "{", "\0\0\0\0", &of_2050.to_string()] {
        store.put(layout::LOCK, left_behind.to_owned().into()).await.unwrap();
        lock::release(&store, &run).await.unwrap();
        lock::acquire(&store, &run, "a test", minute, &UnknownHolders).await.unwrap();
        lock::renew(&store, &run, minute).await.unwrap();
        lock::release(&store, &run).await.unwrap();
        assert!(!store.exists(layout::LOCK).await.unwrap());
    }
}
