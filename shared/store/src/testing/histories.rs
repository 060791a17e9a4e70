//! Random histories of a store against a map: the property in the suite of [`conformance`](super::conformance).

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Runtime;

use crate::{Error, Store};

type Shared = Arc<dyn Store>;

/// An operation of a random history; numbers choose keys and contents from small sets, so that they meet.
#[derive(Debug, Clone)]
enum Step {
    Put(usize, u8),
    Create(usize, u8),
    /// With the present etag, or with one that the key had before.
    Replace(usize, u8, bool),
    Copy(usize, usize),
    Delete(usize),
    Get(usize),
    List(usize),
}

const KEYS: [&str; 5] = ["a", "b/c", "b/d e", "b+", "é/ü%"];
const PREFIXES: [&str; 4] = ["", "b/", "é/", "none/"];

fn step() -> impl Strategy<Value = Step> {
    let (key, content) = (0..KEYS.len(), 0_u8..4);
    prop_oneof![
        (key.clone(), content.clone()).prop_map(|(key, content)| Step::Put(key, content)),
        (key.clone(), content.clone()).prop_map(|(key, content)| Step::Create(key, content)),
        (key.clone(), content, any::<bool>()).prop_map(|(key, content, fresh)| Step::Replace(key, content, fresh)),
        (key.clone(), key.clone()).prop_map(|(from, to)| Step::Copy(from, to)),
        key.clone().prop_map(Step::Delete),
        key.prop_map(Step::Get),
        (0..PREFIXES.len()).prop_map(Step::List),
    ]
}

/// Random histories against a map: every answer and the final listing agree.
pub fn any_history_leaves_what_a_map_would(runtime: &Runtime, store: Shared) {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let round = Cell::new(0);
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..40), |history| {
            round.set(round.get() + 1);
            runtime.block_on(replay(&store, &format!("history/{}/", round.get()), history))
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

async fn replay(store: &Shared, folder: &str, history: Vec<Step>) -> Result<(), TestCaseError> {
    let key_at = |i: usize| format!("{folder}{}", KEYS[i]);
    let content_of = |i: u8| Bytes::from(vec![i; usize::from(i) * 100]);
    let failed = |error: Error| TestCaseError::fail(error.to_string());
    let mut model: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut etags: BTreeMap<String, String> = BTreeMap::new();

    for step in history {
        match step {
            Step::Put(key, content) => {
                store.put(&key_at(key), content_of(content)).await.map_err(failed)?;
                model.insert(key_at(key), content_of(content));
            }
            Step::Create(key, content) => match store.create(&key_at(key), content_of(content)).await {
                Ok(()) => prop_assert!(model.insert(key_at(key), content_of(content)).is_none()),
                Err(Error::AlreadyExists { .. }) => prop_assert!(model.contains_key(&key_at(key))),
                Err(error) => return Err(failed(error)),
            },
            Step::Replace(key, content, fresh) => {
                let key = key_at(key);
                let current = match store.get(&key).await {
                    Ok(stored) => Some(stored.etag()),
                    Err(Error::NotFound { .. }) => None,
                    Err(error) => return Err(failed(error)),
                };
                prop_assert_eq!(store.exists(&key).await.map_err(failed)?, current.is_some());
                let former = etags.get(&key).cloned();
                let Some(etag) = (if fresh { current.clone() } else { former }) else {
                    continue;
                };
                match store.replace(&key, content_of(content), &etag).await {
                    Ok(()) => {
                        prop_assert_eq!(current.as_ref(), Some(&etag));
                        model.insert(key.clone(), content_of(content));
                    }
                    Err(Error::Changed { .. }) => prop_assert_ne!(current.as_ref(), Some(&etag)),
                    Err(error) => return Err(failed(error)),
                }
                etags.insert(key, etag);
            }
            Step::Copy(from, to) => match (store.copy(&key_at(from), &key_at(to)).await, model.get(&key_at(from))) {
                (Ok(()), Some(content)) => drop(model.insert(key_at(to), content.clone())),
                (Err(Error::NotFound { .. }), None) => {}
                (result, content) => {
                    return Err(TestCaseError::fail(format!("copied {content:?}: {result:?}")));
                }
            },
            Step::Delete(key) => {
                store.delete(&key_at(key)).await.map_err(failed)?;
                model.remove(&key_at(key));
            }
            Step::Get(key) => match store.get(&key_at(key)).await {
                Ok(stored) => {
                    prop_assert_eq!(Some(&stored.bytes), model.get(&key_at(key)));
                    etags.insert(key_at(key), stored.etag());
                }
                Err(Error::NotFound { .. }) => prop_assert!(!model.contains_key(&key_at(key))),
                Err(error) => return Err(failed(error)),
            },
            Step::List(prefix) => agree(store, &format!("{folder}{}", PREFIXES[prefix]), &model).await?,
        }
    }
    agree(store, folder, &model).await
}

async fn agree(store: &Shared, prefix: &str, model: &BTreeMap<String, Bytes>) -> Result<(), TestCaseError> {
    let listing = store.list(prefix, &|_| true).await.map_err(|error| TestCaseError::fail(error.to_string()))?;
    let listed: Vec<_> = listing.iter().map(|object| (object.key.as_str(), object.size)).collect();
    let below = model.iter().filter(|(key, _)| key.starts_with(prefix));
    let expected: Vec<_> = below.map(|(key, content)| (key.as_str(), content.len() as u64)).collect();
    prop_assert_eq!(listed, expected);
    Ok(())
}
