//! An archive as code that waits for its bytes reads it, in a thread of its own, while the store is asked elsewhere.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::{Buf, Bytes, BytesMut, buf};
use flate2::read::MultiGzDecoder;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use pomona_store::{Error as StoreError, Object, Store};
use tokio::sync::{mpsc, oneshot};

use super::form::FETCH;

/// The end of an archive that is read first: what says where all else is lies there.
const TAIL: u64 = 256 << 10;

/// What stands before a page, its statistics for instance, at most.
const MOST_BEFORE_PAGE: u64 = 1 << 20;

/// The largest page that is read: some memory holds it two times, packed and not.
const MOST_PAGE: u64 = 256 << 20;

/// The most that a page may become.
pub(super) const MOST_UNPACKED: u64 = 512 << 20;

/// What gzip begins with.
const GZIP: &[u8] = b"\x1f\x8b\x08";

/// Before what is packed in a page, levels may stand.
const MOST_LEVELS: usize = 64 << 10;

/// Runs `parse` on the archive `object`. `None` where that fails in a way that it does not tell itself.
///
/// # Errors
/// Those of the store.
pub(super) async fn parse<T: Send + 'static>(
    store: &dyn Store,
    (object, etag): (&Object, &str),
    parse: impl FnOnce(Ranges) -> T + Send + 'static,
) -> Result<Option<T>, StoreError> {
    let (sender, mut requests) = mpsc::channel::<Request>(1);
    let ranges = Ranges { size: object.size, requests: sender, held: Mutex::default() };
    let serve = async move {
        while let Some(Request { range, reply }) = requests.recv().await {
            let bytes = store.get_range(&object.key, etag, range).await?;
            // Who asked may have given up.
            let _ = reply.send(bytes);
        }
        Ok::<_, StoreError>(())
    };
    let (served, parsed) = futures::future::join(serve, tokio::task::spawn_blocking(move || parse(ranges))).await;
    served?;
    Ok(parsed.ok())
}

/// A range that is waited for.
#[derive(Debug)]
struct Request {
    range: Range<u64>,
    reply: oneshot::Sender<Bytes>,
}

/// An archive, which is read best from its beginning to its end.
#[derive(Debug)]
pub(super) struct Ranges {
    size: u64,
    requests: mpsc::Sender<Request>,
    held: Mutex<Held>,
}

/// What was read and may be asked for again.
#[derive(Debug, Default)]
struct Held {
    start: u64,
    bytes: Bytes,
    /// Where the last bytes end that were asked for.
    asked_end: u64,
}

impl Held {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Ranges {
    /// Reads the end of the archive.
    pub(super) fn read_tail(&self) -> io::Result<()> {
        let start = self.size.saturating_sub(TAIL);
        self.get(start, self.size - start).map(drop)
    }

    /// Where the last bytes end that were asked for.
    pub(super) fn asked_end(&self) -> u64 {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).asked_end
    }

    /// What begins there, with all that may stand before a page.
    pub(super) fn header(&self, start: u64) -> io::Result<Bytes> {
        self.get(start, MOST_BEFORE_PAGE.min(self.size.saturating_sub(start)))
    }

    fn get(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let end = start.checked_add(length).filter(|end| *end <= self.size).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !(held.start..=held.end()).contains(&start) {
            *held = Held { start, ..Held::default() };
        }
        if held.end() < end {
            let rest = held.bytes.slice((start - held.start) as usize..);
            let from = start + rest.len() as u64;
            let fetched = self.fetch(from..end.max(from.saturating_add(FETCH)).min(self.size))?;
            let mut bytes = BytesMut::with_capacity(rest.len() + fetched.len());
            bytes.extend_from_slice(&rest);
            bytes.extend_from_slice(&fetched);
            (held.start, held.bytes) = (start, bytes.freeze());
        }
        held.asked_end = end;
        let at = (start - held.start) as usize;
        Ok(held.bytes.slice(at..at + length as usize))
    }

    fn fetch(&self, range: Range<u64>) -> io::Result<Bytes> {
        let (reply, answer) = oneshot::channel();
        let length = range.end - range.start;
        self.requests.blocking_send(Request { range, reply }).map_err(io::Error::other)?;
        let bytes = answer.blocking_recv().map_err(io::Error::other)?;
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

impl Length for Ranges {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Ranges {
    type T = buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(self.header(start)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if length as u64 > MOST_PAGE {
            return Err(too_large(length as u64));
        }
        let bytes = self.get(start, length as u64)?;
        match inflates_without_bound(&bytes) {
            true => Err(ParquetError::General(format!("a page that becomes more than {} MB", MOST_UNPACKED >> 20))),
            false => Ok(bytes),
        }
    }
}

/// What is said of so many bytes.
pub(super) fn too_large(length: u64) -> ParquetError {
    let problem =
        format!("a page or footer of {} MB; write the table in smaller row groups (row_group_size)", length >> 20);
    ParquetError::NYI(problem)
}

/// Whether the page becomes more than a page should, if it is gzip, of which no length is believed. Levels may stand
/// before what is packed, so that it may begin in several places.
fn inflates_without_bound(page: &[u8]) -> bool {
    let head = &page[..page.len().min(MOST_LEVELS)];
    let starts = head.windows(GZIP.len()).enumerate().filter(|(_, bytes)| *bytes == GZIP);
    starts.into_iter().any(|(start, _)| {
        let mut inflated = MultiGzDecoder::new(&page[start..]).take(MOST_UNPACKED + 1);
        io::copy(&mut inflated, &mut io::sink()).is_ok_and(|length| length > MOST_UNPACKED)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn ranges(size: u64) -> Ranges {
        Ranges { size, requests: mpsc::channel(1).0, held: Mutex::default() }
    }

    #[test]
    fn a_page_that_is_too_large_is_refused_before_it_is_read() {
        let problem = ranges(1 << 40).get_bytes(0, 300 << 20).unwrap_err().to_string();
        assert!(problem.contains("300 MB") && problem.contains("row_group_size"), "{problem}");
        // What leads behind the end, too.
        assert!(ranges(10).get_bytes(5, 6).is_err() && ranges(10).get_bytes(u64::MAX, 6).is_err());
    }

    #[test]
    fn a_page_may_not_become_much_larger_than_pages_are() {
        let page = |megabytes: u64| {
            let mut gzip = flate2::write::GzEncoder::new(b"levels".to_vec(), flate2::Compression::fast());
            (0..megabytes).for_each(|_| gzip.write_all(&[0; 1 << 20]).unwrap());
            gzip.finish().unwrap()
        };
        assert!(!inflates_without_bound(&page(100)));
        assert!(inflates_without_bound(&page(600)));
        assert!(!inflates_without_bound(b"no gzip, but \x1f\x8b\x08 nevertheless"));
    }
}
