//! Any history of uploads, deletions, replacements, runs and crashes ends in the result of a fresh run.

#[path = "support/result.rs"]
mod result;
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use pomona_results::latest;
use pomona_run::Options;
use pomona_stages::Error;
use pomona_store::LocalStore;
use pomona_store::testing::{FailingStore, Fault, Operation};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Event {
    /// Images appear or are replaced, some of them unusable.
    Upload {
        first: u8,
        count: u8,
        version: u8,
    },
    Delete {
        first: u8,
        count: u8,
    },
    Run,
    /// A run that is killed before its n-th write of a kind.
    Crash {
        after: u8,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0u8..40, 1u8..20, 0u8..3).prop_map(|(first, count, version)| Event::Upload { first, count, version }),
        2 => (0u8..40, 1u8..10).prop_map(|(first, count)| Event::Delete { first, count }),
        2 => Just(Event::Run),
        2 => (1u8..60).prop_map(|after| Event::Crash { after }),
    ]
}

fn key(image: u8) -> String {
    format!("class {}/{image}.png", image % 3)
}

fn content(image: u8, version: u8) -> Vec<u8> {
    if image % 13 == 5 { vec![version; 4] } else { support::picture(u64::from(image) << 8 | u64::from(version)) }
}

fn options() -> Options {
    Options { shard_size: 4, max_reject_share: 1.0, ..Options::default() }
}

async fn apply(event: &Event, input: &Path, output: &Path, pool: &pomona_stages::compute::ComputePool) {
    match *event {
        Event::Upload { first, count, version } => {
            for image in first..first + count {
                support::write(input, &key(image), &content(image, version));
            }
        }
        Event::Delete { first, count } => {
            for image in first..first + count {
                let _ = std::fs::remove_file(input.join(key(image)));
            }
        }
        // A dataset that is too small at this point of the history is refused; it may grow later.
        Event::Run => drop(support::run(input, output, &options(), pool).await),
        Event::Crash { after } => {
            let failing = FailingStore::new(Arc::new(LocalStore::create(output).unwrap()));
            for write in [Operation::Put, Operation::Create, Operation::Replace, Operation::Copy] {
                failing.on(write, |_| true, u64::from(after).., Fault::CrashBefore);
            }
            drop(support::run_into(input, &failing, &options(), pool).await);
        }
    }
}

/// Deletes every image and runs.
async fn empty(input: &Path, output: &Path, pool: &pomona_stages::compute::ComputePool) {
    std::fs::remove_dir_all(input).unwrap();
    std::fs::create_dir(input).unwrap();
    let error = support::run(input, output, &options(), pool).await.unwrap_err();
    assert!(matches!(error, Error::Emptied { .. }), "{error}");
    let meant = Options { allow_empty: true, ..options() };
    let error = support::run(input, output, &meant, pool).await.unwrap_err();
    assert!(matches!(error, Error::NoImages { .. }), "{error}");
}

fn differing(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let names = a.keys().chain(b.keys());
    names.filter(|name| a.get(*name) != b.get(*name)).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_history_ends_in_the_result_of_a_fresh_run(history in prop::collection::vec(event(), 1..12)) {
        let folder = tempfile::tempdir().unwrap();
        let (input, output, fresh) = (folder.path().join("in"), folder.path().join("out"), folder.path().join("fresh"));
        std::fs::create_dir(&input).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let pool = support::pool(2);
            for event in &history {
                apply(event, &input, &output, &pool).await;
            }
            // Enough for a PCA whatever the history left.
            apply(&Event::Upload { first: 100, count: 3, version: 0 }, &input, &output, &pool).await;
            support::run(&input, &output, &options(), &pool).await.unwrap();
            support::run(&input, &fresh, &options(), &pool).await.unwrap();
            let different = differing(&result::result(&output).await, &result::result(&fresh).await);
            prop_assert!(different.is_empty(), "{different:?}");
            empty(&input, &output, &pool).await;
            prop_assert!(latest::read(&LocalStore::open(&output).unwrap()).await.unwrap().is_none());
            Ok(())
        })?;
    }
}
