//! What members are called.

use pomona_terms::Reject;

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

#[cfg(test)]
mod tests {
    use super::*;

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
