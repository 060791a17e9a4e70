//! Moments with what they count: the files `parts/*.moments` and `nodes/*.moments`.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `POMONAM2` |
//! | 64 | the seal: a digest of the file's key and of everything that follows, up to the numbers |
//! | 64 | SHA-256 of the numbers |
//! | 4 | the header's length, a little-endian `u32` |
//! | ... | the header as JSON |
//! | ... | the [`Numbers`] |
//!
//! So the header can be trusted without the numbers having been read, and no file of moments passes for another.
//! Digests are hexadecimal.

use bytes::Bytes;
use pomona_run::RunId;
use pomona_run::names::{self, DIGEST_LENGTH};
use pomona_run::tree::Kind;
use pomona_store::{Error as StoreError, Store};
use serde::{Deserialize, Serialize};

use crate::aside::run_aside;
use crate::error::{Damage, Error, tell_of_damage};
use crate::json;
use crate::numbers::Numbers;
use crate::rejects::{self, Reasons};

const MAGIC: &[u8; 8] = b"POMONAM2";

/// What is read of a file whose header is wanted. With its digests a header has some 450 bytes: two digests more, and a
/// count for each reason.
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
        rejects::add(&mut self.reasons, &other.reasons);
    }
}

/// A file of moments, read.
#[derive(Debug)]
pub struct MomentsFile {
    /// What it counts.
    pub header: Header,
    /// What it says of their features.
    pub numbers: Numbers,
}

impl MomentsFile {
    /// The content of `key`.
    ///
    /// # Errors
    /// [`Error::Table`] where the header has no JSON.
    pub fn encode(&self, key: &str) -> Result<Bytes, Error> {
        let header = serde_json::to_vec(&self.header).map_err(|error| Error::table(key, error))?;
        let length = u32::try_from(header.len()).map_err(|error| Error::table(key, error))?;
        let numbers = self.numbers.to_bytes();
        let sealed = [names::digest(&numbers).as_bytes(), &length.to_le_bytes(), &header].concat();
        let mut bytes = Vec::with_capacity(MAGIC.len() + DIGEST_LENGTH + sealed.len() + numbers.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(names::seal(key, &sealed).as_bytes());
        bytes.extend_from_slice(&sealed);
        bytes.extend_from_slice(&numbers);
        Ok(bytes.into())
    }

    /// The file that `bytes` are, if it is the one that was written at `key`.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn decode(key: &str, bytes: &[u8]) -> Result<Self, Error> {
        let Unsealed { header, numbers_sha256, numbers } = unseal(key, bytes)?;
        if names::digest(numbers).as_bytes() != numbers_sha256 {
            return Err(Error::damaged(key, Damage::Altered));
        }
        Ok(Self { header, numbers: Numbers::from_bytes(numbers)? })
    }
}

/// A file, or as much of it as holds the header, whose seal is whole.
struct Unsealed<'a> {
    header: Header,
    numbers_sha256: &'a [u8],
    numbers: &'a [u8],
}

fn unseal<'a>(key: &str, bytes: &'a [u8]) -> Result<Unsealed<'a>, Error> {
    let Frame { seal, sealed, header, numbers_sha256, numbers } =
        frame(bytes).ok_or_else(|| Error::damaged(key, Damage::Unknown))?;
    if names::seal(key, sealed).as_bytes() != seal {
        return Err(Error::damaged(key, Damage::Altered));
    }
    Ok(Unsealed { header: json::decode(key, header)?, numbers_sha256, numbers })
}

struct Frame<'a> {
    seal: &'a [u8],
    /// All that the seal is of: `numbers_sha256`, the header's length, `header`.
    sealed: &'a [u8],
    numbers_sha256: &'a [u8],
    header: &'a [u8],
    numbers: &'a [u8],
}

fn frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let (seal, rest) = bytes.strip_prefix(MAGIC)?.split_at_checked(DIGEST_LENGTH)?;
    let (numbers_sha256, after) = rest.split_at_checked(DIGEST_LENGTH)?;
    let (length, after) = after.split_first_chunk::<4>()?;
    let (header, numbers) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let sealed = &rest[..rest.len() - numbers.len()];
    Some(Frame { seal, sealed, numbers_sha256, header, numbers })
}

