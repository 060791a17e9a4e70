//! Labels and paths that a user gives: they alone say what images are called and which are meant.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pomona_dataset::{Images, Listed, Source};
use pomona_run::Options;
use pomona_store::testing::MemoryStore;
use pomona_terms::RejectReason;
use tar::{Builder, Header};

fn store() -> MemoryStore {
    let mut tar = Builder::new(Vec::new());
    for name in ["x/1.jpg", "x/2.jpg"] {
        let mut header = Header::new_gnu();
        header.set_size(4);
        tar.append_data(&mut header, name, &b"four"[..]).unwrap();
    }
    let files = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/notes.txt"].map(|key| (key.to_owned(), "a file".into()));
    let mut objects = BTreeMap::from(files);
    objects.insert("more.tar".to_owned(), tar.into_inner().unwrap().into());
    MemoryStore::new("in", objects)
}

fn labels(listed: &Listed) -> Vec<(&str, &str)> {
    listed.items.iter().map(|item| (item.id.as_str(), &*item.label)).collect()
}

#[tokio::test]
async fn labels_that_are_given_are_all_labels_and_what_has_none_is_counted() {
    let given = [("a/1.jpg", "pear"), ("more.tar/x/2.jpg", "plum"), ("gone.jpg", "fig"), ("b/notes.txt", "note")];
    let given: HashMap<String, String> = given.map(|(path, label)| (path.to_owned(), label.to_owned())).into();
    let store = store();
    let images = Images::new(&store).with_labels(Some(&given));
    for limit in [None, Some(4)] {
        let listed = images.list(&Options { limit, ..Options::default() }, &|| {}).await.unwrap();
        if limit.is_none() {
            let expected = [
                ("a/1.jpg", "pear"),
                ("a/2.jpg", ""),
                ("b/1.jpg", ""),
                ("more.tar/x/1.jpg", ""),
                ("more.tar/x/2.jpg", "plum"),
            ];
            assert_eq!(labels(&listed), expected);
        }
        // A sample has an image of each label at least.
        let found: BTreeSet<&str> = labels(&listed).into_iter().map(|(_, label)| label).collect();
        assert_eq!(found, BTreeSet::from(["", "pear", "plum"]));
        assert_eq!((listed.left_out.unlabelled, listed.left_out.labels_of_nothing), (3, 2));
        let notices = listed.left_out.notices().join("\n");
        assert!(notices.contains("3 images have no row in --labels") && notices.contains("2 rows"), "{notices}");
    }
}

#[tokio::test]
async fn a_list_names_files_members_and_archives_and_what_is_not_there_is_a_reject() {
    let store = store();
    for (list, expected) in [
        (&["a/2.jpg", "b/1.jpg"][..], &["a/2.jpg", "b/1.jpg"][..]),
        (&["more.tar/x/2.jpg"], &["more.tar/x/2.jpg"]),
        (&["more.tar", "a/1.jpg"], &["a/1.jpg", "more.tar/x/1.jpg", "more.tar/x/2.jpg"]),
        (&["a/1.jpg", "a/3.jpg", "more.tar/x/3.jpg"], &["a/1.jpg", "a/3.jpg", "more.tar/x/3.jpg"]),
    ] {
        let list: BTreeSet<String> = list.iter().map(|path| (*path).to_owned()).collect();
        let images = Images::new(&store).with_list(Some(&list));
        let listed = images.list(&Options::default(), &|| {}).await.unwrap();
        let ids: Vec<&str> = listed.items.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(ids, expected);
        assert!(listed.odd_folders.is_empty());
        for item in listed.items.iter().filter(|item| item.id.ends_with("3.jpg")) {
            let read = images.reader(&[item]).read(&[item]).await.unwrap();
            let reject = read[0].as_ref().unwrap_err();
            assert!(reject.reason == RejectReason::Unreadable && reject.detail.contains("not there"), "{reject}");
        }
        let sampled = images.list(&Options { limit: Some(1), ..Options::default() }, &|| {}).await.unwrap();
        assert!(sampled.items.len() == 1 && expected.contains(&sampled.items[0].id.as_str()));
    }
}
