//! Whether the images that a run is going to extract can be read at all. A role that lacks a right reads none of them:
//! better said by the plan than by a million rejects, whose extraction was paid.

use std::collections::BTreeSet;

use futures::future::join_all;
use pomona_formats::digests;
use pomona_formats::listing;
use pomona_formats::planned::{self, Plan, Shard};
use pomona_run::layout::RunLayout;
use pomona_store::{Error as StoreError, Store};

use crate::error::Error;

/// Shards that are asked for an image each, spread over all.
const PROBES: usize = 5;
/// Bytes that are read of an image: the key that it is encrypted with is needed for the first one, too.
pub(crate) const BYTES: usize = 16;

/// Reads a little of a few images.
///
/// # Errors
/// [`Error::NoImageReadable`] where none may be read, [`pomona_formats::Error::Damaged`], and those of the stores that
/// are worth another try.
pub(crate) async fn probe(input: &dyn Store, output: &dyn Store, plan: &Plan) -> Result<(), Error> {
    let shards = planned::read_missing(output, plan).await?;
    let probes = join_all(spread(shards.len()).into_iter().map(|number| probe_shard(input, output, &shards[number])));
    let mut denied = Vec::new();
    for probe in probes.await {
        match probe? {
            Some(error) => denied.push(error),
            None => return Ok(()),
        }
    }
    match denied.first() {
        Some(first) => Err(Error::NoImageReadable { needs_key: is_about_key(first), problem: first.to_string() }),
        None => Ok(()),
    }
}

/// Why the first image of the shard may not be read; nothing where it may, or where the trouble is its own.
async fn probe_shard(input: &dyn Store, output: &dyn Store, shard: &Shard) -> Result<Option<StoreError>, Error> {
    let key = RunLayout::new(shard.run_id.as_str()).listing(shard.shard);
    let rows = listing::decode(&key, digests::read(output, &key, &shard.listing_sha256).await?)?;
    let Some(row) = rows.first() else { return Ok(None) };
    match input.get_start(&row.item.id, BYTES).await {
        Err(denied @ StoreError::Denied { .. }) => Ok(Some(denied)),
        Err(error) if error.is_retryable() => Err(error.into()),
        _ => Ok(None),
    }
}

/// S3 names what KMS refused: `kms:Decrypt`, or one of its errors, `KMS.DisabledException` for instance.
pub(crate) fn is_about_key(error: &StoreError) -> bool {
    error.to_string().to_lowercase().contains("kms")
}

/// The numbers of [`PROBES`] of so many, the first and the last among them.
fn spread(count: usize) -> BTreeSet<usize> {
    let last = count.checked_sub(1);
    last.into_iter().flat_map(|last| (0..PROBES).map(move |probe| probe * last / (PROBES - 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_spread_over_all_shards() {
        assert_eq!(spread(0), BTreeSet::new());
        assert_eq!(spread(1), [0].into());
        assert_eq!(spread(3), [0, 1, 2].into());
        assert_eq!(spread(101), [0, 25, 50, 75, 100].into());
    }

    #[test]
    fn what_kms_refuses_is_told_from_what_s3_does() {
        let denied =
            |reason: &str| StoreError::Denied { location: "s3://b".into(), key: "a.jpg".into(), reason: reason.into() };
        for reason in [
            "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: kms:Decrypt on the resource associated with \
             this ciphertext",
            "KMS.DisabledException: the key is disabled",
        ] {
            assert!(is_about_key(&denied(reason)), "{reason}");
        }
        assert!(!is_about_key(&denied("Access Denied")));
    }
}
