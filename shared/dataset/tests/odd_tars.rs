//! Tars as programs and accidents leave them: cut between two members, with more behind their end, with links in the
//! place of files, with files whose zeros are left out.

mod support;

use pomona_dataset::{Images, Listed};
use pomona_run::Options;
use pomona_terms::{Reject, RejectReason};
use support::{list, read, store};
use tar::{Builder, EntryType, Header};

/// Two blocks of zeros.
const END: usize = 1024;

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header
}

fn append(tar: &mut Builder<Vec<u8>>, name: &str, content: &[u8]) {
    tar.append_data(&mut header(EntryType::Regular, content.len() as u64), name, content).unwrap();
}

fn tar(names: &[&str]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    names.iter().for_each(|name| append(&mut tar, name, name.as_bytes()));
    tar.into_inner().unwrap()
}

/// What is listed of the archive, and what is said of it where it is broken.
async fn listed(name: &str, bytes: &[u8], options: &Options) -> (Listed, Option<Reject>) {
    let store = store(&[(name, bytes)]);
    let images = Images::new(&store);
    let listed = list(&images, options).await;
    let outcomes = read(&images, &listed.items).await;
    let broken = outcomes.into_iter().find(|(id, ..)| id == name);
    (listed, broken.map(|(.., outcome)| outcome.unwrap_err()))
}

#[tokio::test]
async fn an_archive_without_its_end_or_with_more_behind_it_is_a_reject_and_its_members_are_used() {
    use RejectReason::{Corrupt, Truncated};
    let (whole, other) = (tar(&["1.jpg", "2.jpg"]), tar(&["3.jpg"]));
    let cut = &whole[..whole.len() - END];
    let zeros = |count: usize| vec![0; count];
    for (name, bytes, members, expected) in [
        ("whole.tar", whole.clone(), 2, None),
        ("one_block.tar", [cut, &zeros(512)].concat(), 2, None),
        ("tape.tar", [&whole[..], &zeros(1 << 20)].concat(), 2, None),
        ("cut.tar", cut.to_vec(), 2, Some((Truncated, "no end mark"))),
        ("cut_before.tar", cut[..cut.len() - 1024].to_vec(), 1, Some((Truncated, "no end mark"))),
        ("nothing.tar", Vec::new(), 0, Some((Truncated, "no end mark"))),
        ("two.tar", [&whole[..], &other].concat(), 2, Some((Corrupt, "more follows"))),
        ("text.tar", [&whole[..], b"appended by mistake"].concat(), 2, Some((Corrupt, "more follows"))),
    ] {
        let (listed, broken) = listed(name, &bytes, &Options::default()).await;
        assert_eq!(listed.items.len() - usize::from(broken.is_some()), members, "{name}");
        assert_eq!(broken.as_ref().map(|reject| reject.reason), expected.map(|(reason, _)| reason), "{name}");
        let said = expected.map_or("", |(_, said)| said);
        assert!(broken.is_none_or(|reject| reject.detail.contains(said)), "{name}");
    }
}

#[tokio::test]
async fn a_broken_archive_is_told_of_however_small_the_sample() {
    let cut = &tar(&["1.jpg", "2.jpg", "3.jpg"])[..3 * 1024];
    for limit in 1..4 {
        let (listed, broken) = listed("cut.tar", cut, &Options { limit: Some(limit), ..Options::default() }).await;
        assert_eq!(listed.items.len() as u64, limit + 1);
        assert!(broken.is_some());
    }
}

#[tokio::test]
async fn of_a_file_and_a_link_of_one_name_the_later_one_is_meant() {
    let mut tar = Builder::new(Vec::new());
    append(&mut tar, "a.jpg", b"a file and then a link");
    append(&mut tar, "b.jpg", b"another file");
    for (kind, name) in [(EntryType::Symlink, "./a.jpg"), (EntryType::Link, "c.jpg")] {
        tar.append_link(&mut header(kind, 0), name, "b.jpg").unwrap();
    }
    append(&mut tar, "c.jpg", b"a link and then a file");
    let (listed, broken) = listed("links.tar", &tar.into_inner().unwrap(), &Options::default()).await;
    let ids: Vec<&str> = listed.items.iter().map(|item| item.id.as_str()).collect();
    assert_eq!((ids, broken), (vec!["links.tar/b.jpg", "links.tar/c.jpg"], None));
    let counted = &listed.left_out.in_archives;
    assert_eq!((counted["links"], counted["members that later ones of the same name replace"]), (2, 1));
}

#[tokio::test]
async fn a_sparse_file_is_a_reject_by_its_own_name() {
    let mut tar = Builder::new(Vec::new());
    // As GNU tar writes them: formats 0.0, 0.1 and 1.0 of PAX, and its own one.
    for (name, extensions) in [
        ("0.0.jpg", &[("GNU.sparse.size", "512"), ("GNU.sparse.numblocks", "0")][..]),
        ("GNUSparseFile.1/0.1.jpg", &[("GNU.sparse.size", "512"), ("GNU.sparse.name", "0.1.jpg")]),
        ("GNUSparseFile.2/1.0.jpg", &[("GNU.sparse.major", "1"), ("GNU.sparse.name", "./1.0.jpg")]),
    ] {
        tar.append_pax_extensions(extensions.iter().map(|(key, value)| (*key, value.as_bytes()))).unwrap();
        append(&mut tar, name, b"0\n");
    }
    let mut own = header(EntryType::GNUSparse, 0);
    own.as_gnu_mut().unwrap().set_real_size(0);
    tar.append_data(&mut own, "own.jpg", &b""[..]).unwrap();
    let store = store(&[("sparse.tar", &tar.into_inner().unwrap())]);
    let images = Images::new(&store);
    let outcomes = read(&images, &list(&images, &Options::default()).await.items).await;
    let ids: Vec<&str> = outcomes.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(ids, ["0.0.jpg", "0.1.jpg", "1.0.jpg", "own.jpg"].map(|name| format!("sparse.tar/{name}")));
    for (id, _, outcome) in outcomes {
        let reject = outcome.unwrap_err();
        assert!(reject.reason == RejectReason::Unsupported && reject.detail.contains("sparse"), "{id}: {reject}");
    }
}
