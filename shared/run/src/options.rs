//! What a user may choose for a run.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use pomona_terms::{Components, Limits};
use serde::{Deserialize, Serialize};

use crate::classify::Classify;
use crate::endings::is_unread_format;
use crate::error::Error;
use crate::globs::globs;
use crate::label::LabelFrom;
use crate::visible::visible;

const LABEL_FIELD: &str = "label";

fn is_usual_label_field(field: &str) -> bool {
    field == LABEL_FIELD
}

/// The options of a run; the command line, a state machine's input and plan.json share this one form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How many principal components, or which share of variance, to keep.
    pub components: Components,
    /// Subtract the mean before projecting (as scikit-learn); without it raw features are projected (as Spark MLlib).
    pub center: bool,
    /// Divide by the standard deviation first (as Spark's StandardScaler).
    pub standardize: bool,
    /// Learn to tell labels apart, and fit components and scales to what is learned from alone.
    pub classify: Option<Classify>,
    /// File name endings that make a file an image, in any case, without the dot.
    pub extensions: Vec<String>,
    /// Only keys that match this glob; `*` does not cross a `/`, `**` does.
    pub filter: Option<String>,
    /// Without the files and folders that match one of these globs.
    pub exclude: Vec<String>,
    /// With files that are hidden or that systems keep beside a user's, such as `__MACOSX`.
    pub include_hidden: bool,
    /// Which folder's name is an image's label.
    pub label_from: LabelFrom,
    /// A table of labels by path, a file or an object in S3: it alone says what labels are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<String>,
    /// A text or table of the paths that are the dataset, a file or an object in S3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<String>,
    /// The field of `.json` files beside images in tars that holds the label, as webdataset has them.
    #[serde(skip_serializing_if = "is_usual_label_field")]
    pub label_field: String,
    /// The column of Parquet files that holds images, where it is not left to its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_column: Option<String>,
    /// The column of Parquet files that holds their labels, where it is not left to its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// The labels that have the first class ids, in this order, whether or not there are images of them; further labels
    /// come behind.
    pub classes: Vec<String>,
    /// A sample of this many images: of each label in proportion, at least one where that is possible.
    pub limit: Option<u64>,
    /// The largest pictures that are read, in pixels (width x height).
    pub max_pixels: u64,
    /// At least so many images in each shard, on average.
    pub shard_size: u64,
    /// The run fails when more than this share of the images cannot be used.
    pub max_reject_share: f64,
    /// Which tables to write as CSV beside Parquet.
    pub csv: CsvTables,
    /// Whether the run gets a copy of the parts' features.
    pub keep_features: KeepFeatures,
    /// The input may have lost all images of the newest run: latest.json is removed then. Not written down where it is
    /// not set, because it changes no result.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
    /// What the images are processed for, as the record of processing says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

/// Which tables are written as CSV beside Parquet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CsvTables {
    /// Neither components nor features.
    None,
    /// The principal components.
    #[default]
    Pca,
    /// The principal components and the features.
    All,
}

impl CsvTables {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::None, Self::Pca, Self::All];

    /// The choice as the command line and JSON have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pca => "pca",
            Self::All => "all",
        }
    }
}

impl fmt::Display for CsvTables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for CsvTables {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|tables| tables.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is neither none, pca nor all"))
    }
}

/// Whether a run gets a copy of the parts' features, as tables of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepFeatures {
    /// Unless there are so many of each image that components are fitted by passes.
    #[default]
    Auto,
    /// However many there are.
    Yes,
    /// None at all.
    No,
}

impl KeepFeatures {
    /// All choices.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Yes, Self::No];

    /// The choice as the command line and JSON have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

impl fmt::Display for KeepFeatures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for KeepFeatures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|choice| choice.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is neither auto, yes nor no"))
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            components: Components::Default,
            center: true,
            standardize: false,
            classify: None,
            extensions: ["jpg", "jpeg", "png"].map(str::to_owned).to_vec(),
            filter: None,
            exclude: Vec::new(),
            include_hidden: false,
            label_from: LabelFrom::default(),
            labels: None,
            list: None,
            label_field: LABEL_FIELD.to_owned(),
            image_column: None,
            label_column: None,
            classes: Vec::new(),
            limit: None,
            max_pixels: Limits::DEFAULT.max_pixels,
            shard_size: 512,
            max_reject_share: 0.05,
            csv: CsvTables::default(),
            keep_features: KeepFeatures::default(),
            allow_empty: false,
            purpose: None,
        }
    }
}

