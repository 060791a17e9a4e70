//! What extraction makes of one shard: its features, its rejects and its moments.

use std::sync::Arc;

use arrow_array::StringArray;
use bytes::Bytes;
use futures::future::try_join;
use ndarray::{Array2, ArrayView2};
use pomona_pca::Moments;
use pomona_run::tree::Kind;
use pomona_run::{RunId, layout, names};
use pomona_store::Store;
use pomona_vision::extractor;
use pomona_vision::pixels::{Losses, Reject, RejectReason};

use crate::error::Error;
use crate::listing::Row;
use crate::moments_file::{self, Header, MomentsFile, PartFiles};
use crate::provenance;
use crate::recipe::Recipe;
use crate::rejects::{self, Rejected};
use crate::tables::{self, ParquetTable};
use crate::{digests, losses};

/// What became of an image.
pub(crate) type Outcome = Result<Usable, Reject>;

/// An image that could be used.
#[derive(Clone, Debug)]
pub(crate) struct Usable {
    pub(crate) features: Arc<[f32]>,
    pub(crate) losses: Losses,
}

impl From<extractor::Features<'_>> for Usable {
    fn from(features: extractor::Features<'_>) -> Self {
        Self { features: features.values.into(), losses: features.losses }
    }
}

/// Version of the part format: any change to the bytes of a part's files needs a new one.
const PART_FORMAT: &str = "pomona part 3";

/// The name of the part that extraction by `recipe` makes of `rows`.
pub(crate) fn name_of(recipe: &str, rows: &[Row]) -> String {
    let mut name = names::NameHasher::new(PART_FORMAT);
    name.field(recipe.as_bytes());
    for row in rows {
        name.field(row.key.as_bytes());
        name.field(row.etag.as_bytes());
        name.field(&row.size.to_le_bytes());
        name.field(row.label.as_bytes());
    }
    name.finish()
}

/// Whether a part exists: it does once its moments do, which are written last.
pub(crate) async fn exists(output: &dyn Store, name: &str) -> Result<bool, Error> {
    moments_file::exist(output, &layout::part_moments(name)).await
}

/// A part in memory, ready to be written.
#[derive(Debug)]
pub(crate) struct Part {
    features: Bytes,
    rejects: Bytes,
    moments: MomentsFile,
    /// Whether it holds anything that does not depend on the images' bytes alone.
    pub(crate) this_run_only: bool,
}

impl Part {
    /// The part that `rows` make, whose outcomes stand in the same order.
    pub(crate) fn new(name: &str, rows: &[Row], outcomes: Vec<Outcome>, recipe: &Recipe) -> Result<Self, Error> {
        let width = recipe.feature_width;
        let (mut used, mut losses) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        let mut values = Vec::with_capacity(rows.len() * width);
        let mut rejected = Vec::new();
        for (row, outcome) in rows.iter().zip(outcomes) {
            match outcome {
                Ok(usable) => {
                    used.push(row);
                    losses.push(usable.losses);
                    values.extend_from_slice(&usable.features);
                }
                Err(reject) => {
                    rejected.push(Rejected { path: row.key.clone(), label: row.label.to_string(), reject });
                }
            }
        }
        let values = Array2::from_shape_vec((used.len(), width), values)
            .map_err(|error| Error::Internal(format!("features of part {name}: {error}")))?;
        // An idle thread of the pool takes one half: after the last shard there is nothing else to do.
        let (features, moments) = rayon::join(
            || encode_features(&layout::part_features(name), &used, values.view(), &losses, recipe),
            || Moments::of(values.view()),
        );
        let features = features?;
        let rejects = rejects::to_parquet(&layout::part_rejects(name), &rejected)?;
        let mut header = Header {
            images: rows.len() as u64,
            files: Some(PartFiles {
                features_sha256: names::digest(&features),
                rejects_sha256: names::digest(&rejects),
            }),
            ..Header::default()
        };
        for rejected in &rejected {
            *header.reasons.entry(rejected.reject.reason).or_default() += 1;
        }
        Ok(Self {
            features,
            rejects,
            this_run_only: header.reasons.contains_key(&RejectReason::Unreadable),
            moments: MomentsFile { header, moments },
        })
    }

    /// Unusable images.
    pub(crate) fn rejects(&self) -> u64 {
        self.moments.header.rejects()
    }

