//! Moments with what they count: the files `parts/*.moments` and `nodes/*.moments`.
//!
//! Layout: the eight bytes `POMONAM1`, the header's length as a little-endian `u32`, the header as JSON, then the numbers as
//! [`pomona_pca::Moments::to_bytes`] writes them.

use bytes::Bytes;
use pomona_pca::Moments;
use pomona_store::{Error as StoreError, Store};
use serde::{Deserialize, Serialize};

use crate::compute::run_aside;
use crate::error::{Error, Reasons};
use crate::run_id::RunId;
use crate::{json, layout, names};

const MAGIC: &[u8; 8] = b"POMONAM1";

/// What is read of a file whose header is wanted. A header has some 300 bytes: two digests, and a count for each reason.
const HEADER_BYTES: usize = 4 << 10;

/// What a file of moments says about the images behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Listed images, the unusable included.
    pub images: u64,
    /// Unusable images by reason.
    pub reasons: Reasons,
    /// The part's other files; absent from a merged node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<PartFiles>,
}

/// The other files of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartFiles {
    /// SHA-256 of the features file.
    pub features_sha256: String,
    /// SHA-256 of the rejects file.
    pub rejects_sha256: String,
}

impl Header {
    /// Unusable images.
    pub fn rejects(&self) -> u64 {
        self.reasons.values().sum()
    }

    /// Adds the counts of another file.
    pub fn add(&mut self, other: &Header) {
        self.images += other.images;
        for (reason, count) in &other.reasons {
            *self.reasons.entry(*reason).or_default() += count;
        }
    }
}

/// What the moments are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One shard.
    Part,
    /// A merged group.
    Node,
}

impl Kind {
    /// The key of the moments called `name`.
    pub fn key(self, name: &str) -> String {
        match self {
            Self::Part => layout::part_moments(name),
            Self::Node => layout::node_moments(name),
        }
    }
}

/// A file of moments, read.
#[derive(Debug)]
pub(crate) struct MomentsFile {
    pub(crate) header: Header,
    pub(crate) moments: Moments,
}

impl MomentsFile {
    pub(crate) fn encode(&self, key: &str) -> Result<Bytes, Error> {
        let header = serde_json::to_vec(&self.header).map_err(|error| Error::table(key, error))?;
        let length = u32::try_from(header.len()).map_err(|error| Error::table(key, error))?;
        let numbers = self.moments.to_bytes();
        let mut bytes = Vec::with_capacity(MAGIC.len() + 4 + header.len() + numbers.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&numbers);
        Ok(bytes.into())
    }

    fn decode(key: &str, bytes: &[u8]) -> Result<Self, Error> {
        let (header, numbers) = split(key, bytes)?;
        Ok(Self { header, moments: Moments::from_bytes(numbers)? })
    }
}

/// Header and numbers of a file, or of as much of it as holds the header.
fn split<'a>(key: &str, bytes: &'a [u8]) -> Result<(Header, &'a [u8]), Error> {
    let (header, numbers) = frame(bytes).ok_or_else(|| Error::inconsistent(key, "it is no file of moments"))?;
    Ok((json::decode(key, header)?, numbers))
}

fn frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

/// Moments that were found under their own name, or under the one that only this run uses.
#[derive(Debug)]
pub(crate) struct Found {
    /// Whether no other run may use them.
    pub(crate) this_run_only: bool,
    pub(crate) file: MomentsFile,
}

/// Reads the moments called `name`, or what `run_id` keeps in their place.
///
/// # Errors
/// [`Error::Inconsistent`] when there are neither.
pub(crate) async fn read(store: &dyn Store, kind: Kind, name: &str, run_id: &RunId) -> Result<Found, Error> {
    let Fetched { this_run_only, key, bytes, .. } = fetch(store, kind, name, run_id, None).await?;
    // Meanwhile the caller merges what it has read before.
    let file = run_aside(move || MomentsFile::decode(&key, &bytes)).await??;
    Ok(Found { this_run_only, file })
}

/// Reads the header alone, and says under which name it was found.
///
/// # Errors
/// As [`read`].
pub(crate) async fn read_header(
    store: &dyn Store,
    kind: Kind,
    name: &str,
    run_id: &RunId,
) -> Result<(String, Header), Error> {
    let Fetched { name, key, bytes, .. } = fetch(store, kind, name, run_id, Some(HEADER_BYTES)).await?;
    Ok((name, split(&key, &bytes)?.0))
}

struct Fetched {
    name: String,
    this_run_only: bool,
    key: String,
    bytes: Bytes,
}

/// The bytes of a file of moments, or its first ones, from wherever it is.
async fn fetch(
    store: &dyn Store,
    kind: Kind,
    name: &str,
    run_id: &RunId,
    first_bytes: Option<usize>,
) -> Result<Fetched, Error> {
    let own_name = names::name_of_this_run(name, run_id.as_str());
    for (name, this_run_only) in [(name.to_owned(), false), (own_name, true)] {
        let key = kind.key(&name);
        let read = match first_bytes {
            Some(length) => store.get_start(&key, length).await,
            None => store.get(&key).await.map(|stored| stored.bytes),
        };
        match read {
            Ok(bytes) => return Ok(Fetched { name, this_run_only, key, bytes }),
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::inconsistent(kind.key(name), "it does not exist, although the stage before has ended"))
}

#[cfg(test)]
mod tests {
    use pomona_vision::pixels::RejectReason;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_of_moments_survives_writing_and_reading() {
        let rows = ndarray::array![[1.0f32, 2.0], [3.0, 5.0]];
        let header = Header { images: 3, reasons: [(RejectReason::Empty, 1)].into(), files: None };
        let file = MomentsFile { header: header.clone(), moments: Moments::of(rows.view()) };
        let bytes = file.encode("nodes/x.moments").unwrap();
        let read = MomentsFile::decode("nodes/x.moments", &bytes).unwrap();
        assert_eq!(read.header, header);
        assert_eq!(read.moments.to_bytes(), file.moments.to_bytes());
    }

    #[test]
    fn the_start_of_a_file_holds_the_longest_header() {
        use RejectReason::{Corrupt, Empty, NotFinite, TooLarge, Truncated, Unreadable, Unsupported};
        let reasons = [Empty, Unsupported, Truncated, Corrupt, TooLarge, NotFinite, Unreadable];
        let reasons = reasons.into_iter().map(|reason| (reason, u64::MAX)).collect();
        let files = PartFiles { features_sha256: "f".repeat(64), rejects_sha256: "f".repeat(64) };
        let header = Header { images: u64::MAX, reasons, files: Some(files) };
        let file = MomentsFile { header: header.clone(), moments: Moments::empty(1280) };
        let bytes = file.encode("parts/x.moments").unwrap();
        assert_eq!(split("parts/x.moments", &bytes[..HEADER_BYTES]).unwrap().0, header);
        assert!(split("parts/x.moments", &bytes[..100]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut framed = MAGIC.to_vec();
            framed.extend_from_slice(&bytes);
            prop_assert!(MomentsFile::decode("x", &framed).is_err());
            prop_assert!(MomentsFile::decode("x", &bytes).is_err());
        }
    }
}
