//! Proving an erasure, or telling what is left.

use chrono::{DateTime, TimeDelta, Utc};
use pomona_formats::erasure::{Certificate, Erasures, LeftFile, LeftFiles, Request};
use pomona_formats::signature::SigningKey;
use pomona_results::html;
use pomona_run::{clock, layout, names};
use pomona_store::Store;

use super::asked;
use super::removal::Removal;
use super::traces::Traces;
use crate::error::Error;

/// What lies out of reach of whoever erases at an output, and who must act.
const BEYOND: [&str; 4] = [
    "the images themselves: whoever holds the input deletes them there, with their older versions",
    "results that were copied or downloaded, and backups or snapshots of this output: whoever made them",
    "outputs that took models from a run here (`pomona apply`), which are sums over all images: whoever runs those \
     applies the models that were made anew",
    "archives of the input: whoever holds them; an index of one is made anew when a run reads it, and names its members \
     as the archive does",
];

/// The same, where the output is a bucket.
const BEYOND_OF_A_BUCKET: [&str; 3] = [
    "records of requests to S3 (CloudTrail's data events, server access logs), where the account keeps any: whoever runs \
     the account; they name objects",
    "queues that tell of uploads (a stack's `Uploads` and `LostUploads`): messages with the paths of objects go within 4 \
     and 14 days",
    "backups and replicas of the buckets (AWS Backup, replication): whoever runs the account",
];

/// So long Step Functions keeps the history of an execution after its end (quotas of Step Functions).
const HISTORY_DAYS: i64 = 90;

/// Writes a certificate for each of these requests, which were asked before everything was looked through in the end, if
/// nothing is left by what was `found` then.
///
/// # Errors
/// [`Error::TracesLeft`] otherwise, [`Error::NothingToErase`] without requests, [`Error::LockLost`], and those of the
/// store.
pub(super) async fn certify(
    output: &dyn Store,
    requests: Vec<Request>,
    removal: &Removal<'_>,
    found: &Traces,
    signing_key: Option<&SigningKey>,
) -> Result<Vec<Certificate>, Error> {
    if requests.is_empty() {
        return Err(asked::nothing(output, "all that was looked for is done, or not asked for any more"));
    }
    // Since then others may have made anew what was not there.
    removal.refuse_lost().await?;
    let left: Vec<LeftFile> = removal.refused.iter().cloned().chain(found.left()).collect();
    if !left.is_empty() {
        return Err(tell_of_left(output, &requests, left).await?);
    }
    let (finished, rewritten) = (clock::now(), removal.rewritten().await?);
    let certificates = requests.into_iter().map(|request| Certificate {
        request,
        finished,
        pomona_version: env!("CARGO_PKG_VERSION").to_owned(),
        run: removal.journal.run.clone(),
        no_run_because: removal.journal.no_run_because.clone(),
        rewritten: rewritten.clone(),
        deleted: removal.journal.deleted.iter().cloned().collect(),
        examined: found.examined,
        not_examined: found.foreign,
        beyond: beyond(output.location(), finished),
    });
    let mut certificates: Vec<Certificate> = certificates.collect();
    certificates.sort_by(|a, b| a.request.id.cmp(&b.request.id));
    // That of the one last in whose journal is what was done: once it is there all are.
    let is_last = |certificate: &&Certificate| certificate.request.id == *removal.erasure();
    let others = certificates.iter().filter(|certificate| !is_last(certificate));
    for certificate in others.chain(certificates.iter().filter(is_last)) {
        write(output, certificate, signing_key).await?;
    }
    Erasures::delete_work_of_done(output).await?;
    Ok(certificates)
}

/// Writes a certificate down, last the file by which others know that it is there.
async fn write(output: &dyn Store, certificate: &Certificate, signing_key: Option<&SigningKey>) -> Result<(), Error> {
    let (id, bytes) = (&certificate.request.id, certificate.encode()?);
    match signing_key {
        Some(key) => output.put(&layout::erasure_signature(id), key.sign(&bytes)).await?,
        // One that was killed may have been by another attempt's key, over other bytes.
        None => output.delete(&layout::erasure_signature(id)).await?,
    }
    let page = html::certificate::page(certificate, &names::digest(&bytes), signing_key.is_some());
    output.put(&layout::erasure_page(id), page.into()).await?;
    Ok(output.put(&layout::erasure_certificate(id), bytes).await?)
}

/// Writes down what should not be there any more.
async fn tell_of_left(output: &dyn Store, requests: &[Request], left: Vec<LeftFile>) -> Result<Error, Error> {
    let (files, first) = (left.len(), left[0].clone());
    let left = LeftFiles { seen: clock::now(), left };
    for request in requests {
        left.write(output, &request.id).await?;
    }
    Ok(Error::TracesLeft {
        location: output.location().to_owned(),
        first: first.file.to_string(),
        why: first.why.to_string(),
        files,
        list: layout::erasure_left(&requests[0].id),
    })
}

fn beyond(location: &str, finished: DateTime<Utc>) -> Vec<String> {
    let mut beyond = BEYOND.map(str::to_owned).to_vec();
    if location.starts_with("s3://") {
        beyond.extend(BEYOND_OF_A_BUCKET.map(str::to_owned));
        let end = (finished + TimeDelta::days(HISTORY_DAYS)).format("%Y-%m-%d");
        beyond.push(format!(
            "Step Functions' histories of earlier runs: AWS deletes them by {end}; they hold options with their filters, \
             and no image's key"
        ));
    }
    beyond
}
