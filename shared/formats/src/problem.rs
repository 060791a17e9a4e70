//! What an error says of a run's images, kept beside the run. On AWS it would otherwise stand in the history of Step
//! Functions, in logs and in mails, which live by rules of their own and must hold no key, label or filter.

use std::collections::BTreeMap;

use pomona_run::layout::RunLayout;
use pomona_run::{ErrorName, RunId, names};
use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::error::{Damage, Error};
use crate::json;

/// Hex digits of the message's digest in the file's name: a message that is met again is written over itself.
const DIGITS: usize = 16;

/// The content of problems/&lt;error&gt;-&lt;digest&gt;.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The error's name.
    pub error: String,
    /// Its message.
    pub message: String,
}

/// Writes the message of an error, and gives the key that it lies at.
///
/// # Errors
/// Those of the store.
pub async fn write(output: &dyn Store, run_id: &RunId, name: ErrorName, message: &str) -> Result<String, Error> {
    let problem = Problem { error: name.as_str().to_owned(), message: message.to_owned() };
    let key = format!("{}{}", RunLayout::new(run_id.as_str()).problems(), problem.file_name());
    output.put(&key, json::encode(&key, &problem)?).await?;
    Ok(key)
}

/// Whether `bytes` are the message that is called `key`.
///
/// # Errors
/// [`Error::Damaged`].
pub fn check(key: &str, bytes: &[u8]) -> Result<(), Error> {
    let problem: Problem = serde_json::from_slice(bytes).map_err(|_| Error::damaged(key, Damage::Unknown))?;
    let is_whole = key.ends_with(&format!("/{}", problem.file_name())) && json::encode(key, &problem)? == bytes;
    if is_whole { Ok(()) } else { Err(Error::damaged(key, Damage::Altered)) }
}

impl Problem {
    fn file_name(&self) -> String {
        format!("{}-{}.json", self.error, &names::digest(self.message.as_bytes())[..DIGITS])
    }
}

/// How many problems a run has met since it was planned, by the error's name.
///
/// # Errors
/// Those of the store.
pub async fn count(output: &dyn Store, run_id: &RunId) -> Result<BTreeMap<String, u64>, Error> {
    let folder = RunLayout::new(run_id.as_str()).problems();
    let mut counts = BTreeMap::new();
    for file in output.list(&folder, &|_| true).await? {
        if let Some((name, _)) = file.key[folder.len()..].split_once('-') {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    Ok(counts)
}
