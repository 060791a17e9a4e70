//! The model in the user's cache folder.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{Edition, Error, MODEL_NAME, Result, sha256_hex};

/// The folder that holds fetched models: `<folder>/models/<name>-<first digits of the digest>.onnx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// A cache in this folder, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// `$POMONA_CACHE`, or else `pomona` in the user's cache folder, which is `$XDG_CACHE_HOME` or `~/.cache`
    /// (<https://specifications.freedesktop.org/basedir-spec/latest/>, whose rule that a relative path counts as unset
    /// holds for all three).
    ///
    /// # Errors
    /// No variable names a folder.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self> {
        let folder = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        folder("POMONA_CACHE")
            .or_else(|| folder("XDG_CACHE_HOME").map(|caches| caches.join("pomona")))
            .or_else(|| folder("HOME").map(|home| home.join(".cache/pomona")))
            .map(Self::new)
            .ok_or(Error::NoCacheFolder)
    }

    /// Where an edition's model is once it has been fetched.
    pub fn model_path(&self, edition: &Edition) -> PathBuf {
        self.models_folder().join(edition.model_file())
    }

    /// The cached model's path if it is there and whole; a damaged one counts as absent, and fetching replaces it.
    ///
    /// # Errors
    /// The file is there but cannot be read.
    pub fn model(&self, edition: &Edition) -> Result<Option<PathBuf>> {
        let path = self.model_path(edition);
        match verify(&path, edition) {
            Ok(()) => Ok(Some(path)),
            Err(Error::WrongModel { .. }) => Ok(None),
            Err(Error::ReadModel { reason, .. }) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts the model into the cache whole or not at all, whatever else writes there at the same time.
    pub(crate) fn store(&self, edition: &Edition, model: &[u8]) -> Result<PathBuf> {
        let folder = self.models_folder();
        let path = self.model_path(edition);
        write_whole(&path, model).map_err(|reason| Error::WriteCache { folder, reason })?;
        Ok(path)
    }

    fn models_folder(&self) -> PathBuf {
        self.folder.join("models")
    }
}

/// Checks by its digest that the file is the model of this edition.
///
/// # Errors
/// The file cannot be read, or is another one.
pub fn verify(path: &Path, edition: &Edition) -> Result<()> {
    let model = fs::read(path).map_err(|reason| Error::ReadModel { path: path.into(), reason })?;
    let found = sha256_hex(&model);
    if found != edition.model_sha256 {
        return Err(Error::WrongModel { path: path.into(), found, expected: edition.model_sha256.clone() });
    }
    Ok(())
}

/// Writes a file under a name of its own in its folder, which is made where there is none, forces it to the disk, and
/// only then gives it its path. A file that could not be written whole is removed.
///
/// # Errors
/// Those of the file system.
pub fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = temporary_file(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

/// Readable by all whom the umask lets in: a cache may be filled by one user and used by another, as in a container.
fn temporary_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    tempfile::Builder::new()
        .prefix(MODEL_NAME)
        .suffix(".partial")
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(variables: &[(&str, &str)]) -> Option<PathBuf> {
        let lookup =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
        Cache::from_variables(lookup).ok().map(|cache| cache.folder)
    }

    #[test]
    fn the_cache_folder_follows_the_environment() {
        let all = [("POMONA_CACHE", "/p"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(folder(&all), Some("/p".into()));
        assert_eq!(folder(&all[1..]), Some("/x/pomona".into()));
        assert_eq!(folder(&all[2..]), Some("/h/.cache/pomona".into()));
        assert_eq!(folder(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/h")]), Some("/h/.cache/pomona".into()));
        assert_eq!(folder(&[]), None);
    }

    #[test]
    fn a_damaged_model_counts_as_absent_and_is_named_by_verify() {
        let folder = tempfile::tempdir().unwrap();
        let (cache, edition) = (Cache::new(folder.path()), Edition::published());
        assert_eq!(cache.model(&edition).unwrap(), None);

        let path = cache.store(&edition, b"half a model").unwrap();
        assert_eq!(cache.model(&edition).unwrap(), None);
        let message = verify(&path, &edition).unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(message.contains("pomona model fetch"), "{message}");
    }

    #[test]
    fn a_cache_that_cannot_be_a_folder_is_named_with_a_way_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let message = Cache::new(file.path()).store(&Edition::published(), b"model").unwrap_err().to_string();
        assert!(message.contains(&file.path().display().to_string()), "{message}");
        assert!(message.contains("set POMONA_CACHE"), "{message}");
    }
}
