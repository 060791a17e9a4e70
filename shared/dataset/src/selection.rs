//! Which of the entries at the input are images of the dataset, and what becomes of the others: nothing is left out
//! uncounted.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

use globset::GlobSet;
use pomona_run::counted::counted;
use pomona_run::endings::{IMAGE_ENDINGS, is_unread_format};
use pomona_run::globs::globs;
use pomona_run::{Error, Options};
use pomona_store::Entry;
use pomona_terms::{Reject, RejectReason};
use serde::{Deserialize, Serialize};

use crate::archive::Form;

/// Names that systems and programs give to what they keep beside a user's files; names that begin with a dot are
/// hidden, too.
const SYSTEM_NAMES: [&str; 6] = ["__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "Thumbs.db", "desktop.ini"];

/// What a link is whose target is gone.
pub const BROKEN_LINK: &str = "a link that leads nowhere";

/// Entries at the input that are no images of the dataset, by why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftOut {
    /// Hidden files, and what systems keep beside a user's: `.DS_Store`, `__MACOSX`, `Thumbs.db` and the like.
    pub hidden: u64,
    /// Images that do not match `filter`, or match `exclude`.
    pub filtered: u64,
    /// Files of image types that `extensions` leaves out, by ending.
    pub other_images: BTreeMap<String, u64>,
    /// Files that are no images by their names.
    pub other_files: u64,
    /// Archives, whose members are looked at in their place.
    #[serde(skip_serializing_if = "is_none")]
    pub archives: u64,
    /// What is no file of them, by what it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub in_archives: BTreeMap<String, u64>,
    /// Pipes, sockets and devices.
    pub special: u64,
    /// Links to folders that are listed already.
    pub listed_folders: u64,
    /// Images that the table of labels has no row for.
    #[serde(skip_serializing_if = "is_none")]
    pub unlabelled: u64,
    /// Rows of that table that name no image.
    #[serde(skip_serializing_if = "is_none")]
    pub labels_of_nothing: u64,
    /// Images whose erasure from the results was asked for, which must not come back.
    #[serde(skip_serializing_if = "is_none")]
    pub erased: u64,
    /// Folders that hold neither an image nor a folder, and links that lead nowhere and are no images by their names.
    pub folders: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl LeftOut {
    /// What a user should know, a sentence each. What was asked for, or is no image in anybody's eyes, is not worth
    /// one.
    pub fn notices(&self) -> Vec<String> {
        let mut notices: Vec<String> =
            self.other_images.iter().map(|(ending, count)| of_type(ending, *count)).collect();
        let mut say = |count: u64, one: &str, many: &str| notices.extend(counted(count, one, many));
        say(
            self.hidden,
            "hidden or system file skipped (--include-hidden)",
            "hidden or system files skipped (--include-hidden)",
        );
        say(self.special, "pipe, socket or device skipped", "pipes, sockets or devices skipped");
        say(
            self.listed_folders,
            "link to a folder that is listed already skipped",
            "links to folders that are listed already skipped",
        );
        say(
            self.folders,
            "folder without an image, or link that leads nowhere: see errors/folders.csv",
            "folders without an image, or links that lead nowhere: see errors/folders.csv",
        );
        say(
            self.archives,
            "archive was read as a folder of its members (--exclude leaves it out)",
            "archives were read as folders of their members (--exclude leaves them out)",
        );
        say(
            self.unlabelled,
            "image has no row in --labels, and no label",
            "images have no row in --labels, and no label",
        );
        say(
            self.erased,
            "image was left out because its erasure was asked for (`pomona erase --allow-again` lets it come back)",
            "images were left out because their erasure was asked for (`pomona erase --allow-again` lets them come back)",
        );
        say(self.labels_of_nothing, "row of --labels names no image", "rows of --labels name no image");
        notices.extend(self.in_archives.iter().map(|(what, count)| format!("skipped in archives: {what} ({count})")));
        notices
    }
}

fn of_type(ending: &str, count: u64) -> String {
    let files = if count == 1 { "file" } else { "files" };
    let advice = if is_unread_format(ending) { "a format that is not read" } else { "add them with --extensions" };
    format!("{count} .{ending} {files} skipped; {advice}")
}

/// Decides about each entry of a listing and keeps count; may be asked from several threads.
#[derive(Debug)]
pub struct Selection {
    extensions: Vec<String>,
    filter: Option<GlobSet>,
    exclude: GlobSet,
    include_hidden: bool,
    /// The paths that are wanted, where not all are.
    list: Option<BTreeSet<String>>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    left_out: LeftOut,
    files: u64,
    folders: Vec<String>,
    broken_links: Vec<String>,
    /// Of the list, what was met.
    met: HashSet<String>,
}

/// What a listing left out.
#[derive(Debug, Default)]
pub struct Remainder {
    /// Files of any kind, the images included.
    pub files: u64,
    pub left_out: LeftOut,
    /// Folders that would vanish without a word, by their keys with a slash at their ends, and why nothing of them is
    /// used.
    pub odd_folders: Vec<(String, Reject)>,
    /// Paths of the list that were not met.
    pub missing: Vec<String>,
}

impl Selection {
    /// The selection of what is wanted; of these paths alone, where a `list` of them is given.
    ///
    /// # Errors
    /// [`Error::Option`] when `filter` or `exclude` is not a glob.
    pub fn new(wanted: &Options, list: Option<&BTreeSet<String>>) -> Result<Self, Error> {
        Ok(Self {
            extensions: wanted.extensions.iter().map(|extension| extension.to_lowercase()).collect(),
            filter: wanted.filter.as_ref().map(|glob| globs("filter", [glob])).transpose()?,
            exclude: globs("exclude", &wanted.exclude)?,
            include_hidden: wanted.include_hidden,
            list: list.cloned(),
            counts: Mutex::default(),
        })
    }

    /// Whether `entry` is an image of the dataset.
    pub fn keeps(&self, entry: Entry<'_>) -> bool {
        let key = entry.key();
        self.decide(entry, self.is_image(key), is_hidden(key))
    }

    /// Whether the row `id` of a table of images is one of the dataset: it need not be called like an image, and no
    /// folder is hidden that it once lay in.
    pub fn keeps_row(&self, id: &str) -> bool {
        self.decide(Entry::File(id), image_ending(id).is_none() || self.is_image(id), false)
    }

    fn decide(&self, entry: Entry<'_>, is_image: bool, is_hidden: bool) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = entry.key();
        let is_file = matches!(entry, Entry::File(_) | Entry::Unreachable(_));
        counts.files += u64::from(is_file);
        let is_listed = !is_file || self.is_listed(key, &mut counts.met);
        if !self.include_hidden && is_hidden {
            counts.left_out.hidden += u64::from(!matches!(entry, Entry::Folder(_)));
            return false;
        }
        if !is_listed {
            counts.left_out.filtered += u64::from(is_image);
            return false;
        }
        match entry {
            Entry::File(_) | Entry::Unreachable(_) if Form::of(key).is_some() => {
                let is_wanted = !excludes(&self.exclude, key);
                counts.left_out.filtered += u64::from(!is_wanted);
                is_wanted
            }
            Entry::File(_) | Entry::Unreachable(_) if is_image => {
                let is_wanted = self.passes_filters(key);
                counts.left_out.filtered += u64::from(!is_wanted);
                is_wanted
            }
            Entry::Unreachable(_) if image_ending(key).is_none() => {
                if self.passes_filters(key) {
                    counts.broken_links.push(format!("{}/", key.trim_end_matches('/')));
                }
                false
            }
            Entry::File(_) | Entry::Unreachable(_) => {
                match image_ending(key) {
                    Some(extension) => *counts.left_out.other_images.entry(extension).or_default() += 1,
                    None => counts.left_out.other_files += 1,
                }
                false
            }
            Entry::Folder(_) => {
                counts.folders.push(key.to_owned());
                false
            }
            Entry::Special(_) => {
                counts.left_out.special += 1;
                false
            }
            Entry::Listed(_) => {
                counts.left_out.listed_folders += 1;
                false
            }
        }
    }

    /// Takes note of what an archive holds beside its members, which were shown one by one; and of the archive, if it
    /// is a folder of the dataset.
    pub fn note_archive(&self, passed: BTreeMap<String, u64>, is_folder: bool) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.left_out.archives += u64::from(is_folder);
        passed.into_iter().for_each(|(what, count)| *counts.left_out.in_archives.entry(what).or_default() += count);
    }

    /// What was not kept, once all has been seen; `images` are the keys that were, in order.
    pub fn into_remainder<'a>(self, images: impl Iterator<Item = &'a str>) -> Remainder {
        let Counts { mut left_out, files, mut folders, broken_links, met } =
            self.counts.into_inner().unwrap_or_else(PoisonError::into_inner);
        folders.sort_unstable();
        let images: Vec<&str> = images.collect();
        let holds = |keys: &[&str], folder: &str| {
            let next = keys.partition_point(|key| *key <= folder);
            keys.get(next).is_some_and(|key| key.starts_with(folder))
        };
        let names: Vec<&str> = folders.iter().map(String::as_str).collect();
        let is_empty = |folder: &&str| !holds(&images, folder) && !holds(&names, folder);
        // A filter or a list leaves folders without images on purpose.
        let is_asked_for =
            |folder: &&str| self.filter.is_none() && self.list.is_none() && !excludes(&self.exclude, folder);
        let empty = names.iter().copied().filter(is_empty).filter(is_asked_for);
        let reject = |reason, detail: &str| Reject { reason, detail: detail.to_owned() };
        let empty = empty.map(|path| (path.to_owned(), reject(RejectReason::Empty, "a folder that holds no image")));
        let broken = broken_links.into_iter().map(|path| (path, reject(RejectReason::Unreadable, BROKEN_LINK)));
        let odd_folders: Vec<(String, Reject)> = empty.chain(broken).collect();
        left_out.folders = odd_folders.len() as u64;
        let missing = self.list.into_iter().flatten().filter(|path| !met.contains(path)).collect();
        Remainder { files, left_out, odd_folders, missing }
    }

    /// Whether `key` is in the list, or what it holds, or the archive that it is in.
    fn is_listed(&self, key: &str, met: &mut HashSet<String>) -> bool {
        let Some(list) = &self.list else { return true };
        if list.contains(key) {
            met.insert(key.to_owned());
            return true;
        }
        let within = format!("{key}/");
        let holds = || list.range(within.clone()..).next().is_some_and(|path| path.starts_with(&within));
        let folders = key.match_indices('/').map(|(end, _)| &key[..end]);
        Form::of(key).is_some() && holds()
            || folders.into_iter().any(|folder| Form::of(folder).is_some() && list.contains(folder))
    }

    fn is_image(&self, key: &str) -> bool {
        extension(key).is_some_and(|extension| self.extensions.contains(&extension))
    }

    fn passes_filters(&self, key: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.is_match(key)) && !excludes(&self.exclude, key)
    }
}

