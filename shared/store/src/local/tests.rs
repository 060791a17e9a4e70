use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::Entry;

/// A store over an empty folder, which remembers etags in another temporary folder.
struct Fixture {
    store: LocalStore,
    root: PathBuf,
    memos: PathBuf,
    _temporary: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let root = temporary.path().canonicalize().expect("the folder's path").join("data");
        let memos = temporary.path().join("cache/etags");
        LocalStore::create(&root).expect("the folder is made");
        let store = open(&root, Some(&memos));
        Self { store, root, memos, _temporary: temporary }
    }

    fn write(&self, key: &str, content: &str) -> PathBuf {
        let path = self.root.join(key);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, content).expect("a file");
        path
    }

    async fn list(&self) -> Vec<Object> {
        self.store.list("", &|_| true).await.expect("listing")
    }

    async fn keys(&self) -> Vec<String> {
        self.list().await.into_iter().map(|object| object.key).collect()
    }

    /// The one memo file.
    fn memo(&self) -> PathBuf {
        let mut files = fs::read_dir(&self.memos).expect("the folder of memos");
        files.next().expect("a memo").expect("a memo").path()
    }
}

fn open(root: &Path, memos: Option<&Path>) -> LocalStore {
    let folder = Folder {
        location: root.display().to_string(),
        root: root.to_owned(),
        memos: memos.map(Path::to_owned),
        verified: Mutex::default(),
        durable: Mutex::default(),
    };
    LocalStore { folder: Arc::new(folder) }
}

/// Waits until what was written so far may be remembered.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(3_100)).await;
}

/// SHA-256 of "abc": FIPS 180-2, appendix B.1.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[tokio::test]
async fn an_etag_is_the_contents_sha256() {
    let fixture = Fixture::new();
    fixture.write("a", "abc");
    assert_eq!(fixture.list().await[0].etag.as_deref(), Some(ABC));
    assert_eq!(fixture.store.get("a").await.expect("get").etag(), ABC);
    assert_eq!(fixture.store.get_if_match("a", ABC).await.expect("get"), "abc");
}

#[tokio::test]
async fn a_remembered_etag_needs_no_reading() {
    let fixture = Fixture::new();
    fixture.write("a", "abc");
    settle().await;
    let honest = fixture.list().await;

    // A memo that says otherwise is believed, which shows that the file is not read.
    let mut memo = Memo::load(Some(&fixture.memos), &fixture.root);
    let hash = memo.hash_of_all([7; 32]);
    memo.save();
    let remembered = fixture.list().await;
    assert_eq!(remembered[0].etag, Some(hash::hex(&hash)));
    assert_ne!(remembered, honest);
}

#[tokio::test]
async fn a_change_that_restores_size_and_time_is_noticed() {
    let fixture = Fixture::new();
    let path = fixture.write("a", "xyz");
    settle().await;
    let before = fixture.list().await;
    let modified = fs::metadata(&path).and_then(|metadata| metadata.modified()).expect("a time");

    fs::write(&path, "abc").expect("an edit in place");
    File::options().write(true).open(&path).and_then(|file| file.set_modified(modified)).expect("the time set back");
    let after = fixture.list().await;
    assert_ne!(before[0].etag.as_deref(), Some(ABC));
    assert_eq!(after[0].etag.as_deref(), Some(ABC));
}

#[tokio::test]
async fn a_file_that_just_changed_is_not_remembered() {
    let fixture = Fixture::new();
    fixture.write("a", "abc");
    fixture.list().await;
    assert!(!fixture.memos.exists());
}

#[tokio::test]
async fn a_damaged_memo_is_ignored() {
    let fixture = Fixture::new();
    fixture.write("a", "abc");
    settle().await;
    fixture.list().await;
    let memo = fixture.memo();
    let good = fs::read(&memo).expect("the memo");
    let mut flipped = good.clone();
    flipped[60] ^= 1;
    for damaged in [&[][..], b"nonsense", &good[..good.len() - 1], &flipped] {
        fs::write(&memo, damaged).expect("a damaged memo");
        assert_eq!(fixture.list().await[0].etag.as_deref(), Some(ABC));
    }
    assert_eq!(fs::read(&memo).expect("the memo"), good, "it was written anew");
}

