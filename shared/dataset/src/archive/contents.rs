//! What an archive holds, as a list that can be kept.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use pomona_run::Options;
use pomona_terms::Reject;
use serde::{Deserialize, Serialize};

use super::form::Form;
use super::pages::Pages;
use crate::error::Error;

/// What is looked for in archives beside images.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The field with the label, of `.json` files in tars.
    pub(crate) label_field: String,
    /// The column of tables that holds images, where it is not left to its name.
    pub(crate) image_column: Option<String>,
    /// The column of tables that holds their labels, where it is not left to its name.
    pub(crate) label_column: Option<String>,
}

impl Wanted {
    /// As the options have it.
    pub(crate) fn of(options: &Options) -> Self {
        Self {
            label_field: options.label_field.clone(),
            image_column: options.image_column.clone(),
            label_column: options.label_column.clone(),
        }
    }

    /// What of it an archive of this form depends on; what is not named is "".
    pub(super) fn fields(&self, form: Form) -> Vec<&str> {
        match form {
            Form::Tar(_) => vec![&self.label_field],
            Form::Zip => Vec::new(),
            Form::Parquet => {
                let columns = [&self.image_column, &self.label_column];
                columns.map(|column| column.as_deref().unwrap_or_default()).to_vec()
            }
        }
    }
}

/// What tables are called that hold no images, as many others do that lie beside them.
const WITHOUT_IMAGES: &str = "tables without a column of images (--image-column)";

/// What members are called that are not meant, as when an archive is unpacked.
pub(super) const REPLACED: &str = "members that later ones of the same name replace";

/// What an archive holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Its files.
    pub members: Vec<Indexed>,
    /// What is no file of it, by what it is.
    pub passed: BTreeMap<String, u64>,
    /// Why it cannot be read, or not to its end.
    pub broken: Option<Reject>,
}

impl Index {
    /// That of a table of something else.
    pub(super) fn of_table_without_images() -> Self {
        Self { passed: BTreeMap::from([(WITHOUT_IMAGES.to_owned(), 1)]), ..Self::default() }
    }

    /// That of an archive of which nothing is known but that it cannot be read.
    pub(super) fn unreadable() -> Self {
        let problem = "the archive is broken, and none of its members is used: it cannot be read";
        Self { broken: Some(Reject::corrupt(problem)), ..Self::default() }
    }

    /// Whether it is that of a table of something else.
    pub(crate) fn is_of_table_without_images(&self) -> bool {
        self.passed.contains_key(WITHOUT_IMAGES)
    }
}

/// A file in an archive, or an image in a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Indexed {
    /// Its name.
    pub name: String,
    /// Bytes of its content.
    pub size: u64,
    /// Changes when its content does: the SHA-256 of that, or the checksum that a zip has.
    pub version: String,
    /// Where it begins, in a compressed tar when that is unpacked; in a table, where the pages do that it is among.
    pub start: u64,
    /// Where it or they end.
    pub end: u64,
    /// How the pages are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<Pages>,
    /// Where it says that it is from, where it is not called so: its folders are those of its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The label that lies beside it.
    pub label: Option<String>,
    /// Why its content cannot be read.
    pub unusable: Option<Reject>,
}

/// Indexes that were made before, by names that say all that they depend on.
#[async_trait]
pub trait Indexes: Debug + Send + Sync {
    /// One that is there.
    ///
    /// # Errors
    /// Those of what keeps it; one that is damaged is not there.
    async fn read(&self, name: &str) -> Result<Option<Index>, Error>;

    /// Keeps one.
    ///
    /// # Errors
    /// Those of what keeps it.
    async fn write(&self, name: &str, index: &Index) -> Result<(), Error>;
}

/// No index is kept: archives are read anew each time.
#[derive(Clone, Copy, Debug)]
pub struct NoIndexes;

#[async_trait]
impl Indexes for NoIndexes {
    async fn read(&self, _: &str) -> Result<Option<Index>, Error> {
        Ok(None)
    }

    async fn write(&self, _: &str, _: &Index) -> Result<(), Error> {
        Ok(())
    }
}
