//! An erasure in steps, as a state machine makes it; tests/world has it among everything else.

use std::sync::Arc;
use std::time::Duration;

use pomona_formats::erasure::{LeftFiles, WhyLeft};
use pomona_formats::{json, planned};
use pomona_stages::erase::{self, Attempt, Group, Round, steps};
use pomona_stages::lock::{self, NoOtherHolders};
use pomona_store::testing::{FailingStore, Fault, Operation};
use tokio::time::Instant;

use super::*;

/// An output with an older run that had image 7, and a newest one that has not.
async fn output(folder: &Path) -> (MemoryStore, RunId) {
    let (input, output) = (folder.join("in"), MemoryStore::new("s3://out", BTreeMap::new()).with_versions());
    upload(&input, 0..12, 0);
    run(&input, &output).await.unwrap();
    std::fs::remove_file(input.join(key(7))).unwrap();
    run(&input, &output).await.unwrap();
    (output, "20260131T120000Z-0123abcd".parse().unwrap())
}

const LEASE: Duration = Duration::from_secs(3_600);

async fn ask(output: &MemoryStore, image: u8) -> usize {
    let wish = Wish { which: keys([image]), because: None };
    eraser(output, Older::Delete).ask(&wish).await.unwrap()
}

/// Takes the lock, as an execution does, and begins by it.
async fn begin(output: &dyn Store, lock: &RunId) -> Result<Attempt, Error> {
    lock::acquire(output, lock, "a test", LEASE, &NoOtherHolders).await?;
    steps::begin(output, lock, chrono::Utc::now()).await
}

/// The steps in between, where no run is to be made anew.
async fn remove_all(output: &dyn Store, attempt: &Attempt) {
    assert!(steps::remake(output, attempt, chrono::Utc::now(), 0).await.unwrap().is_none());
    assert!(steps::remove(output, attempt, later()).await.unwrap());
}

/// Time enough.
fn later() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

#[tokio::test]
async fn what_there_was_no_time_to_delete_is_deleted_by_the_next_call() {
    let folder = tempfile::tempdir().unwrap();
    let (output, lock) = output(folder.path()).await;
    let row = row_of(&output, &key(7)).await;
    assert_eq!(ask(&output, 7).await, 1);
    let attempt = begin(&output, &lock).await.unwrap();
    assert!(steps::remake(&output, &attempt, chrono::Utc::now(), 0).await.unwrap().is_none());
    let before = contents(&output).await.len();
    assert!(!steps::remove(&output, &attempt, Instant::now()).await.unwrap());
    // Nothing but what was looked through, and planned.json, has been written.
    assert!(contents(&output).await.len() >= before);
    for _ in 0..2 {
        assert!(steps::remove(&output, &attempt, later()).await.unwrap());
    }
    let certificates = steps::certify(&output, &attempt).await.unwrap();
    assert!(certificates[0].deleted.len() > 5 && certificates[0].run.is_none());
    assert_eq!(steps::certified(&output, &attempt.erasure).await.unwrap().as_ref(), certificates.first());
    demand_gone(&output, &BTreeSet::from([key(7)]), &[row]).await;
    demand_fresh(&folder.path().join("in"), &output, &BTreeSet::new()).await;
    assert!(output.objects().keys().all(|key| !key.contains("/work/")));
}

