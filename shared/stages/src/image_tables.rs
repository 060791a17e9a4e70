//! What users have written down of their images: labels by path, and which images are meant.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use pomona_dataset::Images;
use pomona_formats::{Error as FileError, image_table};
use pomona_run::{Error as RunError, Location, Options};
use pomona_store::{Error as StoreError, Store};

use crate::error::Error;

/// The tables that the options of a run name.
#[derive(Debug, Default)]
pub struct ImageTables {
    labels: Option<HashMap<String, String>>,
    list: Option<BTreeSet<String>>,
}

impl ImageTables {
    /// Reads those that `options` name from the stores that `open` opens.
    ///
    /// # Errors
    /// [`RunError::Option`] where one is not there, [`FileError::Inconsistent`] where it does not say what it should, and
    /// those of `open` and the store.
    pub async fn read<E: From<Error>>(
        options: &Options,
        open: impl AsyncFn(&Location) -> Result<Arc<dyn Store>, E>,
    ) -> Result<Self, E> {
        let mut tables = Self::default();
        if let Some(place) = &options.labels {
            let bytes = read("labels", place, &open).await?;
            tables.labels = Some(image_table::labels(place, &bytes).map_err(Error::from)?);
        }
        if let Some(place) = &options.list {
            let bytes = read("list", place, &open).await?;
            tables.list = Some(image_table::paths(place, &bytes).map_err(Error::from)?.into_iter().collect());
        }
        Ok(tables)
    }

    /// The images as the tables say.
    pub fn apply<'a>(&'a self, images: Images<'a>) -> Images<'a> {
        images.with_labels(self.labels.as_ref()).with_list(self.list.as_ref())
    }
}

async fn read<E: From<Error>>(
    option: &'static str,
    place: &str,
    open: &impl AsyncFn(&Location) -> Result<Arc<dyn Store>, E>,
) -> Result<Bytes, E> {
    let refused = |problem: String| Error::from(RunError::option(option, problem));
    let location = place.parse::<Location>().map_err(|error| refused(error.to_string()))?;
    let (above, name) = location.split_last().ok_or_else(|| refused(format!("`{place}` is no file")))?;
    match open(&above).await?.get(&name).await {
        Ok(stored) => Ok(stored.bytes),
        Err(StoreError::NotFound { .. }) => Err(refused(format!("there is no `{place}`")).into()),
        Err(error) => Err(Error::from(FileError::from(error)).into()),
    }
}
