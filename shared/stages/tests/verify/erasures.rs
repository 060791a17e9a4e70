//! What erasures keep is checked like all else.

use std::collections::BTreeSet;
use std::future::pending;
use std::time::Duration;

use pomona_formats::erasure::Journal;
use pomona_formats::json;
use pomona_run::{RunId, layout};
use pomona_stages::erase::{self, Attempt, Eraser, Group, Older, Round, Which, Wish, steps};
use pomona_stages::lock::{self, NoOtherHolders};
use pomona_store::Store;
use pomona_store::testing::MemoryStore;
use serde_json::json;

use crate::damages::{FLIPS, Objects, another, damages, kind, with};
use crate::everything::{look, named, options, run_with, store};
use crate::support;

/// An output from which an image was erased, and amid the erasure of another one in steps.
async fn erasing() -> Objects {
    let output = store(&Objects::new());
    run_with(&support::pool(2), &options(3), 8, &output, "0").await.unwrap();
    let wish = |key: &str| Wish { which: Which::Keys([key.to_owned()].into()), because: None };
    let (holders, older) = (&NoOtherHolders, Older::Delete);
    let eraser = Eraser { output: &output, holder: "a test", holders, threads: 2, older, signing_key: None };
    let erased = eraser.erase(Some(&wish("class 0/0.png")), &support::Silent, pending()).await.unwrap().unwrap();
    let done = &erased.certificates[0].request.id;
    output.put(&layout::erasure_signature(done), "a signature".into()).await.unwrap();
    let left = layout::erasure_left(done);
    output.put(&left, json::seal(&left, &json!({"files": []})).unwrap()).await.unwrap();
    eraser.ask(&wish("class 1/1.png")).await.unwrap();
    let id = RunId::now();
    lock::acquire(&output, &id, "a test", Duration::from_secs(60), &NoOtherHolders).await.unwrap();
    let attempt = steps::begin(&output, &id, chrono::Utc::now()).await.unwrap();
    Journal::default().add(&output, &attempt.erasure).await.unwrap();
    lock::release(&output, &id).await.unwrap();
    for group in groups(&output, &attempt).await {
        erase::search(&output, &group).await.unwrap();
    }
    output.objects()
}

async fn groups(output: &MemoryStore, attempt: &Attempt) -> Vec<Group> {
    serde_json::from_slice(&output.get(&attempt.groups(Round::Before)).await.unwrap().bytes).unwrap()
}

#[tokio::test]
async fn whatever_happens_to_what_erasures_keep_it_is_named_and_no_other_is() {
    let whole = erasing().await;
    let found = look(&store(&whole)).await;
    assert!(found.is_whole() && found.unknown.is_empty(), "{found:?}");
    let mut excuses = BTreeSet::new();
    for key in whole.keys().filter(|key| key.starts_with(layout::ERASURES) || *key == layout::SUPPRESSED) {
        for (what, damaged) in damages(&whole[key], &whole[&another(&whole, key)], FLIPS) {
            let found = look(&store(&with(whole.clone(), key, damaged))).await;
            let is_unchecked = found.unchecked.iter().any(|unchecked| unchecked.file == *key);
            match named(&found) {
                named if named.is_empty() && what == "missing" => excuses.insert(format!("{} may be gone", kind(key))),
                named if named.is_empty() && is_unchecked => excuses.insert(format!("{} is unchecked", kind(key))),
                named => {
                    assert_eq!(named, [key.as_str()].into(), "{what}");
                    false
                }
            };
        }
    }
    // Nothing else goes untold.
    let untold = [
        "certificate/html is unchecked",
        "certificate/html may be gone",
        "certificate/json may be gone",
        "certificate/sig is unchecked",
        "certificate/sig may be gone",
        "journal/json may be gone",
        "request/json may be gone",
        "work/*/before/*/json is unchecked",
        "work/*/before/*/json may be gone",
        "work/*/before/json is unchecked",
        "work/*/before/json may be gone",
        "work/*/before/told/json is unchecked",
        "work/*/before/told/json may be gone",
    ];
    assert_eq!(excuses, untold.map(|file| format!("erasures/*/{file}")).into());
}
