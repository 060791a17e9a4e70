//! The classes, the first by name.

use pomona_formats::class_table::ClassCount;

use super::bars::Bars;
use super::text::{count, counted, label, percent, share};

/// Classes that the page shows by name.
pub const CLASSES_SHOWN: usize = 20;

/// The first classes, and the others in a line.
pub(super) fn section(shown: &[ClassCount], classes: u64, images: u64) -> String {
    let most = shown.iter().map(|class| class.count).max().unwrap_or(1).max(1);
    let mut table = Bars::new(["class", "images", "share"]);
    for class in shown {
        table.count(&label(&class.class), class.count, most, images);
    }
    let other_classes = classes.saturating_sub(shown.len() as u64);
    if other_classes > 0 {
        let others = images.saturating_sub(shown.iter().map(|class| class.count).sum());
        let name = format!("<i>{}</i>", counted(other_classes, "other class", "other classes"));
        // Together they may well be more than the largest class: a bar would need another scale.
        table.row(&name, 0.0, [count(others), percent(share(others, images))]);
    }
    table.finish()
}
