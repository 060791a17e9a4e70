//! Holding certificates against what is there now.

use std::collections::BTreeSet;

use pomona_formats::erasure::{Certificate, Erasures, Request, Signature};
use pomona_formats::signature::PublicKey;
use pomona_formats::suppressed::Suppressed;
use pomona_run::RunId;
use pomona_store::Store;
use serde::Serialize;

use super::traces::{self, Traces};
use crate::error::Error;
use crate::lock::Lock;

/// What a certificate is worth now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The certificate.
    pub certificate: Certificate,
    /// What the key says that was asked for its signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Images of it that may be here, because they were allowed again.
    pub allowed_again: u64,
    /// What was read, and what of it names one of the others.
    pub traces: Traces,
}

/// What erasures are worth now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// Those that have a certificate.
    pub done: Vec<Checked>,
    /// Those that were asked for and are not done.
    pub pending: Vec<RunId>,
}

/// Holds every certificate at an output against all that is there, and its signature against a key. Everything is read
/// once, and once more for each certificate where anything is found.
///
/// # Errors
/// [`pomona_formats::Error::Damaged`] for a certificate that was altered, and those of the store.
pub async fn check(output: &dyn Store, key: Option<&PublicKey>) -> Result<Checks, Error> {
    let suppressed = Suppressed::read(output).await?;
    let Erasures { done, pending } = Erasures::read(output).await?;
    let is_busy = Lock::read(output).await?.is_some_and(|lock| lock.is_held());
    let still_erased = |Request { digests, .. }: &Request| -> BTreeSet<String> {
        let is_erased = |digest: &&String| suppressed.as_ref().is_none_or(|all| all.has_digest(digest));
        digests.iter().filter(is_erased).cloned().collect()
    };
    let mut all = Suppressed::none()?;
    done.iter().for_each(|certificate| all.add(&certificate.request));
    if let Some(suppressed) = &suppressed {
        all.keep(|digest| suppressed.has_digest(digest));
    }
    let of_all = if done.is_empty() { Traces::default() } else { traces::find(output, &all).await? };
    let mut checked = Vec::new();
    for certificate in done {
        let erased = still_erased(&certificate.request);
        let allowed_again = (certificate.request.digests.len() - erased.len()) as u64;
        let mut traces = match of_all.holding.is_empty() {
            true => of_all.clone(),
            false => traces::find(output, &Suppressed::of(certificate.request.salt.clone(), erased)).await?,
        };
        if is_busy {
            // A run that is being planned has no plan yet.
            traces.remains.clear();
        }
        let signature = match key {
            Some(key) => Some(Signature::of(output, &certificate.request.id, key).await?),
            None => None,
        };
        checked.push(Checked { certificate, signature, allowed_again, traces });
    }
    Ok(Checks { done: checked, pending: pending.into_iter().map(|request| request.id).collect() })
}
