//! What every store must do, as functions that panic where one does not.
//!
//! [`conformance_tests!`](crate::conformance_tests) makes a test of each. Each works below a prefix of its own name, so
//! that all can share one store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::{Error, Object, Store};

/// Makes a test of every function of the suite.
///
/// `$open` is a function that gives `(Arc<dyn Store>, guard)`, run inside a Tokio runtime; the guard lives as long as
/// the test.
#[macro_export]
macro_rules! conformance_tests {
    ($open:path) => {
        $crate::conformance_tests!($open:
            listings_are_sorted_by_key_bytes,
            listings_of_more_than_a_page_are_complete,
            listings_end_at_the_prefix,
            listings_show_what_keep_accepts,
            prefixes_are_empty_or_end_with_a_slash,
            odd_keys_keep_their_names,
            keys_that_name_nothing_are_refused,
            missing_objects_are_told_apart_from_failures,
            objects_that_are_read_together_have_an_outcome_each,
            the_start_of_an_object_is_at_most_all_of_it,
            a_range_is_that_of_the_content_that_was_listed,
            an_object_that_is_found_is_as_it_is_listed,
            sizes_are_those_of_a_listing,
            an_overwritten_object_shows_its_new_content_and_etag,
            an_object_is_created_once,
            a_replacement_and_a_deletion_need_the_current_etag,
            of_concurrent_creations_one_wins,
            of_concurrent_replacements_one_wins,
            a_copy_outlives_changes_of_its_source,
            a_refreshed_object_keeps_its_content,
            an_empty_object_is_an_object,
            large_objects_come_back_whole_and_keep_conditions,
            readers_never_see_a_mixture,
            all_that_was_written_can_be_read_and_deleted_for_good,
        );

        #[test]
        fn any_history_leaves_what_a_map_would() {
            let runtime = ::tokio::runtime::Runtime::new().expect("a runtime");
            let (store, _guard) = runtime.block_on(async { $open().await });
            $crate::testing::histories::any_history_leaves_what_a_map_would(&runtime, store);
        }
    };
    ($open:path: $($name:ident),+ $(,)?) => {$(
        #[test]
        fn $name() {
            let runtime = ::tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let (store, _guard) = $open().await;
                $crate::testing::conformance::$name(store).await;
            });
        }
    )+};
}

type Shared = Arc<dyn Store>;

async fn keys(store: &Shared, prefix: &str) -> Vec<String> {
    let objects = store.list(prefix, &|_| true).await.expect("listing");
    objects.into_iter().map(|object| object.key).collect()
}

async fn put_all(store: &Shared, keys: impl IntoIterator<Item = String>) {
    let mut writes = JoinSet::new();
    for key in keys {
        if writes.len() == 16 {
            writes.join_next().await;
        }
        let store = store.clone();
        writes.spawn(async move { store.put(&key, key.clone().into()).await.expect("put") });
    }
    writes.join_all().await;
}

async fn etag(store: &Shared, key: &str) -> String {
    store.get(key).await.expect("get").etag()
}

/// Where a store keeps what was replaced and deleted, that is shown as well.
pub async fn all_that_was_written_can_be_read_and_deleted_for_good(store: Shared) {
    for (key, content) in
        [("replaced", "one"), ("replaced", "another"), ("a +%25\u{e9}.txt", "once"), ("deleted", "gone")]
    {
        store.put(&format!("versions/{key}"), content.into()).await.expect("put");
    }
    store.delete("versions/deleted").await.expect("delete");
    let versions = store.versions("versions/").await.expect("listing");
    let mut contents = Vec::new();
    for version in versions.iter().filter(|version| version.is_content()) {
        let bytes = store.get_version(version).await.expect("get");
        assert_eq!(bytes.len() as u64, version.size);
        contents.push((version.key.as_str(), bytes, version.is_current()));
    }
    let once = ("versions/a +%25\u{e9}.txt", "once".into(), true);
    let replaced = |content: &'static str, is_current| ("versions/replaced", Bytes::from(content), is_current);
    if contents.len() == 2 {
        assert_eq!(contents, [once, replaced("another", true)]);
    } else {
        let deleted = ("versions/deleted", "gone".into(), false);
        assert_eq!(contents, [once, deleted, replaced("one", false), replaced("another", true)]);
        assert_eq!(versions.len(), 5, "and a mark that one was deleted");
    }
    for version in &versions {
        store.delete_version(version).await.expect("delete");
        store.delete_version(version).await.expect("it is gone already");
    }
    assert_eq!(store.versions("versions/").await.expect("listing"), []);
    let gone = store.get_version(&versions[0]).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
}

