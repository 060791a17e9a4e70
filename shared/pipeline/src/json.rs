//! JSON objects in a store.

use bytes::Bytes;
use pomona_store::Store;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The value as indented JSON with a line end.
pub(crate) fn encode(key: &str, value: &impl Serialize) -> Result<Bytes, Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::table(key, error))?;
    bytes.push(b'\n');
    Ok(bytes.into())
}

pub(crate) fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::inconsistent(key, error.to_string()))
}

pub(crate) async fn write(store: &dyn Store, key: &str, value: &impl Serialize) -> Result<(), Error> {
    Ok(store.put(key, encode(key, value)?).await?)
}

pub(crate) async fn read<T: DeserializeOwned>(store: &dyn Store, key: &str) -> Result<T, Error> {
    decode(key, &store.get(key).await?.bytes)
}

/// As [`read`], with nothing where there is no such object.
pub(crate) async fn read_if_there<T: DeserializeOwned>(store: &dyn Store, key: &str) -> Result<Option<T>, Error> {
    match store.get(key).await {
        Ok(stored) => decode(key, &stored.bytes).map(Some),
        Err(pomona_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