/// The call that writes the certificate is not the one that could not delete.
#[tokio::test]
async fn what_may_not_be_deleted_is_named_by_the_last_step() {
    let folder = tempfile::tempdir().unwrap();
    let (output, lock) = output(folder.path()).await;
    ask(&output, 7).await;
    let output = Arc::new(output);
    let failing = FailingStore::new(output.clone());
    // It names no image.
    failing.on(Operation::Delete, |key| key.ends_with(".moments"), 1.., Fault::denied());
    let attempt = begin(&failing, &lock).await.unwrap();
    assert!(steps::remake(&failing, &attempt, chrono::Utc::now(), 0).await.unwrap().is_none());
    for _ in 0..2 {
        assert!(steps::remove(&failing, &attempt, later()).await.unwrap());
    }
    let ended = steps::certify(&failing, &attempt).await;
    let Err(Error::TracesLeft { list, .. }) = ended else { panic!("{ended:?}") };
    let left: LeftFiles = json::unseal(&list, &output.get(&list).await.unwrap().bytes).unwrap();
    // With it stays what it vouches for, so that the next attempt finds that.
    assert!(left.left.iter().any(|left| matches!(left.why, WhyLeft::Refused { .. })), "{left:?}");

    // Once it may be deleted, all steps again.
    erase::give_up(output.as_ref(), &lock).await.unwrap();
    let attempt = begin(output.as_ref(), &lock).await.unwrap();
    remove_all(output.as_ref(), &attempt).await;
    assert_eq!(steps::certify(output.as_ref(), &attempt).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_newest_run_is_planned_anew_without_the_images_by_a_name_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (output, lock) = output(folder.path()).await;
    ask(&output, 3).await;
    let attempt = begin(&output, &lock).await.unwrap();
    for replans in 0..2 {
        let plan = steps::remake(&output, &attempt, chrono::Utc::now(), replans).await.unwrap().unwrap();
        assert_eq!((plan.images, plan.replans), (10, replans));
        for shard in planned::read_missing(&output, &plan).await.unwrap() {
            for _ in 0..2 {
                steps::make_part(&output, &shard).await.unwrap();
            }
            assert!(part::exists(&output, &shard.part).await.unwrap());
        }
    }
    // Nobody deletes the run of which no other has been made yet.
    let ended = steps::remove(&output, &attempt, later()).await;
    assert!(matches!(ended, Err(Error::File(FileError::Internal(_)))), "{ended:?}");
    // The program ends what the state machine has begun.
    erase(&output, None).await.unwrap();
    demand_fresh(&folder.path().join("in"), &output, &BTreeSet::from([key(3)])).await;
    let ended = steps::certify(&output, &attempt).await;
    assert!(matches!(ended, Err(Error::NothingToErase { .. })), "{ended:?}");
}

#[tokio::test]
async fn without_a_request_all_that_was_ever_erased_is_looked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let (output, lock) = output(folder.path()).await;
    assert!(matches!(begin(&output, &lock).await, Err(Error::NothingToErase { .. })));
    erase(&output, Some(keys([7, 8]))).await.unwrap();
    let attempt = begin(&output, &lock).await.unwrap();
    assert_eq!(attempt.erasure, lock);
    remove_all(&output, &attempt).await;
    let [certificate] = &steps::certify(&output, &attempt).await.unwrap()[..] else { panic!("one certificate") };
    assert_eq!(certificate.request.digests.len(), 2);
}

/// Lambda may hand an event over twice, and come to it again when all of it is under way, or done.
#[tokio::test]
async fn an_erasure_that_was_begun_is_begun_once() {
    let folder = tempfile::tempdir().unwrap();
    let (output, lock) = output(folder.path()).await;
    ask(&output, 7).await;
    let (started, attempt) = (chrono::Utc::now(), begin(&output, &lock).await.unwrap());
    let late = async || steps::begin(&output, &lock, started).await;
    remove_all(&output, &attempt).await;
    let before = output.objects();
    assert_eq!(late().await.unwrap(), attempt);
    assert!(output.objects() == before, "it has changed something");
    steps::certify(&output, &attempt).await.unwrap();
    let before = output.objects();
    assert!(matches!(late().await, Err(Error::NothingToErase { .. })));
    assert!(output.objects() == before, "it has changed something");
}

/// Calls of an execution that was given up go on when another one has begun the same erasure.
#[tokio::test]
async fn late_calls_of_another_attempt_change_nothing_of_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let (output, first) = output(folder.path()).await;
    ask(&output, 7).await;
    let late = begin(&output, &first).await.unwrap();
    let groups: Vec<Group> =
        serde_json::from_slice(&output.get(&late.groups(Round::Before)).await.unwrap().bytes).unwrap();
    let second = RunId::now();
    let attempt = begin(&output, &second).await.unwrap();
    assert_eq!(attempt.erasure, late.erasure);
    let work = async || output.list(&attempt.work(), &|_| true).await.unwrap();
    let handed_over = work().await;

    // It has seen nothing of what must go, and would leave it there.
    let nothing = Group { files: Vec::new(), ..groups[0].clone() };
    erase::search(&output, &nothing).await.unwrap();
    let ended = steps::begin(&output, &first, chrono::Utc::now()).await;
    assert!(matches!(ended, Err(Error::LockLost { .. })), "{ended:?}");
    let ended = steps::remove(&output, &late, later()).await;
    assert!(matches!(ended, Err(Error::NothingToErase { .. })), "{ended:?}");
    erase::give_up(&output, &first).await.unwrap();
    assert_eq!(work().await, handed_over);

    remove_all(&output, &attempt).await;
    assert_eq!(steps::certify(&output, &attempt).await.unwrap().len(), 1);
}

