//! What a file is that is none of the formats read here, by its first bytes.

/// Kinds of files that turn up among images, by what they begin with.
const BEGINNINGS: &[(&[u8], &str)] = &[
    (b"%PDF-", "PDF"),
    (b"8BPS", "PSD (Photoshop)"),
    (b"\xFF\x0A", "JPEG XL"),
    (b"\0\0\0\x0CJXL \r\n\x87\n", "JPEG XL"),
    (b"\0\0\0\x0CjP  \r\n\x87\n", "JPEG 2000"),
    (b"\xFF\x4F\xFF\x51", "JPEG 2000"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"\0\0\x01\0", "ICO (Windows icon)"),
    (b"\0\x05\x16\x07", "AppleDouble, macOS's notes on a file"),
    (b"\0\x05\x16\0", "AppleSingle"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1F\x8B", "gzip"),
    (b"version https://git-lfs.github.com/spec/", "a git-lfs pointer, not the file it stands for"),
];

/// Markup, whose beginning may come after blanks and in any case.
const MARKUP: &[(&[u8], &str)] =
    &[(b"<!doctype html", "HTML"), (b"<html", "HTML"), (b"<svg", "SVG"), (b"<!doctype svg", "SVG"), (b"<?xml", "XML")];

/// How far into a file text is looked at.
const LOOKED_AT: usize = 1024;

/// What a file is, for the detail of a reject.
pub(super) fn kind(bytes: &[u8]) -> String {
    const NONE: &str = "none of JPEG, PNG, GIF, WebP, BMP and TIFF";
    match known(bytes) {
        Some(kind) => format!("{kind}; {NONE}"),
        None => NONE.to_owned(),
    }
}

fn known(bytes: &[u8]) -> Option<&'static str> {
    let beginning = BEGINNINGS.iter().find(|(beginning, _)| bytes.starts_with(beginning)).map(|(_, kind)| *kind);
    beginning.or_else(|| iso_media(bytes)).or_else(|| text(bytes)).or_else(|| zeros(bytes))
}

/// HEIC and AVIF are of one family, told apart by the brand that follows `ftyp`.
fn iso_media(bytes: &[u8]) -> Option<&'static str> {
    let [b'f', b't', b'y', b'p', brand @ ..] = *bytes.get(4..12)?.first_chunk::<8>()? else {
        return None;
    };
    Some(match &brand {
        b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"hevm" | b"hevs" => "HEIC",
        b"avif" | b"avis" => "AVIF",
        // Of the family only; what it holds is among the brands that follow.
        b"mif1" | b"msf1" if bytes[..bytes.len().min(LOOKED_AT)].windows(4).any(|brand| brand == b"avif") => "AVIF",
        b"mif1" | b"msf1" => "HEIF",
        _ => "MP4 or another film",
    })
}

fn zeros(bytes: &[u8]) -> Option<&'static str> {
    bytes.iter().all(|byte| *byte == 0).then_some("nothing but zeros")
}

fn text(bytes: &[u8]) -> Option<&'static str> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let beginning = &bytes[..bytes.len().min(LOOKED_AT)];
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace() || !byte.is_ascii();
    if !beginning.iter().all(is_text) || is_broken_utf8(beginning) {
        return None;
    }
    let beginning = beginning.trim_ascii_start().to_ascii_lowercase();
    let markup = MARKUP.iter().find(|(start, _)| beginning.starts_with(start)).map(|(_, kind)| *kind);
    match (markup, beginning.first()) {
        (Some("XML"), _) if beginning.windows(4).any(|window| window == b"<svg") => Some("SVG"),
        (Some(kind), _) => Some(kind),
        (None, Some(b'{' | b'[')) => Some("JSON"),
        (None, _) => Some("plain text"),
    }
}

/// Whether bytes are no UTF-8, even if the last character of what is looked at is cut.
fn is_broken_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some())
}