#[tokio::test]
async fn a_missing_or_unusable_cache_is_ignored() {
    let fixture = Fixture::new();
    let file = fixture.write("a", "abc");
    settle().await;
    for memos in [None, Some(file.as_path())] {
        let listing = open(&fixture.root, memos).list("", &|_| true).await.expect("listing");
        assert_eq!(listing[0].etag.as_deref(), Some(ABC));
    }
}

#[tokio::test]
async fn etags_are_computed_for_kept_files_only() {
    let fixture = Fixture::new();
    fixture.write("a.jpg", "abc");
    fixture.write("b.txt", "abc");
    settle().await;
    fixture.store.list("", &|entry| entry.key().ends_with(".jpg")).await.expect("listing");
    let records = Memo::load(Some(&fixture.memos), &fixture.root).len();
    assert_eq!(records, 1);
}

#[tokio::test]
async fn links_are_followed_but_never_in_circles() {
    let fixture = Fixture::new();
    let elsewhere = tempfile::tempdir().expect("another folder");
    fs::write(elsewhere.path().join("x"), "abc").expect("a file");
    fixture.write("real/a", "abc");
    symlink(elsewhere.path(), fixture.root.join("linked")).expect("a link to a folder");
    symlink(elsewhere.path().join("x"), fixture.root.join("y")).expect("a link to a file");
    symlink(&fixture.root, fixture.root.join("real/round")).expect("a link back");
    symlink("real", fixture.root.join("twice")).expect("a second way to a folder");
    assert_eq!(fixture.keys().await, ["linked/x", "real/a", "twice/a", "y"]);
    assert_eq!(fixture.store.get("linked/x").await.expect("get").bytes, "abc");

    // Written through a link, the link is replaced and its target stays.
    fixture.store.put("y", "new".into()).await.expect("put");
    assert_eq!(fs::read(elsewhere.path().join("x")).expect("the target"), b"abc");
    fixture.store.copy("linked/x", "copy").await.expect("copy");
    fs::write(elsewhere.path().join("x"), "edited").expect("an edit");
    assert_eq!(fixture.store.get("y").await.expect("get").bytes, "new");
}

#[tokio::test]
async fn what_cannot_be_read_is_listed_without_an_etag_and_is_an_error() {
    let fixture = Fixture::new();
    symlink("nowhere", fixture.root.join("broken.jpg")).expect("a broken link");
    symlink("circle.jpg", fixture.root.join("circle.jpg")).expect("a link to itself");
    for name in [b"\xE9t\xE9.jpg", b"\xE8t\xE8.jpg"] {
        fs::write(fixture.root.join(OsStr::from_bytes(name)), "abc").expect("a Latin-1 name");
    }
    fixture.write("fine.jpg", "abc");

    let listing = fixture.list().await;
    let keys: Vec<_> = listing.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(
        keys,
        ["broken.jpg", "circle.jpg", "fine.jpg", "\u{FFFD}E8t\u{FFFD}E8.jpg", "\u{FFFD}E9t\u{FFFD}E9.jpg"]
    );
    for object in listing.iter().filter(|object| object.key != "fine.jpg") {
        assert_eq!(object.etag, None, "{object:?}");
        let read = fixture.store.get(&object.key).await;
        assert!(matches!(read, Err(Error::NotFound { .. } | Error::Other { .. })), "{read:?}");
    }
}

#[tokio::test]
async fn lacking_rights_deny_a_file_and_fail_a_folder() {
    if as_ordinary_user("local::tests::lacking_rights_deny_a_file_and_fail_a_folder") {
        return;
    }
    let fixture = Fixture::new();
    let file = fixture.write("a.jpg", "abc");
    let folder = fixture.write("closed/b.jpg", "abc").parent().expect("a parent").to_owned();
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
    set_mode(&file, 0o000);
    assert_eq!(fixture.list().await[0], Object { key: "a.jpg".into(), size: 3, etag: None });
    assert!(matches!(fixture.store.get_if_match("a.jpg", ABC).await, Err(Error::Denied { .. })));
    assert!(matches!(fixture.store.get("a.jpg").await, Err(Error::Denied { .. })));
    set_mode(&folder, 0o000);
    let listing = fixture.store.list("", &|_| true).await;
    assert!(matches!(&listing, Err(Error::Denied { key, .. }) if key == "closed/"), "{listing:?}");
    set_mode(&folder, 0o500);
    assert!(matches!(fixture.store.put("closed/c", "x".into()).await, Err(Error::Denied { .. })));
    set_mode(&folder, 0o700);
}

