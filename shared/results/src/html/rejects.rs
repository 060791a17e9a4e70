//! Images that could not be used.

use std::fmt::Write;

use pomona_dataset::Rejected;
use pomona_formats::rejects::Reasons;
use pomona_terms::{Reject, RejectReason};

use super::bars::Bars;
use super::text::{escape, label};

/// Unusable images by reason.
pub(super) fn section(reasons: &Reasons, images: u64) -> String {
    let total: u64 = reasons.values().sum();
    if total == 0 {
        return "<p>None: every image was used.</p>\n".to_owned();
    }
    let most = reasons.values().copied().max().unwrap_or(1);
    let mut table = Bars::new(["reason", "images", "share"]);
    for (&reason, &number) in reasons {
        let name = format!("{}<small>{}</small>", reason.as_str(), meaning(reason));
        table.count(&name, number, most, images);
    }
    format!("<p>Each one is listed with its reason in <code>errors/</code>.</p>\n{}", table.finish())
}

/// Some unusable images, each with its reason.
pub(super) fn examples(examples: &[Rejected]) -> String {
    let mut rows = String::new();
    for Rejected { path, reject: Reject { reason, detail }, .. } in examples {
        let (path, detail) = (label(path), escape(detail));
        let _ = writeln!(rows, "<tr><th scope=\"row\">{path}</th><td>{}</td><td>{detail}</td></tr>", reason.as_str());
    }
    let heads = "<th scope=\"col\">image</th><th scope=\"col\">reason</th><th scope=\"col\">detail</th>";
    format!("<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n")
}

fn meaning(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::Empty => "the file has no bytes",
        RejectReason::Unsupported => "not JPEG, PNG, GIF, BMP, WebP or TIFF, whatever its name",
        RejectReason::Truncated => "the file ends before the image does",
        RejectReason::Corrupt => "the bytes contradict their format",
        RejectReason::TooLarge => "more pixels or bytes than are read",
        RejectReason::NotFinite => "the model makes no finite numbers of it",
        RejectReason::Unreadable => "no permission, or a broken link",
    }
}
