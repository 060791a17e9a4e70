//! What is left when the power goes: of what no `fsync` made durable, some is there and some is not.
//!
//! A folder's names are durable once the folder is synced, and until then each of them leads to any of what it has led
//! to since; a file's bytes are durable once the file is synced, and until then any number of them is there, or zeros
//! in their place. That is what POSIX allows. File systems keep more of the order.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::Random;

/// What a name leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Nothing,
    Folder,
    /// A file by its number.
    File(u64),
}

/// What may be lost.
#[derive(Debug, Default)]
struct Unsafe {
    /// What each name has led to since its folder was synced, from the oldest to the newest.
    names: BTreeMap<PathBuf, Vec<Target>>,
    /// How many bytes of each file are safe.
    files: BTreeMap<u64, u64>,
}

/// How much is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Everything,
    Some,
    /// The names stay, as where a journal of names is written more often than bytes are.
    Bytes,
    /// One name's newest change.
    OneName,
}

/// Takes from the disk what `journal` says is not safe, by choice, and clears the journal, because all that is left is
/// safe. Says what was lost.
pub fn lose_power(journal: &Path, random: &mut Random) -> String {
    let lines = fs::read_to_string(journal.join("journal")).unwrap_or_default();
    let mut at_risk = Unsafe::default();
    for line in lines.lines() {
        at_risk.note(line);
    }
    let loss = random.pick(&[Loss::Everything, Loss::Some, Loss::Some, Loss::Bytes, Loss::OneName]);
    let (files, place) = (journal.join("files"), journal.with_file_name("kept"));
    let names = at_risk.lose_names(&files, loss, random);
    let cut = at_risk.lose_bytes(&files, loss, random);
    if journal.exists() {
        fs::remove_dir_all(journal).expect("a journal can be removed");
    }
    let names: Vec<&Path> = names.iter().map(|name| name.strip_prefix(&place).unwrap_or(name)).collect();
    format!("the power goes ({loss:?}: names {names:?}, bytes of {cut} files)")
}

impl Unsafe {
    fn note(&mut self, line: &str) {
        let fields: Vec<&str> = line.split('\t').collect();
        let file = |field: &str| field.parse().map_or(Target::Nothing, Target::File);
        let number = |field: &str| field.parse().expect("the journal has a number there");
        match fields[1..] {
            ["create", inode, path] => {
                self.files.insert(number(inode), 0);
                self.leads(path, Target::Nothing, file(inode));
            }
            ["mkdir", path] => self.leads(path, Target::Nothing, Target::Folder),
            ["rename", inode, replaced, from, to] => {
                self.leads(from, file(inode), Target::Nothing);
                self.leads(to, file(replaced), file(inode));
            }
            ["link", inode, to] => self.leads(to, Target::Nothing, file(inode)),
            ["unlink", inode, path] => self.leads(path, file(inode), Target::Nothing),
            ["sync", inode, length] => {
                self.files.insert(number(inode), number(length));
            }
            ["syncdir", path] => self.sync(Path::new(path)),
            // What a write has added is what the file has and no sync has seen.
            ["write" | "open" | "failed", ..] => {}
            _ => panic!("the journal says `{line}`"),
        }
    }

    /// From now on `path` leads to something else than before.
    fn leads(&mut self, path: &str, before: Target, now: Target) {
        self.names.entry(path.into()).or_insert_with(|| vec![before]).push(now);
    }

    fn sync(&mut self, folder: &Path) {
        for (_, targets) in self.names.iter_mut().filter(|(name, _)| name.parent() == Some(folder)) {
            targets.drain(..targets.len() - 1);
        }
    }

    /// Returns the names that now lead to something older.
    fn lose_names(&self, files: &Path, loss: Loss, random: &mut Random) -> Vec<PathBuf> {
        let open: Vec<&PathBuf> =
            self.names.iter().filter(|(_, targets)| targets.len() > 1).map(|(name, _)| name).collect();
        let one = random.below(open.len() as u64) as usize;
        let mut lost = Vec::new();
        // Parents come before what lies in them.
        for (index, name) in open.into_iter().enumerate() {
            let targets = &self.names[name];
            let newest = targets.len() - 1;
            let kept = match loss {
                Loss::Everything => 0,
                Loss::Some => random.below(targets.len() as u64) as usize,
                Loss::OneName if index == one => newest - 1,
                Loss::Bytes | Loss::OneName => newest,
            };
            if kept != newest && name.parent().is_some_and(Path::exists) {
                lead(name, targets[kept], files);
                lost.push(name.clone());
            }
        }
        lost
    }

    /// Returns how many files are shorter now, or have zeros at their end.
    fn lose_bytes(&self, files: &Path, loss: Loss, random: &mut Random) -> u64 {
        let mut cut = 0;
        for (inode, safe) in &self.files {
            let Ok(file) = File::options().write(true).open(files.join(inode.to_string())) else { continue };
            let length = file.metadata().expect("a file that is open").len();
            if length == *safe || matches!(loss, Loss::OneName) {
                continue;
            }
            let kept = match random.below(4) {
                0 => *safe + random.below(length - safe),
                _ => *safe,
            };
            file.set_len(kept).expect("a file can be cut");
            if random.chance(25) {
                file.set_len(length).expect("a file can be filled with zeros");
            }
            cut += 1;
        }
        cut
    }
}

/// Has `name` lead to what it led to before.
fn lead(name: &Path, target: Target, files: &Path) {
    let done = match fs::symlink_metadata(name) {
        Ok(now) if now.is_dir() => fs::remove_dir_all(name),
        Ok(_) => fs::remove_file(name),
        Err(_) => Ok(()),
    };
    done.expect("what is lost can be removed");
    if let Target::File(inode) = target {
        fs::hard_link(files.join(inode.to_string()), name).expect("the library has kept the file");
    }
}