/// Where this process may open everything, runs the test again as a user who may not, and says so.
fn as_ordinary_user(test: &str) -> bool {
    let closed = tempfile::NamedTempFile::new().expect("a file");
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o000)).expect("mode");
    if File::open(closed.path()).is_err() {
        return false;
    }
    const NOBODY: u32 = 65_534;
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("mode");
    let program = folder.path().join("test");
    fs::copy(std::env::current_exe().expect("this program"), &program).expect("a copy");
    let output = Command::new(program)
        .args(["--exact", test])
        .env("TMPDIR", folder.path())
        .current_dir(folder.path())
        .gid(NOBODY)
        .uid(NOBODY)
        .output()
        .expect("the test runs");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && report.contains("1 passed"), "{report}");
    true
}

/// What a listing comes across, as debug output shows it.
async fn entries(fixture: &Fixture) -> Vec<String> {
    let entries = std::sync::Mutex::new(Vec::new());
    let keep = |entry: Entry<'_>| {
        entries.lock().expect("entries").push(format!("{entry:?}"));
        true
    };
    fixture.store.list("", &keep).await.expect("listing");
    entries.into_inner().expect("entries")
}

#[tokio::test]
async fn folders_links_without_a_target_and_pipes_are_shown_but_not_listed() {
    let fixture = Fixture::new();
    fixture.write("real/a", "abc");
    fs::create_dir(fixture.root.join("empty")).expect("a folder");
    symlink("nowhere", fixture.root.join("gone")).expect("a broken link");
    symlink("..", fixture.root.join("real/up")).expect("a link back");
    assert!(Command::new("mkfifo").arg(fixture.root.join("pipe")).status().expect("mkfifo").success());
    let expected = [
        r#"Folder("empty/")"#,
        r#"Unreachable("gone")"#,
        r#"Special("pipe")"#,
        r#"Folder("real/")"#,
        r#"File("real/a")"#,
        r#"Listed("real/up/")"#,
    ];
    assert_eq!(entries(&fixture).await, expected);
    assert_eq!(fixture.keys().await, ["gone", "real/a"]);
    // Nobody looks again and again whether they are there.
    for none in ["gone", "empty", "pipe"] {
        let created = fixture.store.create(none, "content".into()).await;
        assert!(matches!(created, Err(Error::Invalid { .. })), "{none}: {created:?}");
    }
}

#[tokio::test]
async fn folders_that_link_to_one_another_are_followed_one_link_far() {
    let fixture = Fixture::new();
    for from in 0..7 {
        fixture.write(&format!("{from}/image"), "abc");
        for to in (0..7).filter(|to| *to != from) {
            symlink(format!("../{to}"), fixture.root.join(format!("{from}/to{to}"))).expect("a link");
        }
    }
    // Each folder by its own name, and by the six links to it.
    assert_eq!(fixture.keys().await.len(), 7 + 7 * 6);
}

#[tokio::test]
async fn of_links_in_a_linked_folder_each_leads_on_once() {
    let fixture = Fixture::new();
    let elsewhere = tempfile::tempdir().expect("another folder");
    for name in ["a", "b", "c"] {
        fs::create_dir(elsewhere.path().join(name)).expect("a folder");
        fs::write(elsewhere.path().join(name).join("image"), "abc").expect("a file");
        for other in ["a", "b", "c"].into_iter().filter(|other| *other != name) {
            symlink(elsewhere.path().join(other), elsewhere.path().join(name).join(other)).expect("a link");
        }
    }
    symlink(elsewhere.path().join("a"), fixture.root.join("a")).expect("a link to a folder");
    assert_eq!(fixture.keys().await, ["a/b/c/image", "a/b/image", "a/image"]);
}