    /// Writes the part under `name`; its moments last, because a part exists once they do.
    pub(crate) async fn write(self, output: &dyn Store, name: &str) -> Result<(), Error> {
        let key = layout::part_moments(name);
        let moments = self.moments.encode(&key)?;
        let (features_key, rejects_key) = (layout::part_features(name), layout::part_rejects(name));
        try_join(output.put(&features_key, self.features), output.put(&rejects_key, self.rejects)).await?;
        Ok(output.put(&key, moments).await?)
    }
}

fn encode_features(
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
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.key))),
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row.label))),
            tables::vectors(values),
        ],
        provenance::of_features(recipe).into_iter().chain(losses::to_metadata(losses)),
    )
}

/// A part's files as they are stored, and what its moments say of them.
#[derive(Debug)]
pub(crate) struct StoredPart {
    pub(crate) moments_key: String,
    pub(crate) features_key: String,
    pub(crate) checksums: PartFiles,
    rejects_key: String,
    features: Bytes,
    rejects: Bytes,
}

impl StoredPart {
    /// Reads the part called `name`, or the one that `run_id` keeps in its place.
    ///
    /// # Errors
    /// [`Error::Damaged`] where a file is missing; the part is set aside then.
    pub(crate) async fn read(output: &dyn Store, name: &str, run_id: &RunId) -> Result<Self, Error> {
        let (name, header) = moments_file::read_header(output, Kind::Part, name, run_id).await?;
        let moments_key = layout::part_moments(&name);
        let checksums = checksums(header, &moments_key)?;
        let (features_key, rejects_key) = (layout::part_features(&name), layout::part_rejects(&name));
        let files = try_join(digests::get(output, &features_key), digests::get(output, &rejects_key)).await;
        let (features, rejects) = moments_file::set_aside_if_damaged(output, &moments_key, files).await?;
        Ok(Self { moments_key, features_key, checksums, rejects_key, features, rejects })
    }

    /// Features of `width` numbers and rejects, if their files are those that the moments vouch for.
    pub(crate) fn decode(self, width: usize) -> Result<(Features, Vec<Rejected>), Error> {
        digests::check(&self.features_key, &self.features, &self.checksums.features_sha256)?;
        digests::check(&self.rejects_key, &self.rejects, &self.checksums.rejects_sha256)?;
        let features = Features::decode(&self.features_key, self.features, width)?;
        Ok((features, rejects::from_parquet(&self.rejects_key, self.rejects)?))
    }
}

fn checksums(header: Header, moments_key: &str) -> Result<PartFiles, Error> {
    header.files.ok_or_else(|| Error::inconsistent(moments_key, "it does not name the part's other files"))
}

/// Reads only the rejects of the part called `name`, or of the one that `run_id` keeps in its place.
///
/// # Errors
/// [`Error::Damaged`] where the file is not the one that the moments vouch for; the part is set aside then.
pub(crate) async fn read_rejects(output: &dyn Store, name: &str, run_id: &RunId) -> Result<Vec<Rejected>, Error> {
    let (name, header) = moments_file::read_header(output, Kind::Part, name, run_id).await?;
    let (moments_key, key) = (layout::part_moments(&name), layout::part_rejects(&name));
    let read = digests::read(output, &key, &checksums(header, &moments_key)?.rejects_sha256).await;
    rejects::from_parquet(&key, moments_file::set_aside_if_damaged(output, &moments_key, read).await?)
}

/// A part's features: paths in order, and as many rows of numbers and losses.
#[derive(Debug)]
pub(crate) struct Features {
    pub(crate) paths: Vec<String>,
    pub(crate) losses: Vec<Losses>,
    pub(crate) values: Array2<f32>,
}

impl Features {
    /// Decodes the content of `file`, rows of `width` numbers.
    fn decode(file: &str, bytes: Bytes, width: usize) -> Result<Self, Error> {
        let table = ParquetTable::read(file, bytes)?;
        let paths = table.text("path")?.iter().flatten().map(str::to_owned).collect();
        Ok(Self { paths, losses: losses::of_table(&table)?, values: table.vectors("features", width)? })
    }

    /// Each image by itself.
    pub(crate) fn usable(&self) -> impl Iterator<Item = Usable> {
        let rows = self.values.rows().into_iter().zip(&self.losses);
        rows.map(|(values, &losses)| Usable { features: values.iter().copied().collect(), losses })
    }
}
