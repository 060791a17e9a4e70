//! Some finished images of a part that is not finished. A fragment lies in the folder of its part and is called by the
//! digest of its bytes.

use std::sync::Arc;

use arrow_array::{Int64Array, StringArray};
use bytes::Bytes;
use ndarray::Array2;
use pomona_dataset::Content;
use pomona_run::layout;
use pomona_run::names;
use pomona_store::Store;

use crate::digests;
use crate::error::{Error, tell_of_damage};
use crate::listing::{version_cell, version_of};
use crate::losses;
use crate::part::Usable;
use crate::tables::{self, ParquetTable};

/// A finished image.
pub type Image = (Content, Usable);

/// Writes a fragment of `part`.
///
/// # Errors
/// Those of the store.
pub async fn write(output: &dyn Store, part: &str, images: &[Image]) -> Result<(), Error> {
    let fragment = encode(part, images)?;
    Ok(output.put(&layout::part_fragment(part, &names::digest(&fragment)), fragment).await?)
}

/// Deletes all fragments of `part`.
///
/// # Errors
/// Those of the store.
pub async fn delete_all(output: &dyn Store, part: &str) -> Result<(), Error> {
    for fragment in output.list(&layout::part_fragments(part), &|_| true).await? {
        output.delete(&fragment.key).await?;
    }
    Ok(())
}

/// All that the fragments of `part` hold; nothing where there are none. One that is damaged, or a table of something
/// else, holds nothing.
///
/// # Errors
/// Those of the store.
pub async fn read(output: &dyn Store, part: &str, width: usize) -> Result<Option<Vec<Image>>, Error> {
    let fragments = output.list(&layout::part_fragments(part), &|_| true).await?;
    let mut images = Vec::new();
    for key in fragments.iter().map(|fragment| fragment.key.as_str()) {
        let bytes = digests::read(output, key, named_digest(key)).await;
        match bytes.and_then(|bytes| decode(key, bytes, width)) {
            Ok(fragment) => images.extend(fragment),
            Err(error @ (Error::Damaged { .. } | Error::Table { .. } | Error::Inconsistent { .. })) => {
                tell_of_damage(&error, "its images are computed anew");
            }
            Err(error) => return Err(error),
        }
    }
    Ok((!fragments.is_empty()).then_some(images))
}

/// Whether `bytes` are the fragment that is called `key`.
///
/// # Errors
/// [`Error::Damaged`].
pub fn check(key: &str, bytes: &[u8]) -> Result<(), Error> {
    digests::check(key, bytes, named_digest(key))
}

fn named_digest(key: &str) -> &str {
    key.rsplit_once('/').map_or(key, |(_, digest)| digest)
}

fn encode(part: &str, images: &[Image]) -> Result<Bytes, Error> {
    let width = images.first().map_or(0, |(_, usable)| usable.features.len());
    let values = images.iter().flat_map(|(_, usable)| usable.features.iter().copied()).collect();
    let values = Array2::from_shape_vec((images.len(), width), values).map_err(|error| Error::table(part, error))?;
    let losses: Vec<_> = images.iter().map(|(_, usable)| usable.losses).collect();
    let contents = || images.iter().map(|(content, _)| content);
    tables::to_parquet(
        part,
        vec![
            tables::text_field("path"),
            tables::text_field("etag"),
            tables::int64_field("size"),
            tables::vector_field("features"),
        ],
        vec![
            Arc::new(StringArray::from_iter_values(contents().map(|content| &content.id))),
            Arc::new(StringArray::from_iter_values(contents().map(|content| version_cell(content.version.as_deref())))),
            Arc::new(Int64Array::from_iter_values(contents().map(|content| content.size as i64))),
            tables::vectors(values.view()),
        ],
        losses::to_metadata(&losses),
    )
}

fn decode(key: &str, bytes: Bytes, width: usize) -> Result<Vec<Image>, Error> {
    let table = ParquetTable::read(key, bytes)?;
    let (paths, etags, sizes) = (table.text("path")?, table.text("etag")?, table.int64("size")?);
    let (values, losses) = (table.vectors("features", width)?, losses::of_table(&table)?);
    let image = |row: usize| {
        let content = Content {
            id: paths.value(row).to_owned(),
            version: version_of(etags.value(row)),
            size: sizes.value(row) as u64,
        };
        (content, Usable { features: values.row(row).iter().copied().collect(), losses: losses[row] })
    };
    Ok((0..table.rows()).map(image).collect())
}