#[tokio::test]
async fn a_path_too_long_for_the_system_is_one_object_that_cannot_be_read() {
    let fixture = Fixture::new();
    fixture.write("fine", "abc");
    // Made step by step, for no single call takes such a path.
    let script = "import os\nfor _ in range(20):\n    os.mkdir('d' * 250); os.chdir('d' * 250)\nopen('a.jpg', 'w')";
    let made = Command::new("python3").args(["-c", script]).current_dir(&fixture.root).status().expect("python3");
    assert!(made.success());
    let keys = fixture.keys().await;
    assert_eq!((keys.len(), keys[1].as_str()), (2, "fine"));
    assert!(Command::new("rm").arg("-r").arg(fixture.root.join("d".repeat(250))).status().expect("rm").success());
}

#[tokio::test]
async fn a_file_that_would_block_is_an_error_at_once() {
    let fixture = Fixture::new();
    symlink("/proc/kmsg", fixture.root.join("x.jpg")).expect("a link");
    let listing = tokio::time::timeout(std::time::Duration::from_secs(20), fixture.list()).await.expect("in time");
    // As another user, or in a container, it may not even be opened.
    assert_eq!((listing.len(), listing[0].etag.as_deref()), (1, None));
    assert!(fixture.store.get("x.jpg").await.is_err());
}