/// An execution was stopped while a call of it deleted; others hold the output, and may make anew what it has doomed.
#[tokio::test]
async fn who_has_lost_the_lock_deletes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let (output, lock) = output(folder.path()).await;
    ask(&output, 7).await;
    let output = Arc::new(output);
    let attempt = begin(output.as_ref(), &lock).await.unwrap();
    assert!(steps::remake(output.as_ref(), &attempt, chrono::Utc::now(), 0).await.unwrap().is_none());
    let standing = FailingStore::new(output.clone());
    standing.on(Operation::Delete, |key| key.ends_with("_SUCCESS"), ..2, Fault::Delay(Duration::from_secs(4)));
    let others = async {
        standing.until_called(1, |operation, _| operation == Operation::Delete).await;
        lock::acquire(output.as_ref(), &RunId::now(), "another", LEASE, &NoOtherHolders).await.unwrap();
    };
    let (ended, ()) = tokio::join!(steps::remove(&standing, &attempt, later()), others);
    assert!(matches!(ended, Err(Error::LockLost { .. })), "{ended:?}");
    // The mark that it stood still at, and no other file.
    assert_eq!(standing.calls().iter().filter(|(operation, _)| *operation == Operation::Delete).count(), 1);
}

/// The call that looked at everything stands still; meanwhile others have certified, and somebody asks for more.
#[tokio::test]
async fn nobody_certifies_by_a_lock_that_was_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (output, lock) = output(folder.path()).await;
    ask(&output, 7).await;
    let attempt = begin(&output, &lock).await.unwrap();
    remove_all(&output, &attempt).await;
    lock::release(&output, &lock).await.unwrap();
    ask(&output, 8).await;
    let ended = steps::certify(&output, &attempt).await;
    assert!(matches!(ended, Err(Error::LockLost { .. })), "{ended:?}");
    assert!(output.objects().keys().all(|key| !key.contains("certificate")));
}

/// What it was for is not done any more once a certificate that cannot be read has gone.
#[tokio::test]
async fn what_a_damaged_certificate_was_for_is_certified_anew_with_what_could_not_be_deleted_for_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let (output, lock) = output(folder.path()).await;
    // Without the older version of the certificate, which would be there again.
    let output = MemoryStore::new("s3://out", output.objects());
    let done = erase(&output, Some(keys([8]))).await.unwrap();
    let certificate = layout::erasure_certificate(&done.certificates[0].request.id);
    let damage = async || output.put(&certificate, "{".into()).await.unwrap();
    damage().await;
    let attempt = begin(&output, &lock).await.unwrap();
    remove_all(&output, &attempt).await;
    assert_eq!(steps::certify(&output, &attempt).await.unwrap().len(), 2);
    lock::release(&output, &lock).await.unwrap();

    damage().await;
    ask(&output, 7).await;
    let output = Arc::new(output);
    let failing = FailingStore::new(output.clone());
    failing.on(Operation::Delete, |key| key.ends_with(".moments"), 1.., Fault::denied());
    let attempt = begin(&failing, &lock).await.unwrap();
    remove_all(&failing, &attempt).await;
    assert!(!output.exists(&certificate).await.unwrap());
    let ended = steps::certify(&failing, &attempt).await;
    let Err(Error::TracesLeft { list, .. }) = ended else { panic!("{ended:?}") };
    let left: LeftFiles = json::unseal(&list, &output.get(&list).await.unwrap().bytes).unwrap();
    assert!(left.left.iter().any(|left| matches!(left.why, WhyLeft::Refused { .. })), "{left:?}");
}
