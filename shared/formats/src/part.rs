//! What extraction makes of one shard: its features, its rejects and its moments.

use std::sync::Arc;

use arrow_array::StringArray;
use bytes::Bytes;
use futures::future::try_join;
use ndarray::{Array2, ArrayView2};
use pomona_dataset::Rejected;
use pomona_pca::Moments;
use pomona_run::tree::Kind;
use pomona_run::{RunId, layout, names};
use pomona_store::Store;
use pomona_terms::{Losses, Reject};

use crate::aside::run_aside;
use crate::digests;
use crate::error::Error;
use crate::listing::{Row, version_cell};
use crate::losses;
use crate::moments_file::{self, Header, PartFiles};
use crate::provenance;
use crate::recipe::Recipe;
use crate::rejects;
use crate::tables::{self, ParquetTable};

/// What became of an image.
pub type Outcome = Result<Usable, Reject>;

/// An image that could be used.
#[derive(Clone, Debug)]
pub struct Usable {
    /// The network's numbers.
    pub features: Arc<[f32]>,
    /// What the picture lost on its way to the network.
    pub losses: Losses,
}

/// Version of the part format: any change to the bytes of a part's files needs a new one.
const PART_FORMAT: &str = "pomona part 4";

/// The name of the part that extraction by `recipe` makes of `rows`.
pub fn name_of(recipe: &str, rows: &[Row]) -> String {
    let mut name = names::NameHasher::new(PART_FORMAT);
    name.field(recipe.as_bytes());
    for row in rows {
        name.field(row.item.id.as_bytes());
        name.field(version_cell(row.item.version.as_deref()).as_bytes());
        name.field(&row.item.size.to_le_bytes());
        name.field(row.item.label.as_bytes());
    }
    name.finish()
}

/// Whether a part exists: it does once its moments do, which are written last.
pub async fn exists(output: &dyn Store, name: &str) -> Result<bool, Error> {
    moments_file::exist(output, &layout::part_moments(name)).await
}

/// Features and losses of `rows`, by `recipe`, as the content of `file`.
pub fn encode_features(
    file: &str,
    rows: &[&Row],
    values: ArrayView2<'_, f32>,
    losses: &[Losses],
    recipe: &Recipe,
) -> Result<Bytes, Error> {
    tables::to_parquet(
        file,
        vec![tables::text_field("path"), tables::text_field("label"), tables::vector_field("features")],
        vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.item.id))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &*row.item.label))),
            tables::vectors(values),
        ],
        provenance::of_features(recipe).into_iter().chain(losses::to_metadata(losses)),
    )
}

/// A part's files as they are stored, and what its moments say of them.
#[derive(Debug)]
pub struct StoredPart {
    /// Where its moments are.
    pub moments_key: String,
    /// Where its features are.
    pub features_key: String,
    /// What the moments say of the other files.
    pub checksums: PartFiles,
    rejects_key: String,
    features: Bytes,
    rejects: Bytes,
}

impl StoredPart {
    /// Reads the part called `name`, or the one that `run_id` keeps in its place.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a file is missing; the part is set aside then.
    pub async fn read(output: &dyn Store, name: &str, run_id: &RunId) -> Result<Self, Error> {
        let (name, header) = moments_file::read_header(output, Kind::Part, name, run_id).await?;
        let moments_key = layout::part_moments(&name);
        let checksums = checksums(&header, &moments_key)?.clone();
        let (features_key, rejects_key) = (layout::part_features(&name), layout::part_rejects(&name));
        let files = try_join(digests::get(output, &features_key), digests::get(output, &rejects_key)).await;
        let (features, rejects) = moments_file::set_aside_if_damaged(output, &moments_key, files).await?;
        Ok(Self { moments_key, features_key, checksums, rejects_key, features, rejects })
    }

    /// Features of `width` numbers and rejects, if their files are those that the moments vouch for.
    pub fn decode(self, width: usize) -> Result<(Features, Vec<Rejected>), Error> {
        digests::check(&self.features_key, &self.features, &self.checksums.features_sha256)?;
        digests::check(&self.rejects_key, &self.rejects, &self.checksums.rejects_sha256)?;
        let features = Features::decode(&self.features_key, self.features, width)?;
        Ok((features, rejects::from_parquet(&self.rejects_key, self.rejects)?))
    }
}