/// Whether `key` or a folder that it lies in is excluded.
fn excludes(exclude: &GlobSet, key: &str) -> bool {
    let folders = key.match_indices('/').map(|(end, _)| &key[..end]);
    !exclude.is_empty() && (exclude.is_match(key) || folders.into_iter().any(|folder| exclude.is_match(folder)))
}

fn is_hidden(key: &str) -> bool {
    key.split('/').any(|name| name.starts_with('.') && name != ".." || SYSTEM_NAMES.contains(&name))
}

fn file_name(key: &str) -> &str {
    key.trim_end_matches('/').rsplit('/').next().unwrap_or(key)
}

/// The ending of a name that is an image's in somebody's eyes.
fn image_ending(key: &str) -> Option<String> {
    extension(key).filter(|extension| IMAGE_ENDINGS.contains(&extension.as_str()))
}

/// The ending of a file's name, in small letters.
pub(crate) fn extension(key: &str) -> Option<String> {
    file_name(key).rsplit_once('.').map(|(_, extension)| extension.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(wanted: Options) -> Selection {
        let extensions = ["jpg", "JPEG", "png"].map(String::from).to_vec();
        Selection::new(&Options { extensions, ..wanted }, None).unwrap()
    }

    fn keeps(selection: &Selection, key: &str) -> bool {
        selection.keeps(Entry::File(key))
    }

    #[test]
    fn extensions_match_in_any_case_and_only_at_the_end_of_the_file_name() {
        let selection = selection(Options::default());
        for key in ["a.jpg", "x/A.JPG", "x.y/z.Jpeg", "ü/b.png"] {
            assert!(keeps(&selection, key), "{key}");
        }
        for key in ["a.gif", "jpg", "x.jpg/readme", "a.jpg.txt", ""] {
            assert!(!keeps(&selection, key), "{key}");
        }
    }

    #[test]
    fn a_glob_selects_keys_and_its_star_stays_within_a_folder() {
        let one_level = selection(Options { filter: Some("Apple*/*".into()), ..Options::default() });
        assert!(keeps(&one_level, "Apple Braeburn/1.jpg"));
        assert!(!keeps(&one_level, "Apple/old/1.jpg"));
        assert!(!keeps(&one_level, "Pear/1.jpg"));
        let any_depth = selection(Options { filter: Some("Apple/**".into()), ..Options::default() });
        assert!(keeps(&any_depth, "Apple/old/1.jpg"));
    }

    #[test]
    fn what_is_excluded_may_be_a_file_or_a_folder() {
        let exclude = ["*/old", "draft*", "**/*_mask.png"].map(String::from);
        let selection = selection(Options { exclude: exclude.to_vec(), ..Options::default() });
        for key in ["pear/old/1.jpg", "pear/old/deep/1.jpg", "drafts/1.jpg", "draft.jpg", "a/b/c_mask.png"] {
            assert!(!keeps(&selection, key), "{key}");
        }
        for key in ["old/1.jpg", "pear/older/1.jpg", "a/draft/1.jpg", "a/mask.png"] {
            assert!(keeps(&selection, key), "{key}");
        }
        assert_eq!(selection.into_remainder([].into_iter()).left_out.filtered, 5);
    }

    #[test]
    fn hidden_files_and_what_systems_leave_behind_are_counted_unless_they_are_wanted() {
        let keys = [".a.jpg", "x/.ipynb_checkpoints/a.jpg", "__MACOSX/x/._a.jpg", "@eaDir/a.jpg", "x/Thumbs.db"];
        let usual = selection(Options::default());
        assert!(keys.iter().all(|key| !keeps(&usual, key)));
        assert_eq!(usual.into_remainder([].into_iter()).left_out, LeftOut { hidden: 5, ..LeftOut::default() });
        let all = selection(Options { include_hidden: true, ..Options::default() });
        assert_eq!(keys.iter().filter(|key| keeps(&all, key)).count(), 4);
    }

    #[test]
    fn image_types_that_are_not_asked_for_are_counted_by_ending() {
        let selection = selection(Options::default());
        for key in ["a.webp", "b/c.WEBP", "d.heic", "notes.txt", "noext", "e.jpg"] {
            keeps(&selection, key);
        }
        let left_out = selection.into_remainder(["e.jpg"].into_iter()).left_out;
        assert_eq!(left_out.other_files, 2);
        assert_eq!(
            left_out.notices(),
            ["1 .heic file skipped; a format that is not read", "2 .webp files skipped; add them with --extensions"]
        );
    }

    #[test]
    fn folders_that_would_vanish_are_named() {
        let selection = selection(Options { exclude: vec!["tmp".to_owned()], ..Options::default() });
        let entries = [
            Entry::Folder("cat/"),
            Entry::File("cat/1.jpg"),
            Entry::Folder("dog/"),
            Entry::File("dog/notes.txt"),
            Entry::Folder("nest/"),
            Entry::Folder("nest/inner/"),
            Entry::Folder("tmp/"),
            Entry::Folder(".git/"),
            Entry::Unreachable("cow"),
            Entry::Unreachable("cat.v2"),
            Entry::Special("pipe.jpg"),
            Entry::Listed("cat/up/"),
        ];
        let kept: Vec<&str> =
            entries.into_iter().filter(|entry| selection.keeps(*entry)).map(|entry| entry.key()).collect();
        assert_eq!(kept, ["cat/1.jpg"]);
        let remainder = selection.into_remainder(kept.into_iter());
        let odd: Vec<_> = remainder.odd_folders.iter().map(|(path, reject)| (path.as_str(), reject.reason)).collect();
        let (empty, unreadable) = (RejectReason::Empty, RejectReason::Unreadable);
        assert_eq!(odd, [("dog/", empty), ("nest/inner/", empty), ("cow/", unreadable), ("cat.v2/", unreadable)]);
        let LeftOut { special, listed_folders, folders, other_files, hidden, .. } = remainder.left_out;
        assert_eq!((special, listed_folders, folders, other_files, hidden), (1, 1, 4, 1, 0));
    }
}
