//! What a user may choose for a run.

use globset::{GlobBuilder, GlobMatcher};
use pomona_pca::Components;
use serde::{Deserialize, Serialize};

use crate::error::Error;

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
    /// File name endings that make a file an image, in any case, without the dot.
    pub extensions: Vec<String>,
    /// Only keys that match this glob; `*` does not cross a `/`, `**` does.
    pub filter: Option<String>,
    /// A sample of this many images, by smallest hash of the key.
    pub limit: Option<u64>,
    /// At least so many images in each shard, on average.
    pub shard_size: u64,
    /// The run fails when more than this share of the images cannot be used.
    pub max_reject_share: f64,
    /// Which tables to write as CSV beside Parquet.
    pub csv: CsvTables,
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

impl Default for Options {
    fn default() -> Self {
        Self {
            components: Components::Default,
            center: true,
            standardize: false,
            extensions: ["jpg", "jpeg", "png"].map(str::to_owned).to_vec(),
            filter: None,
            limit: None,
            shard_size: 512,
            max_reject_share: 0.05,
            csv: CsvTables::default(),
        }
    }
}

impl Options {
    /// Checks every option that can be checked before the input is seen.
    ///
    /// # Errors
    /// [`Error::Option`] names the first option that no run could honour.
    pub fn validate(&self) -> Result<(), Error> {
        let refuse = |option, problem: &str| Err(Error::Option { option, problem: problem.to_owned() });
        if self.extensions.is_empty() || self.extensions.iter().any(|extension| !is_extension(extension)) {
            return refuse("extensions", "needs one or more file name endings such as jpg,png");
        }
        if self.limit == Some(0) {
            return refuse("limit", "0 images are no dataset; give 2 or more, or leave it out");
        }
        if self.shard_size == 0 {
            return refuse("shard-size", "must be at least 1 image");
        }
        if !(0.0..=1.0).contains(&self.max_reject_share) {
            return refuse("max-reject-share", "must lie between 0 and 1, for instance 0.05");
        }
        KeyFilter::new(self).map(|_| ())
    }
}

fn is_extension(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric())
}

/// Decides which keys are images of the dataset.
#[derive(Debug)]
pub struct KeyFilter {
    extensions: Vec<String>,
    glob: Option<GlobMatcher>,
}

impl KeyFilter {
    /// The filter that `options` describe.
    ///
    /// # Errors
    /// [`Error::Option`] when `filter` is not a glob.
    pub fn new(options: &Options) -> Result<Self, Error> {
        Ok(Self {
            extensions: options.extensions.iter().map(|extension| extension.to_lowercase()).collect(),
            glob: options.filter.as_deref().map(compile_glob).transpose()?,
        })
    }

    /// Whether `key` is an image of the dataset.
    pub fn accepts(&self, key: &str) -> bool {
        self.has_extension(key) && self.glob.as_ref().is_none_or(|glob| glob.is_match(key))
    }

    fn has_extension(&self, key: &str) -> bool {
        let file_name = key.rsplit('/').next().unwrap_or(key);
        let Some((_, extension)) = file_name.rsplit_once('.') else {
            return false;
        };
        let extension = extension.to_lowercase();
        self.extensions.contains(&extension)
    }
}

fn compile_glob(pattern: &str) -> Result<GlobMatcher, Error> {
    GlobBuilder::new(pattern).literal_separator(true).build().map(|glob| glob.compile_matcher()).map_err(|error| {
        Error::Option { option: "filter", problem: format!("{error}; write a glob over keys such as 'Apple*/*'") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(options: Options) -> KeyFilter {
        KeyFilter::new(&options).unwrap()
    }

    #[test]
    fn extensions_match_in_any_case_and_only_at_the_end_of_the_file_name() {
        let filter = filter(Options::default());
        for key in ["a.jpg", "x/A.JPG", "x.y/z.Jpeg", "ü/b.png"] {
            assert!(filter.accepts(key), "{key}");
        }
        for key in ["a.gif", "jpg", "x.jpg/readme", "a.jpg.txt", ""] {
            assert!(!filter.accepts(key), "{key}");
        }
    }

    #[test]
    fn a_glob_selects_keys_and_its_star_stays_within_a_folder() {
        let one_level = filter(Options { filter: Some("Apple*/*".into()), ..Options::default() });
        assert!(one_level.accepts("Apple Braeburn/1.jpg"));
        assert!(!one_level.accepts("Apple/old/1.jpg"));
        assert!(!one_level.accepts("Pear/1.jpg"));
        let any_depth = filter(Options { filter: Some("Apple/**".into()), ..Options::default() });
        assert!(any_depth.accepts("Apple/old/1.jpg"));
    }

    #[test]
    fn impossible_options_are_refused_by_name() {
        let cases = [
            ("limit", Options { limit: Some(0), ..Options::default() }),
            ("shard-size", Options { shard_size: 0, ..Options::default() }),
            ("max-reject-share", Options { max_reject_share: 1.5, ..Options::default() }),
            ("max-reject-share", Options { max_reject_share: f64::NAN, ..Options::default() }),
            ("extensions", Options { extensions: vec![], ..Options::default() }),
            ("extensions", Options { extensions: vec!["*.jpg".into()], ..Options::default() }),
            ("filter", Options { filter: Some("a[".into()), ..Options::default() }),
        ];
        for (name, options) in cases {
            let error = options.validate().unwrap_err();
            assert!(error.to_string().starts_with(&format!("option `{name}`")), "{error}");
        }
        Options::default().validate().unwrap();
    }

    #[test]
    fn an_unknown_field_in_json_is_refused_by_name() {
        let error = serde_json::from_str::<Options>(r#"{"componets": 3}"#).unwrap_err();
        assert!(error.to_string().contains("componets"), "{error}");
    }
}