/// Order by UTF-8 bytes, which differs from order by folder and, beyond U+FFFF, from order by UTF-16 units.
pub async fn listings_are_sorted_by_key_bytes(store: Shared) {
    let mut expected: Vec<String> =
        ["a/z", "a-b", "a.b", "a0", "A", "B/1/2/3", "b", "é", "\u{FF5E}", "\u{1F600}", "a/b/c"]
            .map(|key| format!("sorted/{key}"))
            .into();
    put_all(&store, expected.clone()).await;
    expected.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    assert_eq!(keys(&store, "sorted/").await, expected);
}

/// S3 lists a thousand objects at a time.
pub async fn listings_of_more_than_a_page_are_complete(store: Shared) {
    let flat = (0..1_203).map(|i| format!("pages/flat/{i:05}.jpg"));
    let folders = (0..21).map(|i| format!("pages/{i:02}/x.jpg"));
    let mut expected: Vec<_> = flat.chain(folders).collect();
    put_all(&store, expected.clone()).await;
    expected.sort();
    let listing = store.list("pages/", &|_| true).await.expect("listing");
    assert_eq!(listing.iter().map(|object| object.key.clone()).collect::<Vec<_>>(), expected);
    assert!(listing.iter().all(|object| object.size == object.key.len() as u64 && object.etag.is_some()));
}

/// Siblings whose names begin alike stay out.
pub async fn listings_end_at_the_prefix(store: Shared) {
    put_all(&store, ["end/a/1", "end/ab/2", "end/a.3", "endless"].map(String::from)).await;
    assert_eq!(keys(&store, "end/a/").await, ["end/a/1"]);
    assert_eq!(keys(&store, "end/").await, ["end/a.3", "end/a/1", "end/ab/2"]);
    assert!(keys(&store, "end/b/").await.is_empty());
    assert!(keys(&store, "no/such/prefix/").await.is_empty());
    assert!(keys(&store, "").await.contains(&"endless".to_owned()));
}

/// `keep` is asked with keys relative to the store.
pub async fn listings_show_what_keep_accepts(store: Shared) {
    put_all(&store, ["keep/a.jpg", "keep/b.txt", "keep/c/d.jpg"].map(String::from)).await;
    let images = store
        .list("keep/", &|entry| entry.key().starts_with("keep/") && entry.key().ends_with(".jpg"))
        .await
        .expect("listing");
    assert_eq!(images.iter().map(|object| &object.key).collect::<Vec<_>>(), ["keep/a.jpg", "keep/c/d.jpg"]);
}

/// Anything else would mean different things to a folder and to a bucket.
pub async fn prefixes_are_empty_or_end_with_a_slash(store: Shared) {
    for prefix in ["a", "/", "a//", "../"] {
        let listing = store.list(prefix, &|_| true).await;
        assert!(matches!(listing, Err(Error::Invalid { .. })), "{prefix:?}: {listing:?}");
    }
}

/// Characters that URLs, headers, XML and shells treat specially.
const ODD_NAMES: &[&str] = &[
    "a b",
    " a",
    "a ",
    "a+b",
    "a%b",
    "a%2Fb",
    "a%20b",
    "a&b=c;d",
    "a?b#c",
    "a:b@c,d",
    "$a!*'()",
    "\"quoted\"",
    "<tag>",
    "~a",
    "back\\slash",
    "new\nline",
    "tab\t",
    "return\r",
    "{a}[b]|^`",
    "...",
    "-",
    "é",
    "e\u{301}",
    "日本語",
    "\u{1F600}",
    "a=b/c+d/e f",
];