#[tokio::test]
async fn pipes_are_no_objects_and_hold_up_nothing() {
    let fixture = Fixture::new();
    let made = Command::new("mkfifo").arg(fixture.root.join("pipe.jpg")).status().expect("mkfifo");
    assert!(made.success());
    assert!(fixture.keys().await.is_empty());
    assert!(matches!(fixture.store.get("pipe.jpg").await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn unfinished_writes_are_not_listed_and_go_after_a_day() {
    let fixture = Fixture::new();
    let left_behind = fixture.write("d/.pomona-tmp-killed", "half");
    fixture.write("d/a", "abc");
    assert_eq!(fixture.keys().await, ["d/a"]);

    write::remove_abandoned(&fixture.root, SystemTime::now());
    assert!(left_behind.exists());
    write::remove_abandoned(&fixture.root, SystemTime::now() + Duration::from_secs(25 * 60 * 60));
    assert!(!left_behind.exists());
    let left_behind = fixture.write("d/.pomona-tmp-killed", "half");
    fixture.store.settle(&|_| true).await.expect("nobody writes");
    assert!(!left_behind.exists());
    assert_eq!(fixture.keys().await, ["d/a"]);
}

#[tokio::test]
async fn writes_leave_no_temporary_files() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.put("a", "1".into()).await.expect("put");
    store.create("a", "2".into()).await.expect_err("it exists");
    store.replace("a", "3".into(), "stale").await.expect_err("it differs");
    store.copy("a", "b").await.expect("copy");
    store.copy("a", "b").await.expect("copy onto the same file");
    let names: Vec<_> =
        fs::read_dir(&fixture.root).expect("the folder").map(|entry| entry.expect("entry").file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[tokio::test]
async fn written_files_have_the_users_default_mode() {
    let fixture = Fixture::new();
    let expected = fs::metadata(fixture.write("plain", "x")).expect("metadata").permissions();
    fixture.store.put("a", "x".into()).await.expect("put");
    assert_eq!(fs::metadata(fixture.root.join("a")).expect("metadata").permissions(), expected);
}

#[tokio::test]
async fn a_copy_takes_no_space_where_the_file_system_has_links() {
    let fixture = Fixture::new();
    fixture.store.put("a", "x".into()).await.expect("put");
    fixture.store.copy("a", "d/b").await.expect("copy");
    let inode = |key| std::os::unix::fs::MetadataExt::ino(&fs::metadata(fixture.root.join(key)).expect("metadata"));
    assert_eq!(inode("a"), inode("d/b"));
}

#[tokio::test]
async fn replacements_through_separately_opened_stores_exclude_each_other() {
    let fixture = Fixture::new();
    fixture.store.put("counter", "0".into()).await.expect("put");
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = LocalStore::open(&fixture.root).expect("the folder opens");
        workers.spawn(async move {
            let mut done = 0;
            while done < 10 {
                let stored = store.get("counter").await.expect("get");
                let count: u32 = String::from_utf8_lossy(&stored.bytes).parse().expect("a number");
                match store.replace("counter", (count + 1).to_string().into(), &stored.etag()).await {
                    Ok(()) => done += 1,
                    Err(error) => assert!(matches!(error, Error::Changed { .. }), "{error}"),
                }
            }
        });
    }
    workers.join_all().await;
    assert_eq!(fixture.store.get("counter").await.expect("get").bytes, "40");
}

#[tokio::test]
async fn a_file_and_a_folder_of_one_name_are_refused() {
    let fixture = Fixture::new();
    fixture.store.put("a/b", "x".into()).await.expect("put");
    for key in ["a", "a/b/c"] {
        for result in [fixture.store.put(key, "y".into()).await, fixture.store.create(key, "y".into()).await] {
            assert!(matches!(result, Err(Error::Invalid { .. } | Error::AlreadyExists { .. })), "{key}: {result:?}");
        }
    }
    assert_eq!(fixture.store.get("a/b").await.expect("get").bytes, "x");
}

#[test]
fn what_the_machine_lacks_says_nothing_of_the_file() {
    let fixture = Fixture::new();
    let failed = |number| fixture.store.folder.failed("read", "a.jpg", io::Error::from_raw_os_error(number));
    for number in [libc::EMFILE, libc::ENFILE] {
        let error = failed(number);
        assert!(error.is_retryable() && error.to_string().contains("ulimit -n"), "{error}");
    }
    for number in [libc::ENOMEM, libc::ESTALE, libc::ENOTCONN, libc::ETIMEDOUT, libc::EHOSTUNREACH, libc::ENETDOWN] {
        assert!(failed(number).is_retryable() && !failed(number).is_about_object(), "{}", failed(number));
    }
    for number in [libc::EIO, libc::EACCES, libc::ELOOP, libc::ENAMETOOLONG, libc::ENOENT] {
        assert!(failed(number).is_about_object(), "{}", failed(number));
    }
}

#[test]
fn a_name_too_long_and_a_full_disk_have_clear_messages() {
    let fixture = Fixture::new();
    let folder = &fixture.store.folder;
    let long = folder.read(&"x".repeat(300)).expect_err("too long");
    assert!(matches!(long, Error::Invalid { .. }), "{long}");
    let full = folder.failed("write", "a", io::Error::from(io::ErrorKind::StorageFull)).to_string();
    assert!(full.starts_with("no space left to write \"a\" in "), "{full}");
}

#[test]
fn a_folder_is_locked_by_one_at_a_time() {
    let fixture = Fixture::new();
    let second = LocalStore::open(&fixture.root).expect("the folder opens");
    let held = fixture.store.try_lock().expect("lock").expect("nobody holds it");
    assert!(second.try_lock().expect("lock").is_none());
    drop(held);
    assert!(second.try_lock().expect("lock").is_some());
}

#[test]
fn a_location_that_is_no_folder_is_refused_by_name() {
    let fixture = Fixture::new();
    let file = fixture.write("file", "x");
    for path in [fixture.root.join("none"), file.clone()] {
        let error = LocalStore::open(&path).expect_err("no folder").to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
    assert!(matches!(LocalStore::create(file.join("below")), Err(Error::Location { .. })));
}

/// Half of what was written would be taken for all of it.
#[tokio::test]
async fn a_folder_that_is_gone_is_not_made_again() {
    let fixture = Fixture::new();
    fixture.store.put("a", "abc".into()).await.expect("put");
    fs::remove_dir_all(&fixture.root).expect("the folder goes");
    let error = fixture.store.put("d/b", "abc".into()).await.expect_err("gone").to_string();
    assert!(error.contains("the folder is gone"), "{error}");
    assert!(!fixture.root.exists());
}

#[tokio::test]
async fn what_is_no_file_is_not_taken_for_one_that_exists() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.root.join("latest.json")).expect("a folder");
    let created = fixture.store.create("latest.json", "{}".into()).await;
    assert!(matches!(created, Err(Error::Invalid { .. })), "{created:?}");
}