fn checksums<'a>(header: &'a Header, moments_key: &str) -> Result<&'a PartFiles, Error> {
    header.files.as_ref().ok_or_else(|| Error::inconsistent(moments_key, "it does not name the part's other files"))
}

/// Reads only the rejects of the part called `name`, or of the one that `run_id` keeps in its place.
///
/// # Errors
/// [`Error::Damaged`] where the file is not the one that the moments vouch for; the part is set aside then.
pub async fn read_rejects(output: &dyn Store, name: &str, run_id: &RunId) -> Result<Vec<Rejected>, Error> {
    let (name, header) = moments_file::read_header(output, Kind::Part, name, run_id).await?;
    let (moments_key, key) = (layout::part_moments(&name), layout::part_rejects(&name));
    let read = digests::read(output, &key, &checksums(&header, &moments_key)?.rejects_sha256).await;
    rejects::from_parquet(&key, moments_file::set_aside_if_damaged(output, &moments_key, read).await?)
}

/// The moments of a part that stores none: those of its features, `width` of each image. `name` is the part's own, and
/// `header` that of its file of moments.
///
/// # Errors
/// [`Error::Damaged`] where the features are not those that the header vouches for; the part is set aside then.
pub async fn moments_of_features(
    output: &dyn Store,
    name: &str,
    header: &Header,
    width: u64,
) -> Result<Moments, Error> {
    let moments_key = layout::part_moments(name);
    let sha256 = checksums(header, &moments_key)?.features_sha256.clone();
    let moments = moments_of_file(output, layout::part_features(name), sha256, width as usize).await;
    moments_file::set_aside_if_damaged(output, &moments_key, moments).await
}

/// The features, `width` of each image, of the part called `name`, as just this one is called.
///
/// # Errors
/// [`Error::Damaged`] where they are not those that the part's moments vouch for; the part is set aside then.
pub async fn read_features(output: &dyn Store, name: &str, run_id: &RunId, width: usize) -> Result<Features, Error> {
    let (name, header) = moments_file::read_header(output, Kind::Part, name, run_id).await?;
    let (moments_key, key) = (layout::part_moments(&name), layout::part_features(&name));
    let sha256 = checksums(&header, &moments_key)?.features_sha256.clone();
    let features = features_of_file(output, key, sha256, width).await;
    moments_file::set_aside_if_damaged(output, &moments_key, features).await
}

async fn features_of_file(output: &dyn Store, key: String, sha256: String, width: usize) -> Result<Features, Error> {
    let features = digests::get(output, &key).await?;
    run_aside(move || {
        digests::check(&key, &features, &sha256)?;
        Features::decode(&key, features, width)
    })
    .await?
}

async fn moments_of_file(output: &dyn Store, key: String, sha256: String, width: usize) -> Result<Moments, Error> {
    let features = features_of_file(output, key, sha256, width).await?;
    // On a thread of its own: several parts are read at once, and the caller merges what it has read before.
    run_aside(move || Moments::of(features.values.view())).await
}

/// A part's features: paths in order, and as many labels, rows of numbers and losses.
#[derive(Debug)]
pub struct Features {
    /// Where each image lies.
    pub paths: Vec<String>,
    /// Its label.
    pub labels: Vec<String>,
    /// What each picture lost.
    pub losses: Vec<Losses>,
    /// The numbers: a row an image.
    pub values: Array2<f32>,
}

impl Features {
    /// Decodes the content of `file`, rows of `width` numbers.
    fn decode(file: &str, bytes: Bytes, width: usize) -> Result<Self, Error> {
        let table = ParquetTable::read(file, bytes)?;
        let texts = |column| Ok::<_, Error>(table.text(column)?.iter().flatten().map(str::to_owned).collect());
        let (paths, labels) = (texts("path")?, texts("label")?);
        Ok(Self { paths, labels, losses: losses::of_table(&table)?, values: table.vectors("features", width)? })
    }

    /// Each image by itself.
    pub fn usable(&self) -> impl Iterator<Item = Usable> {
        let rows = self.values.rows().into_iter().zip(&self.losses);
        rows.map(|(values, &losses)| Usable { features: values.iter().copied().collect(), losses })
    }
}
