//! How keys and etags are written in requests and answers.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986 and the slash.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The value of `x-amz-copy-source`.
pub(super) fn copy_source(bucket: &str, path: &str) -> String {
    format!("{bucket}/{}", utf8_percent_encode(path, RESERVED))
}

/// A key from a listing asked for with `encoding-type=url`, which S3 encodes like a form: space as `+`.
///
/// Without that encoding, control characters would be lost in the answer's XML; the SDK leaves decoding to its caller.
pub(super) fn decode_listed(key: &str) -> String {
    let key = key.replace('+', " ");
    percent_decode_str(&key).decode_utf8_lossy().into_owned()
}

/// An etag without the quotes that S3 puts around it.
pub(super) fn bare_etag(etag: &str) -> String {
    etag.trim_matches('"').into()
}

/// An etag as HTTP headers want it.
pub(super) fn quoted_etag(etag: &str) -> String {
    format!("\"{etag}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copys_source_is_encoded_but_for_slashes() {
        assert_eq!(copy_source("b", "a b/c+d%é~.jpg"), "b/a%20b/c%2Bd%25%C3%A9~.jpg");
    }

    #[test]
    fn listed_keys_are_decoded_as_forms() {
        assert_eq!(decode_listed("a+b/c%2Bd%25%C3%A9%0A.jpg"), "a b/c+d%é\n.jpg");
        assert_eq!(decode_listed("a%20b"), "a b");
    }
}
