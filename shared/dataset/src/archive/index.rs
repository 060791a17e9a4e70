//! How what an archive holds is found out, once.

use std::collections::HashMap;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use futures::future::join;
use pomona_run::names::NameHasher;
use pomona_store::{Error as StoreError, Object, Store};
use pomona_terms::Reject;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::spawn_blocking;

use super::contents::{Index, Indexes, REPLACED, Wanted};
use super::form::{FETCH, Form, Packing};
use super::{parquet, ranges, tar, zip};
use crate::error::Error;

/// Of what is asked of the store at once, how many are read ahead.
const READ_AHEAD: usize = 2;

/// The index of `object`, whose etag is `etag`: of a tar and of a table the one that is kept, for they have to be read
/// to their ends.
///
/// # Errors
/// [`StoreError::Changed`] where the archive is another by now, and those of the store and of what keeps indexes.
pub(crate) async fn index_of(
    store: &dyn Store,
    (object, etag): (&Object, &str),
    form: Form,
    wanted: &Wanted,
    indexes: &dyn Indexes,
) -> Result<Index, Error> {
    let mut name = NameHasher::new("pomona index 3");
    [etag, &object.size.to_string(), &format!("{form:?}")].iter().for_each(|field| name.field(field.as_bytes()));
    wanted.fields(form).iter().for_each(|field| name.field(field.as_bytes()));
    let name = name.finish();
    match form {
        Form::Zip => Ok(tidied(zip::index(store, object, etag).await?)),
        Form::Tar(packing) => once(indexes, &name, of_tar(store, (object, etag), packing, &wanted.label_field)).await,
        Form::Parquet => once(indexes, &name, of_table(store, (object, etag), wanted.clone())).await,
    }
}

/// The index that is kept under a name, or the one that is made and, of a whole archive, kept then.
async fn once(
    indexes: &dyn Indexes,
    name: &str,
    make: impl Future<Output = Result<Index, Error>>,
) -> Result<Index, Error> {
    if let Some(index) = indexes.read(name).await? {
        return Ok(index);
    }
    let index = tidied(make.await?);
    // What seems broken may have been damaged on its way only.
    if index.broken.is_none() {
        indexes.write(name, &index).await?;
    }
    Ok(index)
}

/// Reads a table from end to end.
async fn of_table(store: &dyn Store, object: (&Object, &str), wanted: Wanted) -> Result<Index, Error> {
    let index = ranges::parse(store, object, move |ranges| parquet::index(ranges, &wanted)).await?;
    Ok(index.unwrap_or_else(Index::unreadable))
}

/// Reads a tar from end to end, and its members aside.
async fn of_tar(
    store: &dyn Store,
    (object, etag): (&Object, &str),
    packing: Packing,
    label_field: &str,
) -> Result<Index, Error> {
    let (sender, receiver) = channel(READ_AHEAD);
    let feed = async move {
        let mut start = 0;
        while start < object.size {
            let bytes = store.get_range(&object.key, etag, start..start + FETCH).await?;
            start += bytes.len() as u64;
            // Nobody reads what lies behind a tar's end.
            if bytes.is_empty() || sender.send(bytes).await.is_err() {
                break;
            }
        }
        Ok::<_, StoreError>(())
    };
    let label_field = label_field.to_owned();
    let parse = spawn_blocking(move || {
        let chunks = Chunks { receiver, current: Bytes::new() };
        match packing {
            Packing::None => tar::index(chunks, &label_field),
            Packing::Gzip => tar::index(flate2::read::MultiGzDecoder::new(chunks), &label_field),
            Packing::Zstd => match zstd::stream::read::Decoder::new(chunks) {
                Ok(decoder) => tar::index(decoder, &label_field),
                Err(error) => Index { broken: Some(Reject::corrupt(format!("zstd: {error}"))), ..Index::default() },
            },
        }
    });
    let (fed, parsed) = join(feed, parse).await;
    fed?;
    Ok(parsed.unwrap_or_else(|_| Index::unreadable()))
}

/// Of several members of one name the last is meant, as when an archive is unpacked; what is an archive itself is not
/// looked into.
///
/// What cannot be used is of another version than what can: it may be packed anew with the same content.
fn tidied(mut index: Index) -> Index {
    for member in &mut index.members {
        if let Some(reject) = &member.unusable {
            member.version = format!("{}; {}", member.version, reject.detail);
        }
    }
    let last: HashMap<String, usize> =
        index.members.iter().enumerate().map(|(number, member)| (member.name.clone(), number)).collect();
    let mut pass = |what: &str| *index.passed.entry(what.to_owned()).or_default() += 1;
    let mut number = 0;
    index.members.retain(|member| {
        number += 1;
        let what = match () {
            () if last[&member.name] != number - 1 => REPLACED,
            () if Form::of(&member.name).is_some() => "archives inside archives",
            () => return true,
        };
        pass(what);
        false
    });
    index
}

/// The chunks of a file as one reader.
struct Chunks {
    receiver: Receiver<Bytes>,
    current: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(bytes) => self.current = bytes,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
