//! report/processing.json: a run as a record of processing activities wants it (GDPR, Art. 30): why, of what, where it
//! lies and for how long, who gets it, by which software.

use chrono::{DateTime, Utc};
use pomona_formats::model_info::ModelInfo;
use pomona_formats::planned::Plan;
use pomona_run::RunId;
use serde::Serialize;

/// What is known of where an output lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// A folder: nothing there expires.
    Folder,
    /// A bucket of somebody's: its lifecycle says what expires.
    Bucket,
    /// A stack of this project's template.
    Stack(Stack),
}

/// How a stack keeps data, in days, by the template's parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Where it is.
    pub region: String,
    /// `PartsExpireDays`.
    pub parts_expire_days: u32,
    /// `RunsExpireDays`.
    pub runs_expire_days: u32,
    /// `OldVersionsExpireDays`.
    pub old_versions_expire_days: u32,
}

impl Site {
    /// What an output's location tells.
    pub fn of(location: &str) -> Self {
        if location.starts_with("s3://") { Self::Bucket } else { Self::Folder }
    }

    fn region(&self) -> Option<&str> {
        match self {
            Self::Folder | Self::Bucket => None,
            Self::Stack(stack) => Some(&stack.region),
        }
    }

    fn recipients(&self) -> Vec<String> {
        let readers = "whoever may read the output; Pomona hands nothing on";
        match self {
            Self::Folder => vec![readers.to_owned()],
            Self::Bucket => vec![readers.to_owned(), "whoever runs the object store, as processor".to_owned()],
            Self::Stack(Stack { region, .. }) => {
                vec![readers.to_owned(), format!("Amazon Web Services, as processor, in {region}")]
            }
        }
    }

    fn until(&self, kept: Kept) -> String {
        match (kept, self) {
            (Kept::ByInput, _) => "whoever holds the input deletes them there".to_owned(),
            (Kept::ByHand, _) => "somebody deletes it; then erased images may come back".to_owned(),
            (_, Self::Folder) => "somebody deletes it (`pomona erase`, `pomona forget`)".to_owned(),
            (_, Self::Bucket) => "the bucket's lifecycle, or somebody, deletes it".to_owned(),
            (Kept::AsPart, Self::Stack(stack)) => format!(
                "{} days after it was written or a run used it, and {} days as an old version",
                stack.parts_expire_days, stack.old_versions_expire_days
            ),
            (Kept::AsRun, Self::Stack(stack)) => format!(
                "{} days after the run, and {} days as an old version; tables as long as the stack keeps runs (KeepRuns)",
                stack.runs_expire_days, stack.old_versions_expire_days
            ),
        }
    }
}

/// By which rule data is kept.
#[derive(Clone, Copy, Debug)]
enum Kept {
    ByInput,
    AsPart,
    AsRun,
    ByHand,
}

/// The content of report/processing.json.
#[derive(Debug, Serialize)]
pub struct Processing<'a> {
    run_id: &'a RunId,
    timestamp: DateTime<Utc>,
    /// In the words of whoever asked for the run.
    purpose: Option<&'a str>,
    images: u64,
    input: &'a str,
    output: &'a str,
    region: Option<&'a str>,
    data: Vec<Data>,
    recipients: Vec<String>,
    software: Software<'a>,
}

/// A category of data.
#[derive(Debug, Serialize)]
struct Data {
    what: &'static str,
    /// Folders below the output, or the input.
    place: Vec<String>,
    until: String,
}

#[derive(Debug, Serialize)]
struct Software<'a> {
    pomona_version: &'static str,
    model_sha256: &'a str,
    numerics: &'a str,
    pixels: &'a str,
}

impl<'a> Processing<'a> {
    /// The record of a run that has succeeded at `output`.
    pub fn of(plan: &'a Plan, info: &ModelInfo, output: &'a str, site: &'a Site) -> Self {
        let of_run = |folders: &[&str]| folders.iter().map(|folder| format!("runs/{}/{folder}", plan.run_id)).collect();
        let data = |what, place, kept| Data { what, place, until: site.until(kept) };
        let mut all = vec![
            data("the images, which are read and not changed", vec![plan.input.clone()], Kept::ByInput),
            data("features of each image, numbers that tell images apart", vec!["parts/".to_owned()], Kept::AsPart),
            data("principal components of each image", of_run(&["pca/"]), Kept::AsRun),
            data(
                "paths, labels, sizes and digests of images, and what was wrong with some",
                of_run(&["listing/", "metadata/", "classes/", "errors/", "counters/", "problems/"]),
                Kept::AsRun,
            ),
            data("names and labels of the members of archives", vec!["archives/".to_owned()], Kept::AsPart),
            data(
                "salted digests of the paths of images that were erased, and certificates",
                vec!["suppressed.json".to_owned(), "erasures/".to_owned()],
                Kept::ByHand,
            ),
            data("sums over many images", vec!["nodes/".to_owned(), "sweeps/".to_owned()], Kept::AsPart),
            data(
                "models, which are sums over all images, and reports",
                of_run(&["model_info/", "report/"]),
                Kept::AsRun,
            ),
        ];
        if plan.keeps_features() {
            all.push(data("a copy of the features", of_run(&["features/"]), Kept::AsRun));
        }
        if plan.options.classify.is_some() {
            all.push(data("a classifier, and what it takes each image for", of_run(&["classify/"]), Kept::AsRun));
        }
        Self {
            run_id: &plan.run_id,
            timestamp: info.timestamp,
            purpose: plan.options.purpose.as_deref(),
            images: plan.images,
            input: &plan.input,
            output,
            region: site.region(),
            data: all,
            recipients: site.recipients(),
            software: Software {
                pomona_version: env!("CARGO_PKG_VERSION"),
                model_sha256: &plan.recipe.model_digest,
                numerics: &plan.recipe.numerics,
                pixels: &plan.recipe.pixels,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_says_where_it_is_and_when_it_deletes_what() {
        let stack = Stack {
            region: "eu-west-1".to_owned(),
            parts_expire_days: 91,
            runs_expire_days: 366,
            old_versions_expire_days: 31,
        };
        let site = Site::Stack(stack);
        assert_eq!(site.region(), Some("eu-west-1"));
        assert!(site.recipients().iter().any(|who| who.contains("eu-west-1")));
        assert!(site.until(Kept::AsPart).contains("91 days") && site.until(Kept::AsPart).contains("31 days"));
        assert!(site.until(Kept::AsRun).contains("366 days") && site.until(Kept::AsRun).contains("31 days"));
    }

    #[test]
    fn an_output_is_a_folder_or_somebodys_bucket() {
        assert_eq!(Site::of("results"), Site::Folder);
        assert_eq!(Site::of("s3://bucket/results"), Site::Bucket);
        assert_eq!(Site::Bucket.region(), None);
    }
}