/// Every operation and both ways of naming an object in S3 (a path, a header) take any key.
pub async fn odd_keys_keep_their_names(store: Shared) {
    for name in ODD_NAMES {
        let (key, copy) = (format!("odd/{name}.jpg"), format!("odd-copies/{name}.jpg"));
        let content = Bytes::from(key.clone());
        store.put(&key, content.clone()).await.unwrap_or_else(|error| panic!("put {key:?}: {error}"));
        store.copy(&key, &copy).await.unwrap_or_else(|error| panic!("copy {key:?}: {error}"));
        for (folder, key) in [("odd/", &key), ("odd-copies/", &copy)] {
            let stored = store.get(key).await.unwrap_or_else(|error| panic!("get {key:?}: {error}"));
            assert_eq!(stored.bytes, content, "{key:?}");
            assert!(store.exists(key).await.expect("exists"), "{key:?}");
            let listed = store.list(folder, &|listed| listed.key() == key).await.expect("listing");
            assert_eq!(listed, [Object { key: key.clone(), size: content.len() as u64, etag: Some(stored.etag()) }]);
        }
        store.delete(&copy).await.unwrap_or_else(|error| panic!("delete {copy:?}: {error}"));
    }
    let mut expected: Vec<_> = ODD_NAMES.iter().map(|name| format!("odd/{name}.jpg")).collect();
    expected.sort();
    assert_eq!(keys(&store, "odd/").await, expected);
    assert!(keys(&store, "odd-copies/").await.is_empty());
}

/// No write can leave the location or end under a name that a listing would not show.
pub async fn keys_that_name_nothing_are_refused(store: Shared) {
    store.put("refused", "x".into()).await.expect("put");
    for key in ["", "/a", "a/", "a//b", "..", "../a", "a/../b", "./a", "a\0b", ".pomona-tmp-a"] {
        let results = [
            store.put(key, "x".into()).await,
            store.create(key, "x".into()).await,
            store.replace(key, "x".into(), "etag").await,
            store.copy("refused", key).await,
            store.delete(key).await,
            store.delete_if_match(key, "etag").await,
        ];
        for result in results {
            assert!(matches!(result, Err(Error::Invalid { .. })), "{key:?}: {result:?}");
        }
    }
}

/// Absence has its own answer in every operation.
pub async fn missing_objects_are_told_apart_from_failures(store: Shared) {
    store.put("missing/there", "x".into()).await.expect("put");
    for key in ["missing/a", "missing", "missing/there/below"] {
        assert!(!store.exists(key).await.expect("exists"), "{key:?}");
        assert!(matches!(store.get(key).await, Err(Error::NotFound { .. })), "{key:?}");
        assert!(matches!(store.get_if_match(key, "etag").await, Err(Error::Changed { .. })), "{key:?}");
        assert!(matches!(store.copy(key, "missing/b").await, Err(Error::NotFound { .. })), "{key:?}");
        store.delete(key).await.expect("deleting what is not there");
        store.delete_if_match(key, "etag").await.expect("deleting what is not there");
    }
    assert!(matches!(store.replace("missing/a", "x".into(), "etag").await, Err(Error::Changed { .. })));
    assert_eq!(keys(&store, "missing/").await, ["missing/there"]);
}

/// In the order asked for, whatever became of the others.
pub async fn objects_that_are_read_together_have_an_outcome_each(store: Shared) {
    put_all(&store, ["together/a", "together/b"].map(str::to_owned)).await;
    let (a, b) = (etag(&store, "together/a").await, etag(&store, "together/b").await);
    let wanted =
        [("together/b", &*b), ("together/none", &*a), ("together/a", &*b), ("together/a", &*a), ("together/b", &*b)];
    let read = store.get_all_if_match(&wanted).await.expect("reading");
    let contents: Vec<_> = read.iter().map(|read| read.as_ref().ok().map(Bytes::as_ref)).collect();
    let (a, b): (&[u8], &[u8]) = (b"together/a", b"together/b");
    assert_eq!(contents, [Some(b), None, None, Some(a), Some(b)]);
    let failures: Vec<_> = read.iter().filter_map(|read| read.as_ref().err()).collect();
    assert!(failures.iter().all(|error| matches!(error, Error::Changed { .. })), "{failures:?}");
    assert!(store.get_all_if_match(&[]).await.expect("reading nothing").is_empty());
}

