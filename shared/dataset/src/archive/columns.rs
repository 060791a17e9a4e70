//! Which columns of a Parquet file hold images, what they are called and their labels.

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::file::metadata::FileMetaData;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use serde_json::Value;

use super::contents::Wanted;
use crate::tables::{self, LABELS, PATHS};

/// What a column of images may be called, the likeliest first: as Hugging Face's datasets have it, and then Spark's.
const IMAGES: [&str; 6] = ["image", "img", "content", "image_bytes", "bytes", "data"];

/// The columns of a table of images, by their numbers among its leaves.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) image: usize,
    pub(super) path: Option<usize>,
    pub(super) label: Option<usize>,
    /// What the labels' numbers mean.
    classes: Vec<String>,
}

impl Columns {
    /// Those of a table; `None` where it has no images.
    ///
    /// # Errors
    /// Where it has images, and not the column of labels that is asked for.
    pub(super) fn of(table: &FileMetaData, wanted: &Wanted) -> Result<Option<Self>, String> {
        let (schema, features) = (table.schema_descr(), features(table));
        let candidates = match &wanted.image_column {
            Some(name) => vec![name.as_str()],
            None => named_by(&features, "Image").chain(IMAGES).collect(),
        };
        let Some((name, image)) = candidates.into_iter().find_map(|name| Some((name, image(schema, name)?))) else {
            return Ok(None);
        };
        let beside = leaf(schema, &[name, "path"], is_text);
        let path = beside.or_else(|| PATHS.into_iter().find_map(|name| leaf(schema, &[name], is_text)));
        let label = match &wanted.label_column {
            Some(name) => Some(leaf(schema, &[name], is_label).ok_or_else(|| no_column(schema, name))?),
            None => {
                let mut names = named_by(&features, "ClassLabel").chain(LABELS);
                names.find_map(|name| leaf(schema, &[name], is_label))
            }
        };
        let classes = label.map(|leaf| classes(&features, schema.column(leaf).name())).unwrap_or_default();
        Ok(Some(Self { image, path, label, classes }))
    }

    /// The label that a cell means: numbers may be those of classes, of which none has a negative one.
    pub(super) fn class(&self, cell: String) -> String {
        match cell.parse::<i64>().map(usize::try_from) {
            Ok(Ok(number)) => self.classes.get(number).cloned().unwrap_or(cell),
            Ok(Err(_)) if !self.classes.is_empty() => String::new(),
            _ => cell,
        }
    }
}

/// What Hugging Face's datasets say of the columns of a table.
fn features(table: &FileMetaData) -> Value {
    let told = table.key_value_metadata().into_iter().flatten().find(|told| told.key == "huggingface");
    let told: Option<Value> = told.and_then(|told| serde_json::from_str(told.value.as_deref()?).ok());
    told.and_then(|told| told.get("info")?.get("features").cloned()).unwrap_or_default()
}

/// The columns that are of a type.
fn named_by<'a>(features: &'a Value, kind: &'static str) -> impl Iterator<Item = &'a str> {
    let features = features.as_object().into_iter().flatten();
    features.filter(move |(_, feature)| feature["_type"] == kind).map(|(name, _)| name.as_str())
}

fn classes(features: &Value, label: &str) -> Vec<String> {
    let names = features[label]["names"].as_array().into_iter().flatten();
    names.map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
}

/// The leaf with the images' bytes: a column of bytes, or a field `bytes` of one.
fn image(schema: &SchemaDescriptor, name: &str) -> Option<usize> {
    let is_bytes = |column: &ColumnDescriptor| column.physical_type() == Type::BYTE_ARRAY && !is_text(column);
    leaf(schema, &[name, "bytes"], is_bytes).or_else(|| leaf(schema, &[name], is_bytes))
}

/// The leaf at a path that has one value in each row and is of the kind that is meant. Names are told apart by their
/// case only where that is needed.
fn leaf(schema: &SchemaDescriptor, path: &[&str], is_meant: impl Fn(&ColumnDescriptor) -> bool) -> Option<usize> {
    let is_called = |column: &ColumnDescriptor| {
        let parts = column.path().parts();
        parts.len() == path.len() && parts.iter().zip(path).all(|(part, name)| tables::is_called(part, name))
    };
    let columns = schema.columns().iter();
    let mut meant = columns.enumerate().filter(|(_, column)| column.max_rep_level() == 0 && is_called(column));
    meant.find(|(_, column)| is_meant(column)).map(|(number, _)| number)
}

fn is_text(column: &ColumnDescriptor) -> bool {
    column.physical_type() == Type::BYTE_ARRAY
        && (column.logical_type_ref() == Some(&LogicalType::String) || column.converted_type() == ConvertedType::UTF8)
}

fn is_label(column: &ColumnDescriptor) -> bool {
    is_text(column) || matches!(column.physical_type(), Type::BOOLEAN | Type::INT32 | Type::INT64)
}

fn no_column(schema: &SchemaDescriptor, name: &str) -> String {
    let mut names: Vec<&str> = schema.columns().iter().map(|column| column.path().parts()[0].as_str()).collect();
    names.dedup();
    format!("it has no column `{name}` of text or whole numbers for --label-column, but {}", names.join(", "))
}
