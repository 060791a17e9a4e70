//! The journal: a line for each call that was counted, and a second name for each file that a call concerned.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::calls::Call;
use crate::system;

/// Where lines go, and where files are kept.
#[derive(Debug)]
pub(crate) struct Journal {
    lines: OwnedFd,
    files: PathBuf,
}

/// The files that were under a call's names before it.
#[derive(Debug, Default)]
pub(crate) struct Before {
    first: Option<u64>,
    second: Option<u64>,
}

impl Journal {
    /// # Panics
    /// Where the journal cannot be written.
    pub fn open(folder: &Path) -> Self {
        let files = folder.join("files");
        fs::create_dir_all(&files).expect("the journal's folder can be made");
        let lines = File::options().create(true).append(true).open(folder.join("journal"));
        Self { lines: lines.expect("the journal can be opened").into(), files }
    }

    /// Looks at the files that a call is about to move, replace or remove, and keeps them.
    pub fn before(&self, call: &Call) -> Before {
        match call {
            Call::Unlink(path) => Before { first: self.keep(path), second: None },
            // Whether it is there is all that counts: opening changes no name that leads to something.
            Call::Open { path, .. } => Before { first: inode(path), second: None },
            Call::Rename(from, to) | Call::Link(from, to) => Before { first: self.keep(from), second: self.keep(to) },
            Call::Write(_) | Call::Sync(_) | Call::MakeDir(_) | Call::Unknown(_) => Before::default(),
        }
    }

    /// Writes down what a call has done.
    pub fn after(&self, number: u64, call: &Call, before: &Before, result: i64) {
        let done = if result < 0 { format!("failed\t{}\t{call}", -result) } else { self.done(call, before) };
        system::write(self.lines.as_raw_fd(), &format!("{number}\t{done}\n"));
    }

    fn done(&self, call: &Call, before: &Before) -> String {
        let text = |file: Option<u64>| file.map_or_else(|| "-".to_owned(), |inode| inode.to_string());
        match call {
            Call::Open { path, .. } if before.first.is_none() => {
                format!("create\t{}\t{}", text(self.keep(path)), path.display())
            }
            Call::Open { path, .. } => format!("open\t{}", path.display()),
            Call::Write(descriptor) | Call::Sync(descriptor) => described(call, *descriptor),
            Call::Rename(from, to) => {
                let (first, second) = (text(before.first), text(before.second));
                format!("rename\t{first}\t{second}\t{}\t{}", from.display(), to.display())
            }
            Call::Link(_, to) => format!("link\t{}\t{}", text(before.first), to.display()),
            Call::Unlink(path) => format!("unlink\t{}\t{}", text(before.first), path.display()),
            Call::MakeDir(path) => format!("mkdir\t{}", path.display()),
            Call::Unknown(_) => system::give_up("what is not known is not called"),
        }
    }

    /// The file's number, by which it is kept.
    fn keep(&self, path: &Path) -> Option<u64> {
        let metadata = fs::symlink_metadata(path).ok()?;
        // A folder has one name only.
        if !metadata.is_dir() {
            system::link(path, &self.files.join(metadata.ino().to_string()));
        }
        Some(metadata.ino())
    }
}

fn inode(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|metadata| metadata.ino())
}

/// A write or a sync, with the file's number and its size afterwards.
fn described(call: &Call, descriptor: i64) -> String {
    let Some(metadata) = system::metadata_of(descriptor) else {
        system::give_up("a file that is open cannot be looked at");
    };
    match call {
        Call::Sync(_) if metadata.is_dir() => format!("syncdir\t{}", system::path_of(descriptor).display()),
        Call::Sync(_) => format!("sync\t{}\t{}", metadata.ino(), metadata.len()),
        _ => format!("write\t{}\t{}", metadata.ino(), metadata.len()),
    }
}