/// Also of an empty object, and of one that ends before.
pub async fn the_start_of_an_object_is_at_most_all_of_it(store: Shared) {
    store.put("start/a", "0123456789".into()).await.expect("put");
    store.put("start/empty", Bytes::new()).await.expect("put");
    for (length, expected) in [(0, ""), (1, "0"), (4, "0123"), (10, "0123456789"), (11, "0123456789")] {
        assert_eq!(store.get_start("start/a", length).await.expect("get"), expected);
        assert_eq!(store.get_start("start/empty", length).await.expect("get"), "");
    }
    assert!(matches!(store.get_start("start/none", 4).await, Err(Error::NotFound { .. })));
}

/// Also where it ends behind the object, or begins there; and not of another content of the same length.
pub async fn a_range_is_that_of_the_content_that_was_listed(store: Shared) {
    let key = "range/a";
    store.put(key, "0123456789".into()).await.expect("put");
    let listed = etag(&store, key).await;
    for (range, expected) in
        [(0..10, "0123456789"), (2..5, "234"), (9..10, "9"), (8..20, "89"), (10..20, ""), (3..3, ""), (12..15, "")]
    {
        assert_eq!(store.get_range(key, &listed, range.clone()).await.expect("get"), expected, "{range:?}");
    }
    store.put(key, "9876543210".into()).await.expect("put");
    assert!(matches!(store.get_range(key, &listed, 0..3).await, Err(Error::Changed { .. })));
    let now = etag(&store, key).await;
    assert_eq!(store.get_range(key, &now, 0..3).await.expect("get"), "987");
    store.delete(key).await.expect("delete");
    assert!(matches!(store.get_range(key, &now, 0..3).await, Err(Error::Changed { .. })));
}

/// Size and etag, and nothing where there is none.
pub async fn an_object_that_is_found_is_as_it_is_listed(store: Shared) {
    store.put("found/a.tar", "0123456789".into()).await.expect("put");
    let listed = store.list("found/", &|_| true).await.expect("list");
    assert_eq!(store.find("found/a.tar").await.expect("find").as_ref(), listed.first());
    for none in ["found/a", "found/a.tar/b", "nowhere"] {
        assert_eq!(store.find(none).await.expect("find"), None, "{none}");
    }
}

/// Of the same objects in the same order.
pub async fn sizes_are_those_of_a_listing(store: Shared) {
    put_all(&store, ["sizes/a", "sizes/a/b"].map(|key| format!("{key}.jpg")).into_iter().chain(["sized".to_owned()]))
        .await;
    store.put("sizes/empty", Bytes::new()).await.expect("put");
    for prefix in ["sizes/", "sizes/a/", "sizes/none/"] {
        let listing = store.list(prefix, &|_| true).await.expect("listing");
        let listed: Vec<(String, u64)> = listing.into_iter().map(|object| (object.key, object.size)).collect();
        assert_eq!(store.sizes(prefix).await.expect("sizes"), listed, "{prefix}");
    }
    assert!(matches!(store.sizes("sizes").await, Err(Error::Invalid { .. })));
}

/// A read and a listing agree on the etag, and the former one no longer opens the object.
pub async fn an_overwritten_object_shows_its_new_content_and_etag(store: Shared) {
    let key = "overwritten/a";
    store.put(key, "first".into()).await.expect("put");
    let first = etag(&store, key).await;
    assert_eq!(store.get_if_match(key, &first).await.expect("get"), "first");

    store.put(key, "second!".into()).await.expect("put");
    let second = store.get(key).await.expect("get");
    assert_eq!(second.bytes, "second!");
    assert_ne!(second.etag(), first);
    let listed = store.list("overwritten/", &|_| true).await.expect("listing");
    assert_eq!(listed, [Object { key: key.into(), size: 7, etag: Some(second.etag()) }]);
    assert!(matches!(store.get_if_match(key, &first).await, Err(Error::Changed { .. })));
    assert_eq!(store.get_if_match(key, &second.etag()).await.expect("get"), "second!");

    store.delete(key).await.expect("delete");
    assert!(matches!(store.get_if_match(key, &second.etag()).await, Err(Error::Changed { .. })));
}

