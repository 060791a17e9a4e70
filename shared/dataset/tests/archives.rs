//! Images in archives: what they are called, what becomes of odd ones, and how few requests read them.

mod support;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use pomona_dataset::{Error, Images, Index, Indexes, Item, Listed, Source};
use pomona_run::Options;
use pomona_store::Store;
use pomona_store::testing::{FailingStore, Operation};
use pomona_terms::{Reject, RejectReason};
use support::{list, read, store};
use tar::{Builder, EntryType, Header};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (name, content) in members {
        append(&mut tar, name, content);
    }
    tar.into_inner().unwrap()
}

/// As [`Builder::append_data`], but for any name: that one refuses those that lead out of the archive.
fn append(tar: &mut Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    if name.contains("..") || name.starts_with('/') {
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, content).unwrap();
    } else {
        tar.append_data(&mut header, name, content).unwrap();
    }
}

fn zip(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn ids(listed: &Listed) -> Vec<&str> {
    listed.items.iter().map(|item| item.id.as_str()).collect()
}

const MEMBERS: [(&str, &[u8]); 4] = [
    ("cat/1.jpg", b"first"),
    ("cat/2.jpg", b"second, which is somewhat longer"),
    ("dog/1.png", b""),
    ("top.jpg", b"at the top"),
];

#[tokio::test]
async fn members_are_called_by_their_archive_and_labelled_by_folders_in_and_around_it() {
    let tar = tar(&MEMBERS);
    let packed = zstd::encode_all(&tar[..], 1).unwrap();
    let deflated = zip(&MEMBERS, CompressionMethod::Deflated);
    let stored = zip(&MEMBERS, CompressionMethod::Stored);
    let archives: [(&str, &[u8]); 5] = [
        ("a.tar", &tar),
        ("x/b.tar.gz", &gzip(&tar)),
        ("c.TAR.ZST", &packed),
        ("x/d.zip", &deflated),
        ("e.zip", &stored),
    ];
    let store = store(&[&archives[..], &[("fox/1.jpg", b"a file")]].concat());
    let images = Images::new(&store);
    let listed = list(&images, &Options::default()).await;
    let mut expected: Vec<(String, String, Result<Bytes, Reject>)> = Vec::new();
    for (archive, _) in archives {
        for (name, content) in MEMBERS {
            let label = match (name.split_once('/'), archive.split_once('/')) {
                (Some((folder, _)), _) => folder,
                (None, around) => around.map_or("", |(folder, _)| folder),
            };
            expected.push((format!("{archive}/{name}"), label.to_owned(), Ok(Bytes::from_static(content))));
        }
    }
    expected.push(("fox/1.jpg".into(), "fox".into(), Ok(Bytes::from_static(b"a file"))));
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(read(&images, &listed.items).await, expected);
    assert_eq!(listed.left_out.archives, 5);
    assert!(listed.odd_folders.is_empty() && listed.left_out.other_files == 0, "{:?}", listed.left_out);
    // In whatever order they are asked for, and each alone.
    for item in listed.items.iter().rev() {
        let again = read(&images, std::slice::from_ref(item)).await;
        assert!(expected.contains(&again[0]), "{again:?}");
    }
}

#[tokio::test]
async fn an_archive_that_is_the_input_itself_is_as_if_it_were_unpacked() {
    let unpacked = store(&MEMBERS);
    let files = list(&Images::new(&unpacked), &Options::default()).await;
    for (name, archive) in [
        ("a.tar", tar(&MEMBERS)),
        ("a.tgz", gzip(&tar(&MEMBERS))),
        ("a.zip", zip(&MEMBERS, CompressionMethod::Deflated)),
    ] {
        let store = store(&[(name, &archive), ("other.jpg", b"not meant")]);
        let images = Images::new(&store).in_archive(Some(name.to_owned()));
        assert_eq!(images.location(), format!("in/{name}"));
        let listed = list(&images, &Options::default()).await;
        assert_eq!(ids(&listed), ids(&files), "{name}");
        for (member, file) in listed.items.iter().zip(&files.items) {
            assert_eq!((&member.label, member.size), (&file.label, file.size));
            // So features that were made of files serve members of a tar, and the other way about.
            assert!(name == "a.zip" || member.content() == file.content());
        }
        let sampled = list(&images, &Options { limit: Some(2), ..Options::default() }).await;
        assert_eq!(sampled.items.len(), 2);
        assert!(read(&images, &sampled.items).await.iter().all(|(_, _, read)| read.is_ok()));
    }
}

#[tokio::test]
async fn an_archive_that_is_not_there_is_named_and_nothing_else_is_listed() {
    let counted =
        FailingStore::new(Arc::new(store(&[("a.zip", &zip(&MEMBERS, CompressionMethod::Stored)), ("b.jpg", b"")])));
    for (name, is_there) in [("a.zip", true), ("b.zip", false)] {
        let images = Images::new(&counted).in_archive(Some(name.to_owned()));
        for limit in [None, Some(2)] {
            let listed = images.list(&Options { limit, ..Options::default() }, &|| {}).await;
            assert_eq!(listed.is_ok(), is_there);
            assert!(listed.err().is_none_or(|error| error.to_string().contains("no archive `in/b.zip`")));
        }
    }
    assert!(counted.calls().iter().all(|(call, _)| *call != Operation::List));
}

#[tokio::test]
async fn options_choose_among_members_as_among_files() {
    let members: [(&str, &[u8]); 5] = [
        ("cat/1.jpg", b"1"),
        ("cat/2.gif", b"2"),
        ("dog/1.jpg", b"3"),
        ("dog/notes.txt", b"4"),
        ("__MACOSX/cat/._1.jpg", b"5"),
    ];
    let store = store(&[("a.zip", &zip(&members, CompressionMethod::Stored)), ("b.tar", &tar(&members))]);
    let images = Images::new(&store);
    let listed = list(&images, &Options::default()).await;
    assert_eq!(ids(&listed), ["a.zip/cat/1.jpg", "a.zip/dog/1.jpg", "b.tar/cat/1.jpg", "b.tar/dog/1.jpg"]);
    assert_eq!((listed.left_out.hidden, listed.left_out.other_files), (2, 2));
    assert_eq!(listed.left_out.other_images["gif"], 2);
    let excluded = Options { exclude: vec!["*.zip".to_owned(), "*/dog".to_owned()], ..Options::default() };
    assert_eq!(ids(&list(&images, &excluded).await), ["b.tar/cat/1.jpg"]);
    let filtered = Options { filter: Some("*/dog/*".to_owned()), ..Options::default() };
    assert_eq!(ids(&list(&images, &filtered).await), ["a.zip/dog/1.jpg", "b.tar/dog/1.jpg"]);
    let sampled = list(&images, &Options { limit: Some(2), ..Options::default() }).await;
    let labels: Vec<&str> = sampled.items.iter().map(|item| &*item.label).collect();
    assert!(labels.contains(&"cat") && labels.contains(&"dog"), "{labels:?}");
}

#[tokio::test]
async fn labels_may_lie_beside_images() {
    let members: [(&str, &[u8]); 6] = [
        ("0001.jpg", b"one"),
        ("0001.cls", b"7"),
        ("0002.json", br#"{"label": 3, "name": "fox"}"#),
        ("0002.jpg", b"two"),
        ("cat/0003.jpg", b"three"),
        ("0004.json", br#"{"label": ["no text"]}"#),
    ];
    let store = store(&[("train/0.tar", &tar(&members))]);
    let images = Images::new(&store);
    let labels = async |options: &Options| {
        let listed = list(&images, options).await;
        listed.items.iter().map(|item| item.label.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(labels(&Options::default()).await, ["7", "3", "cat"]);
    assert_eq!(labels(&Options { label_field: "name".to_owned(), ..Options::default() }).await, ["7", "fox", "cat"]);
    let none = Options { label_from: "none".parse().unwrap(), ..Options::default() };
    assert_eq!(labels(&none).await, ["", "", ""]);
}

#[tokio::test]
async fn an_odd_member_is_a_reject_and_what_is_no_file_is_counted() {
    let mut odd = Builder::new(Vec::new());
    append(&mut odd, "a.jpg", b"fine");
    append(&mut odd, "../out.jpg", b"leads out");
    append(&mut odd, "/etc/out.jpg", b"leads out, too");
    append(&mut odd, "inner.zip", b"an archive");
    append(&mut odd, "a.jpg", b"later");
    for (kind, name) in [(EntryType::Symlink, "link.jpg"), (EntryType::Link, "hard.jpg"), (EntryType::Fifo, "pipe.jpg")]
    {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        odd.append_link(&mut header, name, "a.jpg").unwrap();
    }
    let mut sparse = Header::new_gnu();
    sparse.set_entry_type(EntryType::GNUSparse);
    sparse.set_size(0);
    sparse.as_gnu_mut().unwrap().set_real_size(0);
    odd.append_data(&mut sparse, "sparse.jpg", &b""[..]).unwrap();
    let store = store(&[("odd.tar", &odd.into_inner().unwrap())]);
    let images = Images::new(&store);
    let listed = list(&images, &Options::default()).await;
    let read = read(&images, &listed.items).await;
    let outcome = |id: &str| &read.iter().find(|(found, ..)| found == id).unwrap_or_else(|| panic!("{id}: {read:?}")).2;
    assert_eq!(outcome("odd.tar/a.jpg").as_deref().unwrap(), b"later");
    for (id, detail) in
        [("odd.tar/../out.jpg", "leads out"), ("odd.tar//etc/out.jpg", "leads out"), ("odd.tar/sparse.jpg", "sparse")]
    {
        let reject = outcome(id).as_ref().unwrap_err();
        assert!(reject.reason == RejectReason::Unsupported && reject.detail.contains(detail), "{id}: {reject}");
    }
    assert_eq!(read.len(), 4);
    let counted: Vec<(&str, u64)> =
        listed.left_out.in_archives.iter().map(|(what, count)| (what.as_str(), *count)).collect();
    assert_eq!(
        counted,
        [
            ("archives inside archives", 1),
            ("links", 2),
            ("members that later ones of the same name replace", 1),
            ("pipes and devices", 1)
        ]
    );
}

#[tokio::test]
async fn of_equal_names_in_a_zip_the_last_is_meant_and_the_others_are_counted() {
    let members: [(&str, &[u8]); 5] =
        [("a.jpg", b"first"), ("b.jpg", b"later"), ("c.jpg", b"other"), ("ad/", b""), ("bd/", b"")];
    let mut bytes = zip(&members, CompressionMethod::Stored);
    // The writer takes no name twice. A folder that is there twice replaces nothing.
    for name in [&b"b.jpg"[..], b"bd/"] {
        while let Some(at) = bytes.windows(name.len()).position(|other| other == name) {
            bytes[at] = b'a';
        }
    }
    // Also where something stands before it, a program that unpacks it for instance.
    for before in [0, 1000] {
        let store = store(&[("twice.zip", &[&vec![0; before][..], &bytes].concat())]);
        let images = Images::new(&store);
        let listed = list(&images, &Options::default()).await;
        assert_eq!(listed.left_out.in_archives["members that later ones of the same name replace"], 1);
        let contents: Vec<_> =
            read(&images, &listed.items).await.into_iter().map(|(id, _, read)| (id, read.unwrap().to_vec())).collect();
        let expected = [("twice.zip/a.jpg", b"later"), ("twice.zip/c.jpg", b"other")];
        assert_eq!(contents, expected.map(|(id, content)| (id.to_owned(), content.to_vec())));
    }
}

#[tokio::test]
async fn a_broken_archive_is_one_reject_and_what_stands_before_the_damage_is_used() {
    let whole = tar(&MEMBERS);
    let cases: [(&str, Vec<u8>, usize); 7] = [
        ("cut.tar", whole[..whole.len() - 1024 - 512 - 5].to_vec(), 3),
        ("within.tar", whole[..512 + 512 + 512 + 7].to_vec(), 1),
        ("garbage.tar", [&whole[..1024], &[7; 2048][..]].concat(), 1),
        ("cut.tar.gz", gzip(&whole)[..60].to_vec(), 0),
        ("nothing.tar.zst", b"not zstd".to_vec(), 0),
        ("page.tar", b"<html>404</html>".repeat(64), 0),
        ("cut.zip", zip(&MEMBERS, CompressionMethod::Stored)[..200].to_vec(), 0),
    ];
    for (name, bytes, used) in cases {
        let store = store(&[(name, &bytes)]);
        let images = Images::new(&store);
        let listed = list(&images, &Options::default()).await;
        let read = read(&images, &listed.items).await;
        let (broken, members): (Vec<_>, Vec<_>) = read.into_iter().partition(|(id, ..)| id == name);
        let reject = broken[0].2.as_ref().unwrap_err();
        assert!([RejectReason::Truncated, RejectReason::Corrupt].contains(&reject.reason), "{name}: {reject}");
        assert!(reject.detail.contains("broken"), "{name}: {reject}");
        assert_eq!((broken.len(), members.len()), (1, used), "{name}: {reject}");
        assert!(members.iter().all(|(_, _, read)| read.is_ok()), "{name}: {members:?}");
    }
    // One without anything in it is an archive, too.
    let store = store(&[("empty.tar", &tar(&[])), ("empty.zip", &zip(&[], CompressionMethod::Stored))]);
    assert!(list(&Images::new(&store), &Options::default()).await.items.is_empty());
}

#[tokio::test]
async fn a_member_of_a_zip_whose_bytes_are_not_those_of_its_checksum_is_not_remembered() {
    let content = [9_u8; 300];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let mut bytes = zip(&[("a.jpg", &content), ("b.jpg", &content[..200])], method);
        bytes[40] ^= 0x10;
        let store = store(&[("z.zip", &bytes)]);
        let images = Images::new(&store);
        let read = read(&images, &list(&images, &Options::default()).await.items).await;
        let reject = read[0].2.as_ref().unwrap_err();
        assert!(reject.reason == RejectReason::Unreadable && reject.detail.contains("damaged"), "{reject}");
        assert_eq!(read[1].2.as_deref().unwrap(), &content[..200]);
    }
}

#[tokio::test]
async fn encrypted_and_strangely_packed_members_are_unsupported() {
    let mut bytes = zip(&[("a.jpg", b"secret"), ("b.jpg", b"plain")], CompressionMethod::Stored);
    let directory = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    // The flag of encryption, and for the other one the method LZMA.
    bytes[directory + 8] |= 1;
    let second = directory + 4 + bytes[directory + 4..].windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    bytes[second + 10] = 14;
    let store = store(&[("z.zip", &bytes)]);
    let images = Images::new(&store);
    let read = read(&images, &list(&images, &Options::default()).await.items).await;
    for ((_, _, read), detail) in read.iter().zip(["encrypted", "packed by"]) {
        let reject = read.as_ref().unwrap_err();
        assert!(reject.reason == RejectReason::Unsupported && reject.detail.contains(detail), "{reject}");
    }
}

#[tokio::test]
async fn a_member_that_unpacks_to_more_than_its_directory_says_is_refused() {
    let zeros = vec![0; 1 << 20];
    let mut bytes = zip(&[("a.jpg", &zeros)], CompressionMethod::Deflated);
    let directory = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    bytes[directory + 24..directory + 28].copy_from_slice(&1_000_u32.to_le_bytes());
    let store = store(&[("bomb.zip", &bytes)]);
    let images = Images::new(&store);
    let read = read(&images, &list(&images, &Options::default()).await.items).await;
    let reject = read[0].2.as_ref().unwrap_err();
    assert!(reject.detail.contains("damaged in its archive"), "{reject}");
}

#[tokio::test]
async fn an_archive_that_was_replaced_since_it_was_listed_has_changed() {
    let changed = store(&[("a.tar", &tar(&MEMBERS)), ("b.tar.gz", &gzip(&tar(&MEMBERS)))]);
    let images = Images::new(&changed);
    let listed = list(&images, &Options::default()).await;
    for key in ["a.tar", "b.tar.gz"] {
        changed.put(key, tar(&MEMBERS[1..]).into()).await.unwrap();
    }
    for item in &listed.items {
        let read = images.reader(&[item]).read(&[item]).await;
        assert!(matches!(&read, Err(Error::Changed { id, .. }) if *id == item.id), "{read:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_of_another_version_than_what_can() {
    let whole = zip(&[("a.jpg", b"one")], CompressionMethod::Stored);
    let mut encrypted = whole.clone();
    let directory = encrypted.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    encrypted[directory + 8] |= 1;
    let mut versions = Vec::new();
    for bytes in [whole, encrypted] {
        let store = store(&[("z.zip", &bytes)]);
        versions.push(list(&Images::new(&store), &Options::default()).await.items[0].version.clone());
    }
    assert_ne!(versions[0], versions[1]);
}

#[tokio::test]
async fn sizes_that_cannot_be_are_refused_before_anything_is_read() {
    let bytes = zip(&[("a.jpg", &[7; 100])], CompressionMethod::Stored);
    let directory = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let mut packed = bytes.clone();
    packed[directory + 20..directory + 24].copy_from_slice(&4_000_000_000_u32.to_le_bytes());
    let counted = FailingStore::new(Arc::new(store(&[("z.zip", &packed)])));
    let images = Images::new(&counted);
    let listed = list(&images, &Options::default()).await;
    let before = counted.calls().len();
    let read = read(&images, &listed.items).await;
    assert!(read[0].2.as_ref().unwrap_err().detail.contains("impossible size"), "{read:?}");
    assert_eq!(counted.calls().len(), before);
}

#[tokio::test]
async fn a_name_of_many_megabytes_ends_an_archive() {
    let mut bomb = Builder::new(Vec::new());
    append(&mut bomb, "a.jpg", b"fine");
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(40 << 20);
    header.set_cksum();
    bomb.append(&header, &vec![b'x'; 40 << 20][..]).unwrap();
    append(&mut bomb, "b.jpg", b"behind");
    let bomb = gzip(&bomb.into_inner().unwrap());
    let store = store(&[("bomb.tar.gz", &bomb)]);
    let images = Images::new(&store);
    let listed = list(&images, &Options::default()).await;
    assert_eq!(ids(&listed), ["bomb.tar.gz", "bomb.tar.gz/a.jpg"]);
    let read = read(&images, &listed.items).await;
    assert!(read[0].2.as_ref().unwrap_err().detail.contains("many megabytes") && read[1].2.is_ok(), "{read:?}");
}

#[tokio::test]
async fn an_archive_that_is_the_input_may_have_a_list_and_a_file_takes_the_place_of_a_member() {
    let archive = zip(&MEMBERS, CompressionMethod::Stored);
    let both = store(&[(".a.zip", &archive), ("b.zip", &archive), ("b.zip/cat/1.jpg", b"a file")]);
    let chosen = std::collections::BTreeSet::from(["cat/2.jpg".to_owned()]);
    let images = Images::new(&both).in_archive(Some(".a.zip".to_owned())).with_list(Some(&chosen));
    assert_eq!(ids(&list(&images, &Options::default()).await), ["cat/2.jpg"]);

    let images = Images::new(&both);
    let listed = list(&images, &Options::default()).await;
    assert_eq!(listed.items.len(), 4);
    assert_eq!(listed.left_out.in_archives["members that files of the same path replace"], 1);
    assert_eq!(read(&images, &listed.items[..1]).await[0].2.as_deref().unwrap(), b"a file");
}

#[tokio::test]
async fn a_compressed_tar_is_unpacked_once_however_many_ask_at_once() {
    let content: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let names: Vec<String> = (0..200).map(|number| format!("{number:03}.jpg")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &content[..])).collect();
    for (name, archive) in
        [("a.tar.gz", gzip(&tar(&members))), ("a.tar.zst", zstd::encode_all(&tar(&members)[..], 1).unwrap())]
    {
        let counted = FailingStore::new(Arc::new(store(&[(name, &archive)])));
        let images = Images::new(&counted);
        let listed = list(&images, &Options::default()).await;
        let before = counted.calls().len();
        let items: Vec<&Item> = listed.items.iter().collect();
        let reader = images.reader(&items);
        let groups = items.chunks(4).map(|group| reader.read(group));
        let read = futures::future::try_join_all(groups).await.unwrap();
        assert!(read.into_iter().flatten().all(|read| read.as_deref() == Ok(&content[..])));
        let fetched = counted.calls().len() - before;
        assert!(fetched <= archive.len() / (8 << 20) + 1, "{name}: {fetched}");
    }
}

/// Indexes in memory.
#[derive(Debug, Default)]
struct Kept(Mutex<BTreeMap<String, Index>>);

#[async_trait]
impl Indexes for Kept {
    async fn read(&self, name: &str) -> Result<Option<Index>, Error> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    async fn write(&self, name: &str, index: &Index) -> Result<(), Error> {
        self.0.lock().unwrap().insert(name.to_owned(), index.clone());
        Ok(())
    }
}

#[tokio::test]
async fn many_members_are_read_by_few_requests_and_a_tar_is_looked_through_once() {
    let content = vec![5; 50_000];
    let names: Vec<String> = (0..400).map(|number| format!("{number:03}.jpg")).collect();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &content[..])).collect();
    for (name, archive, listing) in [
        ("a.tar", tar(&members), 3),
        ("a.zip", zip(&members, CompressionMethod::Stored), 1),
        ("a.tar.gz", gzip(&tar(&members)), 1),
    ] {
        let counted = FailingStore::new(Arc::new(store(&[(name, &archive)])));
        let kept = Kept::default();
        let images = Images::new(&counted).with_indexes(&kept);
        let ranges = || counted.calls().iter().filter(|(call, _)| *call == Operation::GetRange).count();
        let listed = list(&images, &Options::default()).await;
        assert_eq!((listed.items.len(), ranges()), (400, listing), "{name}");
        let read = read(&images, &listed.items).await;
        assert!(read.iter().all(|(_, _, read)| read.as_deref() == Ok(&content[..])));
        // 20 MB, by eight.
        let read_by = ranges() - listing;
        assert!((1..=3).contains(&read_by), "{name}: {read_by}");
        list(&images, &Options::default()).await;
        let again = ranges() - listing - read_by;
        assert_eq!(again, usize::from(name.ends_with("zip")), "{name}");
    }
}
