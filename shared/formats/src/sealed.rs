//! Numbers that carry a seal: the files below `sweeps/`.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `POMONAS1` |
//! | 64 | the seal: a digest of the file's key and of everything that follows, in hexadecimal |
//! | ... | the value, as [`Encoding`] has it |

use bytes::Bytes;
use pomona_pca::Encoding;
use pomona_run::names::{self, DIGEST_LENGTH};
use pomona_store::Store;

use crate::aside::run_aside;
use crate::digests;
use crate::error::{Damage, Error};
use crate::moments_file::set_aside_if_damaged;

const MAGIC: &[u8; 8] = b"POMONAS1";

/// Writes `value` at `key`.
///
/// # Errors
/// Those of the store.
pub async fn write(store: &dyn Store, key: &str, value: &impl Encoding) -> Result<(), Error> {
    Ok(store.put(key, encode(key, value)).await?)
}

/// Reads what [`write()`] wrote at `key`. What is damaged is deleted: what does not exist is made again.
///
/// # Errors
/// [`Error::Damaged`] where it is missing or another, and those of the store.
pub async fn read<T: Encoding + Send + 'static>(store: &dyn Store, key: &str) -> Result<T, Error> {
    let bytes = digests::get(store, key).await?;
    let own_key = key.to_owned();
    let value = run_aside(move || decode(&own_key, &bytes)).await?;
    set_aside_if_damaged(store, key, value).await
}

fn encode(key: &str, value: &impl Encoding) -> Bytes {
    let value = value.to_bytes();
    [MAGIC, names::seal(key, &value).as_bytes(), &value].concat().into()
}

fn decode<T: Encoding>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    Ok(T::from_bytes(unseal(key, bytes)?)?)
}

/// The bytes of the value that `bytes` hold, if it is the one that was written at `key`.
///
/// # Errors
/// [`Error::Damaged`].
pub fn unseal<'a>(key: &str, bytes: &'a [u8]) -> Result<&'a [u8], Error> {
    let rest = bytes.strip_prefix(MAGIC).and_then(|rest| rest.split_at_checked(DIGEST_LENGTH));
    let (seal, value) = rest.ok_or_else(|| Error::damaged(key, Damage::Unknown))?;
    if names::seal(key, value).as_bytes() != seal {
        return Err(Error::damaged(key, Damage::Altered));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use pomona_pca::Moments;

    use super::*;

    #[test]
    fn no_bit_can_be_flipped_no_byte_cut_off_and_no_file_be_put_in_the_place_of_another() {
        let moments = Moments::of(ndarray::array![[1.0_f32, 2.0], [3.0, 5.0]].view());
        let bytes = encode("sweeps/x/model", &moments);
        assert_eq!(decode::<Moments>("sweeps/x/model", &bytes).unwrap(), moments);
        let is_damaged = |key, bytes: &[u8]| matches!(decode::<Moments>(key, bytes), Err(Error::Damaged { .. }));
        assert!(is_damaged("sweeps/y/model", &bytes));
        for place in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[place] ^= 1;
            assert!(is_damaged("sweeps/x/model", &flipped), "{place}");
            assert!(is_damaged("sweeps/x/model", &bytes[..place]), "{place}");
        }
    }
}
