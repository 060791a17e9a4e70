//! The few numbers at the head of the page.

use pomona_formats::model_info::ModelInfo;
use pomona_run::label::LabelFrom;

use super::text::{bytes, count, percent, share};

/// The few numbers that a reader looks for first.
pub(super) fn section(info: &ModelInfo, size: u64) -> String {
    let of_all = |images| percent(share(images, info.num_images_listed));
    let (used, rejects) = (info.num_images_processed, info.rejects.values().sum());
    let mut figures = figure("images", &count(info.num_images_listed), &bytes(size));
    figures += &figure("used", &count(used), &of_all(used));
    figures += &figure("rejects", &count(rejects), &of_all(rejects));
    figures += &figure("classes", &count(info.num_classes), label_source(info.options.label_from));
    figures += &figure("features", &count(info.original_dimensions), "per image");
    let where_fitted = if info.models_of.is_some() { " where they were fitted" } else { "" };
    let explained = format!("explain {}{where_fitted}", percent(info.total_variance_explained));
    figures += &figure("components", &count(info.pca_components), &explained);
    format!("<dl class=\"figures\">\n{figures}</dl>\n")
}

/// A number with its name above and a note below.
pub(super) fn figure(name: &str, value: &str, note: &str) -> String {
    format!("<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>\n")
}

fn label_source(labels: LabelFrom) -> &'static str {
    match labels {
        LabelFrom::Parent => "by folder",
        LabelFrom::Level(_) => "by folder of a level",
        LabelFrom::None => "no labels",
    }
}
