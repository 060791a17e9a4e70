//! Whether the images that a run is going to extract can be read at all. A role that lacks a right reads none of them:
//! better said by the plan than by a million rejects, whose extraction was paid.

use std::collections::BTreeSet;

use futures::future::join_all;
use pomona_dataset::Place;
use pomona_formats::digests;
use pomona_formats::listing;
use pomona_formats::planned::{self, Plan, Shard};
use pomona_run::layout::RunLayout;
use pomona_store::{Error as StoreError, Store};

use crate::error::{Error, Obstacle};

/// Images that are tried, at least where there are so many: spread over all shards, and in them over their images.
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
    let tried = spread(shards.len(), PROBES);
    let of_each = PROBES.div_ceil(tried.len().max(1));
    let probes = tried.into_iter().map(|number| probe_shard(input, output, &shards[number], of_each));
    let mut first = None;
    for probe in join_all(probes).await {
        match probe? {
            Some(unreadable) => first = first.or(Some(unreadable)),
            None => return Ok(()),
        }
    }
    match first {
        Some((obstacle, error)) => Err(Error::NoImageReadable { obstacle, problem: error.to_string() }),
        None => Ok(()),
    }
}

/// Why none of `count` images of the shard can be read; nothing where one can, or where the trouble is its own.
async fn probe_shard(
    input: &dyn Store,
    output: &dyn Store,
    shard: &Shard,
    count: usize,
) -> Result<Option<(Obstacle, StoreError)>, Error> {
    let key = RunLayout::new(shard.run_id.as_str()).listing(shard.shard, &shard.listing_sha256);
    let rows = listing::decode(&key, digests::read(output, &key, &shard.listing_sha256).await?)?;
    let mut unreadable = None;
    for number in spread(rows.len(), count) {
        let item = &rows[number].item;
        let key = match &item.place {
            Place::File => &item.id,
            Place::Member(member) => &*member.archive,
            Place::Nowhere(_) => return Ok(None),
        };
        let Err(error) = input.get_start(key, BYTES).await else { return Ok(None) };
        match obstacle(&error) {
            Some(obstacle) => unreadable = Some((obstacle, error)),
            None if !error.is_about_object() => return Err(error.into()),
            None => return Ok(None),
        }
    }
    Ok(unreadable)
}

/// What stands in the way, where it may do so of many images. S3 names what KMS refused: `kms:Decrypt`, or one of its
/// errors, `KMS.DisabledException` for instance.
pub(crate) fn obstacle(error: &StoreError) -> Option<Obstacle> {
    match error {
        StoreError::Denied { reason, .. } if reason.to_lowercase().contains("kms") => Some(Obstacle::NoKey),
        StoreError::Denied { .. } => Some(Obstacle::NoRight),
        StoreError::Archived { .. } => Some(Obstacle::Archive),
        _ => None,
    }
}

/// `wanted` numbers below `count`, evenly spread, the first and the last among them; all where there are fewer.
fn spread(count: usize, wanted: usize) -> BTreeSet<usize> {
    let last = count.checked_sub(1);
    let steps = wanted.saturating_sub(1).max(1);
    last.into_iter().flat_map(|last| (0..wanted).map(move |probe| probe * last / steps)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_spread_over_all_shards() {
        assert_eq!(spread(0, 5), BTreeSet::new());
        assert_eq!(spread(1, 5), [0].into());
        assert_eq!(spread(3, 5), [0, 1, 2].into());
        assert_eq!(spread(101, 5), [0, 25, 50, 75, 100].into());
        assert_eq!((spread(101, 1), spread(101, 2)), ([0].into(), [0, 100].into()));
    }

    #[test]
    fn what_kms_refuses_is_told_from_what_s3_does_and_from_what_is_archived() {
        let denied =
            |reason: &str| StoreError::Denied { location: "s3://b".into(), key: "a.jpg".into(), reason: reason.into() };
        for reason in [
            "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: kms:Decrypt on the resource associated with \
             this ciphertext",
            "KMS.DisabledException: the key is disabled",
        ] {
            assert_eq!(obstacle(&denied(reason)), Some(Obstacle::NoKey), "{reason}");
        }
        assert_eq!(obstacle(&denied("Access Denied")), Some(Obstacle::NoRight));
        let archived = StoreError::Archived { location: "s3://b".into(), key: "a.jpg".into() };
        assert_eq!(obstacle(&archived), Some(Obstacle::Archive));
        let gone = StoreError::NotFound { location: "s3://b".into(), key: "a.jpg".into() };
        assert_eq!(obstacle(&gone), None);
    }
}
