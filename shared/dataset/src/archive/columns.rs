//! Which columns of a Parquet file hold images, what they are called and their labels.

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::file::metadata::FileMetaData;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use serde_json::Value;

use super::contents::Wanted;
use crate::tables::{self, LABELS, PATHS};

/// What a column of images may be called, the likeliest first.
const IMAGES: [&str; 5] = ["image", "img", "image_bytes", "jpg", "png"];

/// What Spark calls the bytes of files, beside their paths.
const CONTENT: &str = "content";

/// The columns of a table of images, by their numbers among its leaves.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) image: usize,
    /// What rows are called: beside the bytes, and in a column of its own, which tells where the first does not.
    pub(super) paths: Vec<usize>,
    pub(super) label: Option<usize>,
    /// What the labels' numbers mean.
    classes: Vec<String>,
}

impl Columns {
    /// Those of a table; `None` where it has no images. Usual names go before what the table declares.
    ///
    /// # Errors
    /// Where a column that is asked for is of another kind, or is missing beside images.
    pub(super) fn of(table: &FileMetaData, wanted: &Wanted) -> Result<Option<Self>, String> {
        let (schema, features) = (table.schema_descr(), features(table));
        let own_path = PATHS.into_iter().find_map(|name| leaf(schema, &[name], is_text));
        let found = match &wanted.image_column {
            Some(name) => match image(schema, name) {
                None if has(schema, name) => {
                    return Err(format!("its column `{name}` holds no bytes; see --image-column"));
                }
                found => found.map(|leaf| (name.as_str(), leaf)),
            },
            None => {
                let content = own_path.map(|_| CONTENT);
                let mut names = IMAGES.into_iter().chain(content).chain(declared(schema, &features, "Image"));
                names.find_map(|name| Some((name, image(schema, name)?)))
            }
        };
        let Some((name, image)) = found else { return Ok(None) };
        let paths = leaf(schema, &[name, "path"], is_text).into_iter().chain(own_path).collect();
        let label = match &wanted.label_column {
            Some(name) => Some(leaf(schema, &[name], is_label).ok_or_else(|| no_column(schema, name))?),
            None => {
                let mut names = LABELS.into_iter().chain(declared(schema, &features, "ClassLabel"));
                names.find_map(|name| leaf(schema, &[name], is_label))
            }
        };
        let classes = label.map(|leaf| classes(&features, schema.column(leaf).name())).unwrap_or_default();
        Ok(Some(Self { image, paths, label, classes }))
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

/// The columns that are declared to be of a type, in the order of the table.
fn declared<'a>(schema: &'a SchemaDescriptor, features: &Value, kind: &str) -> impl Iterator<Item = &'a str> {
    let names = names(schema).into_iter();
    names.filter(move |name| features[*name]["_type"] == kind).collect::<Vec<_>>().into_iter()
}

fn classes(features: &Value, label: &str) -> Vec<String> {
    let names = features[label]["names"].as_array().into_iter().flatten();
    names.map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
}

/// The leaf with the images' bytes: a column of bytes, or a field `bytes` of one.
fn image(schema: &SchemaDescriptor, name: &str) -> Option<usize> {
    leaf(schema, &[name, "bytes"], is_bytes).or_else(|| leaf(schema, &[name], is_bytes))
}

/// The leaf at a path that has one value in each row and is of the kind that is meant: of just that name, or else of one
/// in other letters.
fn leaf(schema: &SchemaDescriptor, path: &[&str], is_meant: impl Fn(&ColumnDescriptor) -> bool) -> Option<usize> {
    let find = |is_called: &dyn Fn(&str, &str) -> bool| {
        schema.columns().iter().position(|column| {
            let parts = column.path().parts();
            let is_there =
                parts.len() == path.len() && parts.iter().zip(path).all(|(part, name)| is_called(part, name));
            is_there && column.max_rep_level() == 0 && is_meant(column)
        })
    };
    find(&|part, name| part == name).or_else(|| find(&tables::is_called))
}

fn has(schema: &SchemaDescriptor, name: &str) -> bool {
    names(schema).into_iter().any(|column| tables::is_called(column, name))
}

/// What the table's columns are called, in order.
fn names(schema: &SchemaDescriptor) -> Vec<&str> {
    let mut names: Vec<&str> = schema.columns().iter().map(|column| column.path().parts()[0].as_str()).collect();
    names.dedup();
    names
}

/// Whether it holds bytes of which nothing else is said.
fn is_bytes(column: &ColumnDescriptor) -> bool {
    column.physical_type() == Type::BYTE_ARRAY
        && column.logical_type_ref().is_none()
        && column.converted_type() == ConvertedType::NONE
}

fn is_text(column: &ColumnDescriptor) -> bool {
    column.physical_type() == Type::BYTE_ARRAY
        && (column.logical_type_ref() == Some(&LogicalType::String) || column.converted_type() == ConvertedType::UTF8)
}

fn is_label(column: &ColumnDescriptor) -> bool {
    is_text(column)
        || matches!(column.physical_type(), Type::BOOLEAN | Type::INT32 | Type::INT64 | Type::FLOAT | Type::DOUBLE)
}

fn no_column(schema: &SchemaDescriptor, name: &str) -> String {
    format!("it has no column `{name}` of text or numbers for --label-column, but {}", names(schema).join(", "))
}
