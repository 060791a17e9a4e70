//! An erasure in steps, as a state machine makes it; tests/world has it among everything else.

use std::sync::Arc;
use std::time::Duration;

use pomona_formats::erasure::{LeftFiles, WhyLeft};
use pomona_formats::{json, planned};
use pomona_stages::erase::steps;
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

async fn ask(output: &MemoryStore, image: u8) -> usize {
    let wish = Wish { which: keys([image]), because: None };
    eraser(output, Older::Delete).ask(&wish).await.unwrap()
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
    let erasure = steps::begin(&output, &lock).await.unwrap();
    assert!(steps::remake(&output, &erasure, chrono::Utc::now(), 0).await.unwrap().is_none());
    let before = contents(&output).await.len();
    assert!(!steps::remove(&output, &lock, &erasure, Instant::now()).await.unwrap());
    // Nothing but what was looked through, and planned.json, has been written.
    assert!(contents(&output).await.len() >= before);
    for _ in 0..2 {
        assert!(steps::remove(&output, &lock, &erasure, later()).await.unwrap());
    }
    let certificates = steps::certify(&output, &erasure).await.unwrap();
    assert!(certificates[0].deleted.len() > 5 && certificates[0].run.is_none());
    assert_eq!(steps::certified(&output, &erasure).await.unwrap().as_ref(), certificates.first());
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
    let erasure = steps::begin(&failing, &lock).await.unwrap();
    assert!(steps::remake(&failing, &erasure, chrono::Utc::now(), 0).await.unwrap().is_none());
    for _ in 0..2 {
        assert!(steps::remove(&failing, &lock, &erasure, later()).await.unwrap());
    }
    let ended = steps::certify(&failing, &erasure).await;
    let Err(Error::TracesLeft { list, .. }) = ended else { panic!("{ended:?}") };
    let left: LeftFiles = json::unseal(&list, &output.get(&list).await.unwrap().bytes).unwrap();
    // With it stays what it vouches for, so that the next attempt finds that.
    assert!(left.left.iter().any(|left| matches!(left.why, WhyLeft::Refused { .. })), "{left:?}");

    // Once it may be deleted, all steps again.
    let erasure = steps::begin(output.as_ref(), &lock).await.unwrap();
    assert!(steps::remake(output.as_ref(), &erasure, chrono::Utc::now(), 0).await.unwrap().is_none());
    assert!(steps::remove(output.as_ref(), &lock, &erasure, later()).await.unwrap());
    assert_eq!(steps::certify(output.as_ref(), &erasure).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_newest_run_is_planned_anew_without_the_images_by_a_name_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (output, lock) = output(folder.path()).await;
    ask(&output, 3).await;
    let erasure = steps::begin(&output, &lock).await.unwrap();
    for replans in 0..2 {
        let plan = steps::remake(&output, &erasure, chrono::Utc::now(), replans).await.unwrap().unwrap();
        assert_eq!((plan.images, plan.replans), (10, replans));
        for shard in planned::read_missing(&output, &plan).await.unwrap() {
            for _ in 0..2 {
                steps::make_part(&output, &shard).await.unwrap();
            }
            assert!(part::exists(&output, &shard.part).await.unwrap());
        }
    }
    // Nobody deletes the run of which no other has been made yet.
    let ended = steps::remove(&output, &lock, &erasure, later()).await;
    assert!(matches!(ended, Err(Error::File(FileError::Internal(_)))), "{ended:?}");
    // The program ends what the state machine has begun.
    erase(&output, None).await.unwrap();
    demand_fresh(&folder.path().join("in"), &output, &BTreeSet::from([key(3)])).await;
    let ended = steps::certify(&output, &erasure).await;
    assert!(matches!(ended, Err(Error::NothingToErase { .. })), "{ended:?}");
}

#[tokio::test]
async fn without_a_request_all_that_was_ever_erased_is_looked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let (output, lock) = output(folder.path()).await;
    assert!(matches!(steps::begin(&output, &lock).await, Err(Error::NothingToErase { .. })));
    erase(&output, Some(keys([7, 8]))).await.unwrap();
    let erasure = steps::begin(&output, &lock).await.unwrap();
    assert_eq!(erasure, lock);
    assert!(steps::remake(&output, &erasure, chrono::Utc::now(), 0).await.unwrap().is_none());
    assert!(steps::remove(&output, &lock, &erasure, later()).await.unwrap());
    let [certificate] = &steps::certify(&output, &erasure).await.unwrap()[..] else { panic!("one certificate") };
    assert_eq!(certificate.request.digests.len(), 2);
}
