//! What members are called.

use pomona_terms::Reject;

use super::form::Form;

/// The name of a member as a dataset has it: without `./` before it, with slashes between its folders. One that leads
/// out of the archive is none; it is given back as it is, with the reason.
pub(crate) fn name(raw: &[u8]) -> (String, Option<Reject>) {
    let text = String::from_utf8_lossy(raw).replace('\\', "/");
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let leads_out = text.starts_with('/') || parts.contains(&"..") || text.contains('\0');
    if leads_out {
        return (text, Some(Reject::unsupported("its name leads out of the archive")));
    }
    match parts.is_empty() {
        true => (text, Some(Reject::unsupported("it has no name"))),
        false => (parts.join("/"), None),
    }
}

/// What a row of a table is called, of which `path` says where it came from: a path or an address, whose folders are
/// kept. It leads nowhere. Where nothing is left of it, or what an archive or a row without a name is called, it has no
/// name.
pub(crate) fn of_row(path: &str) -> Option<String> {
    let path = path.split_once("://").map_or(path, |(_, path)| path).replace('\\', "/");
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "." | "..") && !part.contains('\0'));
    let name = parts.collect::<Vec<_>>().join("/");
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    Some(name).filter(|name| !is_number && Form::of(name).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_called_by_its_path_wherever_that_led() {
        for (path, name) in [
            ("cat/1.jpg", Some("cat/1.jpg")),
            ("/home/me/cat/1.jpg", Some("home/me/cat/1.jpg")),
            ("s3://bucket/cat/1.jpg", Some("bucket/cat/1.jpg")),
            ("..\\cat\\1.jpg", Some("cat/1.jpg")),
            ("../..", None),
            ("", None),
            ("a.zip", None),
            ("00000007", None),
        ] {
            assert_eq!(of_row(path).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn a_name_is_a_path_within_the_archive_or_is_refused() {
        for (raw, expected) in [
            ("cat/1.jpg", "cat/1.jpg"),
            ("./cat//1.jpg", "cat/1.jpg"),
            ("cat\\1.jpg", "cat/1.jpg"),
            ("./a/./b.jpg", "a/b.jpg"),
            ("a..b/..c", "a..b/..c"),
        ] {
            assert_eq!(name(raw.as_bytes()), (expected.to_owned(), None));
        }
        for raw in ["../1.jpg", "a/../../1.jpg", "a/..", "/etc/1.jpg", "..\\1.jpg", "", ".", "a\0.jpg"] {
            assert!(name(raw.as_bytes()).1.is_some(), "{raw:?}");
        }
        assert_eq!(name(b"\xff.jpg"), ("\u{fffd}.jpg".to_owned(), None));
    }
}
