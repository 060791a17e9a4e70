//! What users have written down of their images: labels by path, and which images are meant.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use pomona_dataset::Images;
use pomona_formats::inventory::Manifest;
use pomona_formats::{Error as FileError, image_table};
use pomona_run::{Error as RunError, Location, Options};
use pomona_store::{Error as StoreError, Store};

use crate::error::Error;

/// What S3 Inventory calls a manifest, which names the files of a list.
const MANIFEST: &str = "manifest.json";

/// The tables that the options of a run name.
#[derive(Debug, Default)]
pub struct ImageTables {
    labels: Option<HashMap<String, String>>,
    list: Option<BTreeSet<String>>,
}

impl ImageTables {
    /// Reads those that `options` name for the images at `input` from the stores that `open` opens.
    ///
    /// # Errors
    /// [`RunError::Option`] where one is not there or of another place, [`FileError::Unusable`] where it does not say
    /// what it should, and those of `open` and the store.
    pub async fn read<E: From<Error>>(
        options: &Options,
        input: &Location,
        open: impl AsyncFn(&Location) -> Result<Arc<dyn Store>, E>,
    ) -> Result<Self, E> {
        let mut tables = Self::default();
        if let Some(place) = &options.labels {
            let bytes = read("labels", place, &open).await?;
            tables.labels = Some(image_table::labels(place, &bytes).map_err(Error::from)?);
        }
        if let Some(place) = &options.list {
            let bytes = read("list", place, &open).await?;
            tables.list = Some(match place.ends_with(MANIFEST) {
                true => of_inventory(place, &bytes, (options, input), &open).await?,
                false => image_table::paths(place, &bytes).map_err(Error::from)?.into_iter().collect(),
            });
        }
        Ok(tables)
    }

    /// The images as the tables say.
    pub fn apply<'a>(&'a self, images: Images<'a>) -> Images<'a> {
        images.with_labels(self.labels.as_ref()).with_list(self.list.as_ref())
    }
}

/// The images below `input` that a list of S3 Inventory names, which has all of a bucket's objects.
async fn of_inventory<E: From<Error>>(
    place: &str,
    bytes: &[u8],
    (options, input): (&Options, &Location),
    open: &impl AsyncFn(&Location) -> Result<Arc<dyn Store>, E>,
) -> Result<BTreeSet<String>, E> {
    let manifest = Manifest::parse(place, bytes).map_err(Error::from)?;
    let refused = |problem: String| Error::from(RunError::option("list", problem));
    let below = match input {
        Location::Bucket(input) if input.bucket() == manifest.source_bucket => input.key(""),
        input => {
            let source = &manifest.source_bucket;
            return Err(refused(format!("`{place}` is of the bucket {source}, and the input is {input}")).into());
        }
    };
    let mut paths = BTreeSet::new();
    for file in manifest.places() {
        let keys = manifest.keys(&file, &read("list", &file, open).await?).map_err(Error::from)?;
        let below = keys.iter().filter_map(|key| key.strip_prefix(&below));
        paths.extend(below.filter(|path| Images::may_hold(path, options)).map(str::to_owned));
    }
    match paths.is_empty() {
        true => Err(refused(format!("`{place}` names no image below {input}")).into()),
        false => Ok(paths),
    }
}

async fn read<E: From<Error>>(
    option: &'static str,
    place: &str,
    open: &impl AsyncFn(&Location) -> Result<Arc<dyn Store>, E>,
) -> Result<Bytes, E> {
    let refused = |problem: String| Error::from(RunError::option(option, problem));
    let location = place.parse::<Location>().map_err(|error| refused(error.to_string()))?;
    if let Location::Folder(path) = location {
        // Not by a store, which holds files alone: a shell's `<(command)` is a pipe.
        return match tokio::task::spawn_blocking(|| std::fs::read(path)).await {
            Ok(Ok(bytes)) => Ok(bytes.into()),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(refused(format!("there is no `{place}`")).into())
            }
            Ok(Err(error)) => Err(refused(format!("`{place}` cannot be read: {error}")).into()),
            Err(error) => Err(Error::internal(format!("`{place}` cannot be read: {error}")).into()),
        };
    }
    let (above, name) = location.split_last().ok_or_else(|| refused(format!("`{place}` is no file")))?;
    match open(&above).await?.get(&name).await {
        Ok(stored) => Ok(stored.bytes),
        Err(StoreError::NotFound { .. }) => Err(refused(format!("there is no `{place}`")).into()),
        Err(error) => Err(Error::from(FileError::from(error)).into()),
    }
}
