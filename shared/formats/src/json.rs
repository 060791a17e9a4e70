//! JSON objects in a store.

use bytes::Bytes;
use pomona_run::RunId;
use pomona_run::names::{self, DIGEST_LENGTH};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Damage, Error};

/// What stands before and behind the digest of sealed JSON.
const SEAL: (&str, &str) = (",\n  \"sha256\": \"", "\"\n}\n");

/// The value as indented JSON with a line end.
pub fn encode(key: &str, value: &impl Serialize) -> Result<Bytes, Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::table(key, error))?;
    bytes.push(b'\n');
    Ok(bytes.into())
}

/// The value of JSON whose digest was checked. What is whole and cannot be read is of another version.
pub fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        tracing::debug!(key, %error, "could not be read");
        Error::damaged(key, Damage::OtherVersion)
    })
}

/// A struct as indented JSON whose last field, `sha256`, is the digest of the file's key and of all before that field.
pub fn seal(key: &str, value: &impl Serialize) -> Result<Bytes, Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::table(key, error))?;
    let sealed = bytes.strip_suffix(b"\n}").map(<[u8]>::len);
    bytes.truncate(sealed.ok_or_else(|| Error::Internal(format!("{key} is no struct with fields")))?);
    let sha256 = names::seal(key, &bytes);
    for text in [SEAL.0, &sha256, SEAL.1] {
        bytes.extend_from_slice(text.as_bytes());
    }
    Ok(bytes.into())
}

/// The value of sealed JSON, if it is the one that was written there.
pub fn unseal<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    let (sealed, sha256) = seal_of(bytes).ok_or_else(|| Error::damaged(key, Damage::Unknown))?;
    if names::seal(key, sealed).as_bytes() != sha256 {
        return Err(Error::damaged(key, Damage::Altered));
    }
    decode(key, bytes)
}

/// As [`unseal`], of a file that says itself whose it is: `name` of it must be `id`.
///
/// # Errors
/// [`Error::Damaged`].
pub fn unseal_of<T: DeserializeOwned>(
    key: &str,
    bytes: &[u8],
    id: &RunId,
    name: impl FnOnce(&T) -> &RunId,
) -> Result<T, Error> {
    let value = unseal(key, bytes)?;
    if name(&value) == id { Ok(value) } else { Err(Error::damaged(key, Damage::Altered)) }
}

fn seal_of(bytes: &[u8]) -> Option<(&[u8], &[u8; DIGEST_LENGTH])> {
    let (rest, sha256) = bytes.strip_suffix(SEAL.1.as_bytes())?.split_last_chunk()?;
    Some((rest.strip_suffix(SEAL.0.as_bytes())?, sha256))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Numbers = BTreeMap<String, f64>;

    #[test]
    fn sealed_json_is_json_and_reads_back_under_its_own_key_only() {
        let numbers: Numbers = [("a".to_owned(), 0.1), ("b".to_owned(), -0.0)].into();
        let bytes = seal("runs/1/x.json", &numbers).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((json["a"].as_f64(), json["sha256"].as_str().map(str::len)), (Some(0.1), Some(DIGEST_LENGTH)));
        assert!(matches!(
            unseal::<serde_json::Value>("runs/2/x.json", &bytes),
            Err(Error::Damaged { damage: Damage::Altered, .. })
        ));
        assert_eq!(unseal::<serde_json::Value>("runs/1/x.json", &bytes).unwrap()["b"], -0.0);
    }

    #[test]
    fn no_bit_of_sealed_json_can_be_flipped_and_no_byte_cut_off() {
        let numbers: Numbers = [("a".to_owned(), 0.1)].into();
        let bytes = seal("x", &numbers).unwrap();
        for place in 0..bytes.len() {
            let mut flipped = bytes.to_vec();
            flipped[place] ^= 1;
            assert!(unseal::<serde_json::Value>("x", &flipped).is_err(), "{place}");
            assert!(unseal::<serde_json::Value>("x", &bytes[..place]).is_err(), "{place}");
        }
    }
}
