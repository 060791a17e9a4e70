//! The output of the finished run amid an erasure.

use std::future;
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};

use pomona_lambda::Function;
use pomona_lambda::erase::Erase;
use pomona_stages::erase::{Eraser, Older, Which, Wish};
use pomona_stages::lock::{NoOtherHolders, UnknownHolders};
use pomona_store::Store;
use pomona_store::testing::MemoryStore;
use serde_json::{Value, json};

use crate::finished_run::{FINISHED, FinishedRun, support};
use crate::stores::{OUTPUT, at, block_on, store_of};

/// One image was erased from it, and the erasure of another one has begun: its lock is held, and what is to be looked
/// through is dealt out.
pub(crate) static ERASING: LazyLock<FinishedRun> = LazyLock::new(|| {
    let output = Arc::new(store_of(FINISHED.output.clone()));
    let wish = |key: &str| Wish { which: Which::Keys([key.to_owned()].into()), because: None };
    let (erased, asked) = (wish("pear/0.png"), wish("plum/1.png"));
    block_on(eraser(&output).erase(Some(&erased), &support::Silent, future::pending())).expect("it is an image");
    block_on(eraser(&output).ask(&asked)).expect("it is an image");
    block_on(erase(output.clone()).handle(begin())).expect("an image is to be erased");
    FinishedRun { input: FINISHED.input.clone(), output: output.objects() }
});

pub(crate) fn eraser(output: &MemoryStore) -> Eraser<'_> {
    Eraser { output, holder: "a search", holders: &NoOtherHolders, threads: 1, older: Older::Delete, signing_key: None }
}

/// The function, which finds this output.
pub(crate) fn erase(output: Arc<dyn Store>) -> Erase {
    Erase {
        stores: [(at(OUTPUT), output)].into_iter().collect(),
        output: Some(at(OUTPUT)),
        max_concurrency: NonZeroU32::MIN,
        holders: Box::new(UnknownHolders),
    }
}

/// The execution that erases.
pub(crate) fn execution() -> Value {
    json!({"id": "arn:erase-1", "name": "erase-1", "started": "2026-01-31T12:00:00Z"})
}

/// Its first event.
pub(crate) fn begin() -> Value {
    json!({"task": "begin", "execution": execution(), "request": {"erase": {}}})
}