/// A second creation fails and leaves the first one's content.
pub async fn an_object_is_created_once(store: Shared) {
    let key = "created/a";
    store.create(key, "first".into()).await.expect("create");
    assert!(matches!(store.create(key, "second".into()).await, Err(Error::AlreadyExists { .. })));
    assert_eq!(store.get(key).await.expect("get").bytes, "first");
    store.delete(key).await.expect("delete");
    store.create(key, "third".into()).await.expect("create after delete");
    assert_eq!(store.get(key).await.expect("get").bytes, "third");
}

/// By a stale or foreign etag they fail and change nothing.
pub async fn a_replacement_and_a_deletion_need_the_current_etag(store: Shared) {
    let key = "replaced/a";
    store.put(key, "first".into()).await.expect("put");
    let first = etag(&store, key).await;
    store.replace(key, "second".into(), &first).await.expect("replace");
    assert!(matches!(store.replace(key, "third".into(), &first).await, Err(Error::Changed { .. })));
    assert_eq!(store.get(key).await.expect("get").bytes, "second");
    let second = etag(&store, key).await;
    store.replace(key, "third".into(), &second).await.expect("replace");
    assert_eq!(store.get(key).await.expect("get").bytes, "third");
    assert!(matches!(store.delete_if_match(key, &second).await, Err(Error::Changed { .. })));
    let third = etag(&store, key).await;
    for _ in 0..2 {
        store.delete_if_match(key, &third).await.expect("delete what is as it was seen, or gone");
        assert!(!store.exists(key).await.expect("exists"));
    }
}

/// What locks rely on.
pub async fn of_concurrent_creations_one_wins(store: Shared) {
    for round in 0..4 {
        let key = format!("contended/create-{round}");
        let mut tries = JoinSet::new();
        for contender in 0..8 {
            let (store, key) = (store.clone(), key.clone());
            let content = format!("contender {contender}");
            tries.spawn(async move { store.create(&key, content.clone().into()).await.map(|()| content) });
        }
        let winner = only_winner(tries, |error| matches!(error, Error::AlreadyExists { .. })).await;
        assert_eq!(store.get(&key).await.expect("get").bytes, winner);
    }
}

/// What moving a pointer forward relies on.
pub async fn of_concurrent_replacements_one_wins(store: Shared) {
    for round in 0..4 {
        let key = format!("contended/replace-{round}");
        store.put(&key, "former".into()).await.expect("put");
        let former = etag(&store, &key).await;
        let mut tries = JoinSet::new();
        for contender in 0..8 {
            let (store, key, former) = (store.clone(), key.clone(), former.clone());
            let content = format!("contender {contender}");
            tries.spawn(async move { store.replace(&key, content.clone().into(), &former).await.map(|()| content) });
        }
        let winner = only_winner(tries, |error| matches!(error, Error::Changed { .. })).await;
        assert_eq!(store.get(&key).await.expect("get").bytes, winner);
    }
}

