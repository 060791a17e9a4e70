//! A compressed tar as a stream, which is read forwards only.

use std::io::{self, Write};
use std::ops::Range;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use pomona_store::{Error as StoreError, Store};

use super::form::{FETCH, Packing};

/// Bytes that are unpacked at once, which become 64 MB at most: a thousand times as many by deflate, and by zstd, four
/// bytes of which may say 128 KB, 32 thousand times.
const GZIP_PIECE: usize = 64 << 10;
const ZSTD_PIECE: usize = 2 << 10;

/// Why a range could not be unpacked.
#[derive(Debug)]
pub(crate) enum NotUnpacked {
    Store(StoreError),
    Broken(io::Error),
}

/// An archive that is being unpacked.
pub(crate) struct Unpacked {
    packing: Packing,
    decoder: Option<Decoder>,
    /// Bytes of the archive that were asked for.
    fetched: u64,
    /// What was fetched and is not unpacked yet.
    ahead: Bytes,
    /// Where what the decoder holds begins in the unpacked archive.
    offset: u64,
}

enum Decoder {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Vec<u8>>>),
}

impl Unpacked {
    pub(crate) fn new(packing: Packing) -> Self {
        Self { packing, decoder: None, fetched: 0, ahead: Bytes::new(), offset: 0 }
    }

    /// The bytes of a range of the unpacked archive. Where it lies behind the last one that was asked for, it is
    /// unpacked on from there, and otherwise from the beginning.
    pub(crate) async fn range(
        &mut self,
        store: &dyn Store,
        (key, etag): (&str, &str),
        range: Range<u64>,
    ) -> Result<Bytes, NotUnpacked> {
        if range.start < self.offset {
            *self = Self::new(self.packing);
        }
        while self.end() < range.end {
            if self.ahead.is_empty() {
                let end = self.fetched + FETCH;
                self.ahead = store.get_range(key, etag, self.fetched..end).await.map_err(NotUnpacked::Store)?;
                self.fetched += self.ahead.len() as u64;
            }
            if self.ahead.is_empty() {
                return Err(NotUnpacked::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
            let piece = if self.packing == Packing::Zstd { ZSTD_PIECE } else { GZIP_PIECE };
            let piece = self.ahead.split_to(piece.min(self.ahead.len()));
            match self.unpack(&piece) {
                // What is wrong lies behind the range.
                Err(_) if self.end() >= range.end => {}
                unpacked => unpacked.map_err(NotUnpacked::Broken)?,
            }
            self.forget(range.start);
        }
        let from = (range.start - self.offset) as usize;
        let length = (range.end - range.start) as usize;
        Ok(Bytes::copy_from_slice(&self.held()[from..from + length]))
    }

    fn unpack(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.decoder.is_none() {
            self.decoder = Some(match self.packing {
                Packing::Zstd => Decoder::Zstd(Box::new(zstd::stream::write::Decoder::new(Vec::new())?)),
                _ => Decoder::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            });
        }
        match &mut self.decoder {
            Some(Decoder::Gzip(decoder)) => decoder.write_all(piece).and_then(|()| decoder.flush()),
            Some(Decoder::Zstd(decoder)) => decoder.write_all(piece).and_then(|()| decoder.flush()),
            None => Ok(()),
        }
    }

    /// What is unpacked and not forgotten.
    fn held(&self) -> &[u8] {
        match &self.decoder {
            Some(Decoder::Gzip(decoder)) => decoder.get_ref(),
            Some(Decoder::Zstd(decoder)) => decoder.get_ref(),
            None => &[],
        }
    }

    /// Where what is held ends in the unpacked archive.
    fn end(&self) -> u64 {
        self.offset + self.held().len() as u64
    }

    /// Forgets what lies before `start`.
    fn forget(&mut self, start: u64) {
        let before = start.min(self.end()).saturating_sub(self.offset) as usize;
        match &mut self.decoder {
            Some(Decoder::Gzip(decoder)) => drop(decoder.get_mut().drain(..before)),
            Some(Decoder::Zstd(decoder)) => drop(decoder.get_mut().drain(..before)),
            None => {}
        }
        self.offset += before as u64;
    }
}

impl std::fmt::Debug for Unpacked {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} unpacked from {} to {}", self.packing, self.offset, self.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_store::testing::MemoryStore;
    use std::collections::BTreeMap;

    /// Half a gigabyte of zeros, which is next to nothing when it is packed, and something behind it.
    fn packed(packing: Packing) -> Bytes {
        let zeros = vec![0; 1 << 20];
        let write = |to: &mut dyn Write| {
            (0..512).for_each(|_| to.write_all(&zeros).unwrap());
            to.write_all(b"behind").unwrap();
        };
        let packed = match packing {
            Packing::Zstd => {
                let mut zstd = zstd::Encoder::new(Vec::new(), 1).unwrap();
                write(&mut zstd);
                zstd.finish().unwrap()
            }
            _ => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                write(&mut gzip);
                gzip.finish().unwrap()
            }
        };
        packed.into()
    }

    #[tokio::test]
    async fn what_unpacks_to_far_more_is_never_held_at_once() {
        for packing in [Packing::Gzip, Packing::Zstd] {
            let store = MemoryStore::new("in", BTreeMap::from([("a".to_owned(), packed(packing))]));
            let etag = store.find("a").await.unwrap().unwrap().etag.unwrap();
            let mut unpacked = Unpacked::new(packing);
            let behind = unpacked.range(&store, ("a", &etag), 512 << 20..(512 << 20) + 6).await.unwrap();
            assert_eq!(behind, "behind");
            let held = match &unpacked.decoder {
                Some(Decoder::Gzip(decoder)) => decoder.get_ref().capacity(),
                Some(Decoder::Zstd(decoder)) => decoder.get_ref().capacity(),
                None => 0,
            };
            assert!(held <= 160 << 20, "{packing:?}: {held}");
        }
    }
}