/// Whether there are moments at `key` whose header is whole. Those that are damaged are set aside.
///
/// # Errors
/// Those of the store.
pub async fn exist(store: &dyn Store, key: &str) -> Result<bool, Error> {
    match header_at(store, key).await {
        Ok(header) => Ok(header.is_some()),
        Err(Error::Damaged { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Moments that were found under their own name, or under the one that only this run uses.
#[derive(Debug)]
pub struct Found {
    /// That name.
    pub name: String,
    /// Whether no other run may use them.
    pub this_run_only: bool,
    /// The moments.
    pub file: MomentsFile,
}

/// Reads the moments called `name`, or what `run_id` keeps in their place. Those that are damaged are set aside.
///
/// # Errors
/// [`Error::Damaged`] when there are neither.
pub async fn read(store: &dyn Store, kind: Kind, name: &str, run_id: &RunId) -> Result<Found, Error> {
    let own_name = names::name_of_this_run(name, run_id.as_str());
    let (key, own_key) = (kind.key(name), kind.key(&own_name));
    let shared = file_at(store, &key).await;
    let (this_run_only, file) = found_or(key, shared, file_at(store, &own_key)).await?;
    Ok(Found { name: if this_run_only { own_name } else { name.to_owned() }, this_run_only, file })
}

/// Reads the header alone, and says under which name it was found.
///
/// # Errors
/// As [`read`].
pub async fn read_header(store: &dyn Store, kind: Kind, name: &str, run_id: &RunId) -> Result<(String, Header), Error> {
    let own_name = names::name_of_this_run(name, run_id.as_str());
    let (key, own_key) = (kind.key(name), kind.key(&own_name));
    let shared = header_at(store, &key).await;
    let (this_run_only, header) = found_or(key, shared, header_at(store, &own_key)).await?;
    Ok((if this_run_only { own_name } else { name.to_owned() }, header))
}

/// What every run may use, or else what only this one may, and which of the two it is.
async fn found_or<T>(
    key: String,
    shared: Result<Option<T>, Error>,
    own: impl Future<Output = Result<Option<T>, Error>>,
) -> Result<(bool, T), Error> {
    let damage = match shared {
        Ok(Some(found)) => return Ok((false, found)),
        Ok(None) => Error::damaged(key, Damage::Missing),
        Err(damage @ Error::Damaged { .. }) => damage,
        Err(error) => return Err(error),
    };
    own.await?.map(|found| (true, found)).ok_or(damage)
}

async fn file_at(store: &dyn Store, key: &str) -> Result<Option<MomentsFile>, Error> {
    let Some(bytes) = if_there(store.get(key).await.map(|stored| stored.bytes))? else { return Ok(None) };
    let own_key = key.to_owned();
    // Meanwhile the caller merges what it has read before.
    let file = run_aside(move || MomentsFile::decode(&own_key, &bytes)).await?;
    set_aside_if_damaged(store, key, file).await.map(Some)
}

async fn header_at(store: &dyn Store, key: &str) -> Result<Option<Header>, Error> {
    let Some(bytes) = if_there(store.get_start(key, HEADER_BYTES).await)? else { return Ok(None) };
    let header = unseal(key, &bytes).map(|file| file.header);
    set_aside_if_damaged(store, key, header).await.map(Some)
}

fn if_there(read: Result<Bytes, StoreError>) -> Result<Option<Bytes>, Error> {
    match read {
        Err(StoreError::NotFound { .. }) => Ok(None),
        read => Ok(read.map(Some)?),
    }
}

/// Deletes the moments at `key` where `outcome` is damage to them or to what they vouch for: what does not exist is
/// made again.
pub async fn set_aside_if_damaged<T>(store: &dyn Store, key: &str, outcome: Result<T, Error>) -> Result<T, Error> {
    if let Err(error @ Error::Damaged { .. }) = &outcome {
        tell_of_damage(error, "it is set aside and made anew");
        store.delete(key).await?;
    }
    outcome
}

#[cfg(test)]
mod tests {
    use pomona_pca::Moments;
    use pomona_terms::RejectReason;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_of_moments_survives_writing_and_reading() {
        let rows = ndarray::array![[1.0f32, 2.0], [3.0, 5.0]];
        let header = Header { images: 3, reasons: [(RejectReason::Empty, 1)].into(), files: None };
        for numbers in [Numbers::Stored(Moments::of(rows.view())), Numbers::InFeatures { width: 3 }] {
            let file = MomentsFile { header: header.clone(), numbers };
            let bytes = file.encode("parts/x.moments").unwrap();
            let read = MomentsFile::decode("parts/x.moments", &bytes).unwrap();
            assert_eq!((read.header, read.numbers), (file.header, file.numbers));
        }
    }

    #[test]
    fn the_start_of_a_file_holds_the_longest_header() {
        use RejectReason::{Corrupt, Empty, NotFinite, TooLarge, Truncated, Unreadable, Unsupported};
        let reasons = [Empty, Unsupported, Truncated, Corrupt, TooLarge, NotFinite, Unreadable];
        let reasons = reasons.into_iter().map(|reason| (reason, u64::MAX)).collect();
        let files = PartFiles { features_sha256: "f".repeat(64), rejects_sha256: "f".repeat(64) };
        let header = Header { images: u64::MAX, reasons, files: Some(files) };
        let file = MomentsFile { header: header.clone(), numbers: Numbers::Stored(Moments::empty(1280)) };
        let bytes = file.encode("parts/x.moments").unwrap();
        assert_eq!(unseal("parts/x.moments", &bytes[..HEADER_BYTES]).unwrap().header, header);
        assert!(unseal("parts/x.moments", &bytes[..100]).is_err());
    }

    #[test]
    fn no_bit_can_be_flipped_no_byte_cut_off_and_no_file_be_put_in_the_place_of_another() {
        let rows = ndarray::array![[1.0f32, 2.0], [3.0, 5.0]];
        for numbers in [Numbers::Stored(Moments::of(rows.view())), Numbers::InFeatures { width: 3 }] {
            let file = MomentsFile { header: Header { images: 2, ..Header::default() }, numbers };
            let bytes = file.encode("parts/x.moments").unwrap();
            for place in 0..bytes.len() {
                let mut flipped = bytes.to_vec();
                flipped[place] ^= 1;
                let read = [
                    MomentsFile::decode("parts/x.moments", &flipped),
                    MomentsFile::decode("parts/x.moments", &bytes[..place]),
                ];
                assert!(read.iter().all(|read| matches!(read, Err(Error::Damaged { .. }))), "{place}");
            }
            assert!(matches!(MomentsFile::decode("parts/y.moments", &bytes), Err(Error::Damaged { .. })));
        }
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