async fn only_winner(tries: JoinSet<Result<String, Error>>, lost: impl Fn(&Error) -> bool) -> String {
    let mut winners = Vec::new();
    for result in tries.join_all().await {
        match result {
            Ok(content) => winners.push(content),
            Err(error) => assert!(lost(&error), "{error}"),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    winners.remove(0)
}

/// Of any age, and where there is none.
pub async fn a_refreshed_object_keeps_its_content(store: Shared) {
    store.put("refreshed/a", "content".into()).await.expect("put");
    for age in [Duration::ZERO, Duration::from_secs(86_400)] {
        store.refresh("refreshed/a", age).await.expect("refresh");
        store.refresh("refreshed/missing", age).await.expect("refresh nothing");
    }
    assert_eq!(store.get("refreshed/a").await.expect("get").bytes, "content");
    assert_eq!(keys(&store, "refreshed/").await, ["refreshed/a"]);
}

/// Also over a former object, and onto itself.
pub async fn a_copy_outlives_changes_of_its_source(store: Shared) {
    store.put("copies/a", "content".into()).await.expect("put");
    store.put("copies/d/c", "former".into()).await.expect("put");
    store.copy("copies/a", "copies/d/b").await.expect("copy");
    store.copy("copies/a", "copies/d/c").await.expect("copy over another object");
    store.copy("copies/a", "copies/d/c").await.expect("copy over the same content");
    store.copy("copies/a", "copies/a").await.expect("copy onto itself");
    assert_eq!(keys(&store, "copies/").await, ["copies/a", "copies/d/b", "copies/d/c"]);

    store.put("copies/a", "changed".into()).await.expect("put");
    assert_eq!(store.get("copies/d/b").await.expect("get").bytes, "content");
    store.delete("copies/a").await.expect("delete");
    for key in ["copies/d/b", "copies/d/c"] {
        assert_eq!(store.get(key).await.expect("get").bytes, "content");
    }
    store.put("copies/d/b", "changed".into()).await.expect("put");
    assert_eq!(store.get("copies/d/c").await.expect("get").bytes, "content");
}

/// Listed, read, copied and replaced like any other.
pub async fn an_empty_object_is_an_object(store: Shared) {
    store.put("empty/a", Bytes::new()).await.expect("put");
    store.copy("empty/a", "empty/b").await.expect("copy");
    let listed = store.list("empty/", &|_| true).await.expect("listing");
    assert_eq!(
        listed.iter().map(|object| (object.key.as_str(), object.size)).collect::<Vec<_>>(),
        [("empty/a", 0), ("empty/b", 0)]
    );
    assert!(store.get_if_match("empty/b", listed[1].etag.as_deref().expect("an etag")).await.expect("get").is_empty());
    store.replace("empty/a", Bytes::new(), listed[0].etag.as_deref().expect("an etag")).await.expect("replace");
}

/// Beyond 16 MiB, which S3 is sent in several parts.
pub async fn large_objects_come_back_whole_and_keep_conditions(store: Shared) {
    let numbered = |seed: u32| (0..17 * (1_u32 << 18)).flat_map(|i| (i ^ seed).to_le_bytes()).collect::<Bytes>();
    let (first, second) = (numbered(0), numbered(1));
    let key = "large/a";
    store.create(key, first.clone()).await.expect("create");
    assert!(matches!(store.create(key, second.clone()).await, Err(Error::AlreadyExists { .. })));
    let stored = store.get(key).await.expect("get");
    assert!(stored.bytes == first, "content differs");
    let listed = store.list("large/", &|_| true).await.expect("listing");
    assert_eq!(listed, [Object { key: key.into(), size: first.len() as u64, etag: Some(stored.etag()) }]);

    store.replace(key, second.clone(), &stored.etag()).await.expect("replace");
    assert!(matches!(store.replace(key, first.clone(), &stored.etag()).await, Err(Error::Changed { .. })));
    store.copy(key, "large/b").await.expect("copy");
    assert!(store.get("large/b").await.expect("get").bytes == second, "content differs");
    store.put(key, first.clone()).await.expect("put");
    assert!(store.get(key).await.expect("get").bytes == first, "content differs");
}

/// A reader during overwriting gets one whole version, and its etag.
pub async fn readers_never_see_a_mixture(store: Shared) {
    let key = "mixture/a";
    let version = |i: u8| Bytes::from(vec![i; 100_000 + usize::from(i)]);
    store.put(key, version(0)).await.expect("put");
    let mut tasks = JoinSet::new();
    for reader in 0..3 {
        let store = store.clone();
        tasks.spawn(async move {
            for _ in 0..20 {
                let bytes = store.get(key).await.unwrap_or_else(|error| panic!("reader {reader}: {error}")).bytes;
                let first = bytes[0];
                assert_eq!(bytes.len(), 100_000 + usize::from(first));
                assert!(bytes.iter().all(|byte| *byte == first));
            }
        });
    }
    for i in 1..20 {
        store.put(key, version(i)).await.expect("put");
    }
    tasks.join_all().await;
}
