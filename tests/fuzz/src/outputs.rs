//! Any file below an output.

use std::collections::BTreeMap;
use std::future;
use std::sync::LazyLock;

use bytes::Bytes;
use pomona_dataset::Images;
use pomona_formats::erasure::Erasures;
use pomona_formats::json;
use pomona_results::verify::{self, Unobserved};
use pomona_stages::Error;
use pomona_stages::erase;
use pomona_stages::local::{self, Job, Summary};
use pomona_stages::lock::NoOtherHolders;
use pomona_stages::retention::KeepRuns;
use pomona_stages::verify::{Mending, Verified};
use pomona_store::testing::MemoryStore;
use serde_json::Value;

use crate::choice;
use crate::erasing::{ERASING, eraser};
use crate::finished_run::{self, FINISHED, support};
use crate::stores::{block_on, store_of};

#[path = "../../../shared/stages/tests/support/result.rs"]
#[allow(dead_code, reason = "tests of folders need more")]
mod result;

/// One of the files made of any bytes, as they are or, if they are JSON, under a seal that is right: whoever looks at
/// the output, mends it, goes on with the erasure or runs again is answered.
pub(crate) fn output(bytes: &[u8]) {
    let (file, bytes) = choice(bytes);
    let (how, bytes) = choice(bytes);
    let files = &ERASING.output;
    let key = files.keys().nth(usize::from(file) % files.len()).expect("there are files");
    let contents = match how & 1 {
        0 => Some(Bytes::copy_from_slice(bytes)),
        _ => serde_json::from_slice::<Value>(bytes).ok().and_then(|value| json::seal(key, &value).ok()),
    };
    let Some(contents) = contents else { return };
    let output = store_of(files.clone().into_iter().chain([(key.clone(), contents)]));
    match how >> 1 & 3 {
        0 => look(&output),
        1 => mend(&output),
        2 => go_on_erasing(&output),
        _ => run_again(&output, how & 1 == 1),
    }
}

/// Two looks find the same.
fn look(output: &MemoryStore) {
    let look = || block_on(verify::verify(output, None, &Unobserved)).ok();
    assert_eq!(look(), look());
    let _ = block_on(erase::check(output, None));
}

/// Where nothing is left that could not be made good or set aside, the next look finds nothing damaged.
fn mend(output: &MemoryStore) {
    let mending = Mending { repairs: true, prunes: true };
    let mend = || {
        let held = ("a search", &NoOtherHolders as _);
        let verified = pomona_stages::verify::verify(output, mending, held, &Unobserved, future::pending());
        block_on(verified).ok().map(|verified| verified.expect("nobody stopped it"))
    };
    if mend().as_ref().is_some_and(Verified::is_whole) {
        let found = mend().expect("it was possible before").found;
        assert!(found.damaged.is_empty(), "{found:?}");
    }
}

/// Where an erasure succeeds, none is pending.
fn go_on_erasing(output: &MemoryStore) {
    if block_on(eraser(output).erase(None, &support::Silent, future::pending())).is_ok() {
        assert_eq!(block_on(Erasures::pending(output)).ok(), Some(Vec::new()));
    }
}

/// Where a run succeeds, one more has nothing left to compute; and its result is what it would have been, unless
/// somebody has lied under a seal.
fn run_again(output: &MemoryStore, is_sealed: bool) {
    static EXPECTED: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
        let output = store_of(ERASING.output.clone());
        block_on(run(&output)).expect("nothing is in its way");
        block_on(result::result_in(&output))
    });
    if block_on(run(output)).is_ok() {
        assert!(is_sealed || block_on(result::result_in(output)) == *EXPECTED, "another result");
        let again = block_on(run(output)).expect("the same has just succeeded");
        assert_eq!(again.plan.missing, 0);
    }
}

async fn run(output: &MemoryStore) -> Result<Summary, Error> {
    let input = store_of(FINISHED.input.clone());
    let job = Job {
        input: &Images::new(&input),
        output,
        options: &finished_run::options(),
        models: None,
        pool: &finished_run::pool(),
        holder: "a search",
        keep_runs: KeepRuns::default(),
    };
    let summary = local::run(&job, &NoOtherHolders, &support::Silent, future::pending()).await?;
    Ok(summary.expect("nobody stopped the run"))
}
