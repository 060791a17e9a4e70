//! The page of an erasure's certificate, for people and for print.

use std::fmt::Write;

use pomona_formats::erasure::{Certificate, DeletedFile, Rewritten};

use super::text::{bytes, count, counted, escape, moment};
use super::{document, section};

/// Deleted files that are named; certificate.json names all.
const FILES_SHOWN: usize = 500;

/// The page of a certificate whose file has this SHA-256.
pub fn page(certificate: &Certificate, sha256: &str, is_signed: bool) -> String {
    let body = [
        header(certificate),
        section("asked", "What was asked", &asked(certificate)),
        section("done", "What was done", &done(certificate)),
        section("beyond", "What lies out of reach, and who must act", &beyond(&certificate.beyond)),
        section("proof", "How this can be checked", &proof(certificate, sha256, is_signed)),
        section("deleted", "What was deleted", &deleted(&certificate.deleted)),
    ];
    document(&format!("Pomona erasure {}", certificate.request.id), &body.concat(), certificate.finished)
}

fn header(certificate: &Certificate) -> String {
    let images = counted(certificate.request.digests.len() as u64, "image", "images");
    format!(
        "<header>\n<p class=\"name\">Pomona</p>\n<h1>Certificate of erasure</h1>\n<p>{images} erased on {}</p>\n</header>\n",
        moment(certificate.finished)
    )
}

fn asked(Certificate { request, .. }: &Certificate) -> String {
    let unlisted = match request.unlisted {
        0 => String::new(),
        unlisted => {
            format!("; no run here listed {} of them, and later runs leave these out, too", count(unlisted))
        }
    };
    let images = format!("{}, each by a salted digest of its key{unlisted}", count(request.digests.len() as u64));
    let mut rows = vec![
        ("Asked", moment(request.asked)),
        ("By the name of", code(request.id.as_str())),
        ("Images", images),
        ("Version", escape(&request.pomona_version)),
    ];
    rows.extend(request.because.as_ref().map(|because| ("Because", escape(because))));
    list(&rows)
}

fn done(certificate: &Certificate) -> String {
    let Certificate { run, no_run_because, rewritten, deleted, examined, not_examined, .. } = certificate;
    let new_run = match (run, no_run_because) {
        (Some(run), _) => format!(
            "{}, the result of a fresh run over the images that stay; its plan has the SHA-256 {}",
            code(run.run_id.as_str()),
            code(&run.plan_sha256)
        ),
        (None, Some(error)) => {
            format!(
                "none: nothing could be fitted to the images that stay ({}), and no run is the newest",
                escape(error)
            )
        }
        (None, None) => "none: the newest run had held none of the images, or nothing else".to_owned(),
    };
    let rewritten: Vec<String> = rewritten
        .iter()
        .map(|Rewritten { was, run }| format!("{} as {}", code(was.as_str()), code(run.run_id.as_str())))
        .collect();
    let deleted_bytes = deleted.iter().map(|file| file.bytes).sum();
    let older = match examined.older_versions {
        0 => String::new(),
        older => format!(", {} among them", counted(older, "older version", "older versions")),
    };
    list(&[
        ("Finished", moment(certificate.finished)),
        ("Version", escape(&certificate.pomona_version)),
        ("New run", new_run),
        ("Older runs, made anew", if rewritten.is_empty() { "none".to_owned() } else { rewritten.join(", ") }),
        ("Deleted", format!("{} ({})", counted(deleted.len() as u64, "file", "files"), bytes(deleted_bytes))),
        (
            "Read in the end",
            format!(
                "{} ({}{older}); none names an image that was erased",
                counted(examined.files, "file", "files"),
                bytes(examined.bytes)
            ),
        ),
        ("Not looked into", format!("{} that no run writes", counted(*not_examined, "file", "files"))),
    ])
}

fn beyond(beyond: &[String]) -> String {
    let items: String = beyond.iter().map(|what| format!("<li>{}</li>\n", escape(what))).collect();
    format!("<ul>\n{items}</ul>\n")
}

fn proof(certificate: &Certificate, sha256: &str, is_signed: bool) -> String {
    let signature = match is_signed {
        true => "certificate.sig, by Ed25519 over certificate.json",
        false => "none",
    };
    let rows = list(&[
        ("certificate.json", format!("its SHA-256 is {}", code(sha256))),
        ("Signature", signature.to_owned()),
        ("Salt", code(&certificate.request.salt)),
    ]);
    format!(
        "<p>This page says what <code>certificate.json</code> beside it says, which counts. <code>pomona \
         verify-erasure</code> reads everything at the output once more and holds it against that.</p>\n{rows}"
    )
}

fn deleted(files: &[DeletedFile]) -> String {
    let mut rows = String::new();
    for DeletedFile { file, bytes: size, sha256 } in files.iter().take(FILES_SHOWN) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td>{}</td></tr>",
            escape(&file.to_string()),
            bytes(*size),
            code(sha256)
        );
    }
    let more = match files.len().saturating_sub(FILES_SHOWN) {
        0 => String::new(),
        more => format!("<p>And {} more, which certificate.json names.</p>\n", count(more as u64)),
    };
    if rows.is_empty() {
        return "<p>Nothing had to be.</p>\n".to_owned();
    }
    format!(
        "<table>\n<thead><tr><th scope=\"col\">File</th><th scope=\"col\" class=\"number\">Size</th>\
         <th scope=\"col\">SHA-256 before</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n{more}"
    )
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

fn list(rows: &[(&str, String)]) -> String {
    let rows: String =
        rows.iter().map(|(name, value)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>\n")).collect();
    format!("<dl class=\"settings\">\n{rows}</dl>\n")
}
