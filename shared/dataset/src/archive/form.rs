//! What an archive is, as its name tells.

/// What an archive is, as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Files one after the other.
    Tar(Packing),
    /// Files of which a directory at the end tells.
    Zip,
    /// A table, whose rows may hold images.
    Parquet,
}

/// How a tar is compressed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Gzip,
    Zstd,
}

/// Bytes of an archive that are asked of the store at once: so many that a request to S3 costs little beside them.
pub(crate) const FETCH: u64 = 8 << 20;

/// The endings of archives' names.
const ENDINGS: [(&str, Form); 7] = [
    (".tar", Form::Tar(Packing::None)),
    (".tar.gz", Form::Tar(Packing::Gzip)),
    (".tgz", Form::Tar(Packing::Gzip)),
    (".tar.zst", Form::Tar(Packing::Zstd)),
    (".tzst", Form::Tar(Packing::Zstd)),
    (".zip", Form::Zip),
    (".parquet", Form::Parquet),
];

impl Form {
    /// The form of the archive at `key`, if it is one: in any case, and not where there is nothing before the ending.
    pub(crate) fn of(key: &str) -> Option<Self> {
        let name = key.rsplit('/').next().unwrap_or(key).to_ascii_lowercase();
        let ending = ENDINGS.into_iter().find(|(ending, _)| name.len() > ending.len() && name.ends_with(ending));
        ending.map(|(_, form)| form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_known_by_the_ending_of_its_name() {
        for (key, form) in [
            ("a/train.tar", Some(Form::Tar(Packing::None))),
            ("TRAIN.TAR.GZ", Some(Form::Tar(Packing::Gzip))),
            ("x.tgz", Some(Form::Tar(Packing::Gzip))),
            ("x.v2.tar.zst", Some(Form::Tar(Packing::Zstd))),
            ("Fruits.Zip", Some(Form::Zip)),
            ("train-00000-of-00002.parquet", Some(Form::Parquet)),
            ("a.zip/notes.txt", None),
            ("a/.tar", None),
            ("zip", None),
            ("a.gz", None),
            ("a.tar.bz2", None),
        ] {
            assert_eq!(Form::of(key), form, "{key}");
        }
    }
}