impl Options {
    /// Checks every option that can be checked before the input is seen.
    ///
    /// # Errors
    /// [`Error::Option`] names the first option that no run could honour.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |option, problem: &str| Err(Error::option(option, problem));
        self.classify.iter().try_for_each(Classify::validate)?;
        if self.extensions.is_empty() || self.extensions.iter().any(|extension| !is_extension(extension)) {
            return refuse("extensions", "needs one or more file name endings such as jpg,png");
        }
        if let Some(extension) = self.extensions.iter().find(|extension| is_unread_format(extension)) {
            return refuse(
                "extensions",
                &format!("{extension} is a format that is not read; convert such files first"),
            );
        }
        if self.limit == Some(0) {
            return refuse("limit", "0 images are no dataset; give 2 or more, or leave it out");
        }
        if let Some(twice) = first_twice(&self.classes) {
            return refuse("classes", &format!("`{}` stands there twice", visible(twice)));
        }
        if self.max_pixels == 0 {
            return refuse("max-pixels", "must be at least 1 pixel");
        }
        if self.shard_size == 0 {
            return refuse("shard-size", "must be at least 1 image");
        }
        if !(0.0..=1.0).contains(&self.max_reject_share) {
            return refuse("max-reject-share", "must lie between 0 and 1, for instance 0.05");
        }
        self.filter.as_ref().map(|glob| globs("filter", [glob])).transpose()?;
        globs("exclude", &self.exclude).map(drop)
    }

    /// Refuses choices that are not this run's to make, because it takes the models of another run.
    ///
    /// # Errors
    /// [`Error::Option`] names the first of them.
    pub fn refuse_fitting(&self) -> Result<(), Error> {
        let usual = Self::default();
        let choices = [
            ("components", self.components != usual.components),
            ("center", self.center != usual.center),
            ("standardize", self.standardize != usual.standardize),
            ("classify", self.classify != usual.classify),
            ("classes", self.classes != usual.classes),
        ];
        match choices.into_iter().find(|(_, is_made)| *is_made) {
            Some((name, _)) => Err(Error::option(name, "the run whose models are taken has chosen that; leave it out")),
            None => Ok(()),
        }
    }

    /// The same choice of images and tables, with models as `fitted` has chosen them.
    ///
    /// # Errors
    /// As [`Options::refuse_fitting`].
    pub fn with_models_of(&self, fitted: &Self) -> Result<Self, Error> {
        self.refuse_fitting()?;
        let Self { components, center, standardize, classify, .. } = *fitted;
        Ok(Self { components, center, standardize, classify, ..self.clone() })
    }
}

fn first_twice(names: &[String]) -> Option<&String> {
    let mut seen = BTreeSet::new();
    names.iter().find(|name| !seen.insert(*name))
}

fn is_extension(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_options_are_refused_by_name() {
        let classify = Classify { train_share: 0.0, ..Classify::default() };
        let cases = [
            ("train-share", Options { classify: Some(classify), ..Options::default() }),
            ("limit", Options { limit: Some(0), ..Options::default() }),
            ("classes", Options { classes: ["a", "b", "a"].map(str::to_owned).to_vec(), ..Options::default() }),
            ("max-pixels", Options { max_pixels: 0, ..Options::default() }),
            ("shard-size", Options { shard_size: 0, ..Options::default() }),
            ("max-reject-share", Options { max_reject_share: 1.5, ..Options::default() }),
            ("max-reject-share", Options { max_reject_share: f64::NAN, ..Options::default() }),
            ("extensions", Options { extensions: vec![], ..Options::default() }),
            ("extensions", Options { extensions: vec!["*.jpg".into()], ..Options::default() }),
            ("extensions", Options { extensions: vec!["HEIC".into()], ..Options::default() }),
            ("filter", Options { filter: Some("a[".into()), ..Options::default() }),
            ("exclude", Options { exclude: vec!["ok".into(), "a[".into()], ..Options::default() }),
        ];
        for (name, options) in cases {
            let error = options.validate().unwrap_err();
            assert!(error.to_string().starts_with(&format!("option `{name}`")), "{error}");
        }
        Options::default().validate().unwrap();
    }

    #[test]
    fn a_run_that_takes_models_chooses_images_and_tables_and_nothing_of_the_models() {
        let fitted = Options { components: Components::Count(3), standardize: true, ..Options::default() };
        let fitted = Options { classify: Some(Classify::default()), limit: Some(7), ..fitted };
        let own = Options { label_from: LabelFrom::None, csv: CsvTables::None, ..Options::default() };
        let taken = own.with_models_of(&fitted).unwrap();
        assert_eq!(taken, Options { label_from: LabelFrom::None, csv: CsvTables::None, limit: None, ..fitted.clone() });
        let choices = [
            ("components", Options { components: Components::Count(3), ..Options::default() }),
            ("center", Options { center: false, ..Options::default() }),
            ("standardize", Options { standardize: true, ..Options::default() }),
            ("classify", Options { classify: Some(Classify::default()), ..Options::default() }),
            ("classes", Options { classes: vec!["pear".to_owned()], ..Options::default() }),
        ];
        for (name, options) in choices {
            let error = options.with_models_of(&fitted).unwrap_err().to_string();
            assert!(error.starts_with(&format!("option `{name}`")), "{error}");
        }
    }

    #[test]
    fn a_choice_of_tables_has_one_name_in_text_and_in_json() {
        for tables in CsvTables::ALL {
            assert_eq!(tables.as_str().parse(), Ok(tables));
            assert_eq!(serde_json::to_value(tables).unwrap(), tables.as_str());
        }
        assert!("csv".parse::<CsvTables>().is_err());
    }

    #[test]
    fn a_choice_of_features_has_one_name_in_text_and_in_json() {
        for choice in KeepFeatures::ALL {
            assert_eq!(choice.as_str().parse(), Ok(choice));
            assert_eq!(serde_json::to_value(choice).unwrap(), choice.as_str());
        }
        assert!("maybe".parse::<KeepFeatures>().is_err());
    }

    #[test]
    fn an_unknown_field_in_json_is_refused_by_name() {
        let error = serde_json::from_str::<Options>(r#"{"componets": 3}"#).unwrap_err();
        assert!(error.to_string().contains("componets"), "{error}");
    }
}
