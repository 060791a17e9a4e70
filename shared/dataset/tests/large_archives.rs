//! Archives of more than four gigabytes, whose places take more than 32 bits.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use pomona_dataset::{Images, Source};
use pomona_run::Options;
use pomona_store::LocalStore;
use tar::{Builder, Header};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A file of which zeros take no room.
struct Sparse(File);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match bytes.iter().all(|byte| *byte == 0) {
            true => self.0.seek_relative(bytes.len() as i64).map(|()| bytes.len()),
            false => self.0.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        // What was passed over at the end is there, too.
        let end = self.0.stream_position()?;
        self.0.set_len(end.max(self.0.metadata()?.len()))
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[tokio::test]
async fn members_behind_four_gigabytes_are_members_like_others() {
    const SIZE: u64 = (4 << 30) + 5;
    let folder = tempfile::tempdir().unwrap();
    let sparse = |name: &str| Sparse(File::create(folder.path().join(name)).unwrap());
    let mut zip = ZipWriter::new(sparse("a.zip"));
    let mut tar = Builder::new(sparse("b.tar"));
    zip.start_file(
        "large.jpg",
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true),
    )
    .unwrap();
    std::io::copy(&mut std::io::repeat(0).take(SIZE), &mut zip).unwrap();
    let mut header = Header::new_gnu();
    header.set_size(SIZE);
    tar.append_data(&mut header, "large.jpg", std::io::repeat(0).take(SIZE)).unwrap();
    zip.start_file("late/1.jpg", SimpleFileOptions::default()).unwrap();
    zip.write_all(b"behind it").unwrap();
    zip.finish().unwrap();
    header.set_size(9);
    tar.append_data(&mut header, "late/1.jpg", &b"behind it"[..]).unwrap();
    tar.into_inner().unwrap().flush().unwrap();

    let store = LocalStore::open(folder.path()).unwrap();
    let images = Images::new(&store);
    let listed = images.list(&Options::default(), &|| {}).await.unwrap();
    let sizes: Vec<u64> = listed.items.iter().map(|item| item.size).collect();
    assert_eq!(sizes, [SIZE, 9, SIZE, 9]);
    for late in [&listed.items[1], &listed.items[3]] {
        let read = images.reader(&[late]).read(&[late]).await.unwrap();
        assert_eq!((&*late.label, read[0].as_deref()), ("late", Ok(&b"behind it"[..])), "{}", late.id);
    }
}
