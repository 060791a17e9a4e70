//! Tables that users have of their images: labels by path, and lists of paths.

use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use pomona_dataset::tables::{LABELS, PATHS, is_called};

use crate::error::Error;
use crate::tables::{self, caught};

/// Labels of images by their paths.
///
/// `bytes` are CSV with a header, or Parquet.
///
/// # Errors
/// [`Error::Unusable`] where there is no column of paths or of labels, or a path has two labels.
pub fn labels(file: &str, bytes: &Bytes) -> Result<HashMap<String, String>, Error> {
    let [paths, labels] = columns(file, bytes, [&PATHS, &LABELS])?;
    let mut found = HashMap::new();
    for (path, label) in paths.into_iter().zip(labels) {
        let path = plain(&path).to_owned();
        match found.get(&path) {
            Some(other) if *other != label => {
                let problem = format!("`{path}` has two labels there, `{other}` and `{label}`; leave one of them");
                return Err(Error::unusable(file, problem));
            }
            _ => {
                found.insert(path, label);
            }
        }
    }
    Ok(found)
}

/// Paths of images, each once.
///
/// `bytes` are CSV with a header that names a column of paths, Parquet with such a column, or text with a path a line,
/// which a file of another name than `.csv` is where no header names a column of paths.
///
/// # Errors
/// [`Error::Unusable`] where there is no path.
pub fn paths(file: &str, bytes: &Bytes) -> Result<Vec<String>, Error> {
    let is_csv = file.to_ascii_lowercase().ends_with(".csv") && several_columns(bytes);
    let mut paths = match is_parquet(bytes) || has_header(bytes) || is_csv {
        true => columns(file, bytes, [&PATHS])?.into_iter().next().unwrap_or_default(),
        false => lines(file, bytes)?,
    };
    paths.iter_mut().for_each(|path| *path = plain(path).to_owned());
    paths.retain(|path| !path.is_empty());
    paths.sort_unstable();
    paths.dedup();
    match paths.is_empty() {
        true => Err(Error::unusable(file, "it names no image; write a path a line")),
        false => Ok(paths),
    }
}

/// A path as listings have it.
fn plain(path: &str) -> &str {
    path.trim_start_matches("./")
}

fn is_parquet(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PAR1")
}

fn has_header(bytes: &[u8]) -> bool {
    let header = csv::Reader::from_reader(bytes).headers().cloned();
    header.is_ok_and(|names| position(names.iter(), &PATHS).is_some())
}

fn several_columns(bytes: &[u8]) -> bool {
    csv::Reader::from_reader(bytes).headers().is_ok_and(|names| names.len() > 1)
}

fn lines(file: &str, bytes: &[u8]) -> Result<Vec<String>, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::unusable(file, "it is not UTF-8"))?;
    Ok(text.trim_start_matches('\u{feff}').lines().map(|line| line.trim_end_matches('\r').to_owned()).collect())
}

/// The first of the `names` that is one of `wanted`, in the order of these.
fn position<'a>(names: impl Iterator<Item = &'a str> + Clone, wanted: &[&str]) -> Option<usize> {
    let found = |wanted: &&str| names.clone().position(|name| is_called(name, wanted));
    wanted.iter().find_map(found)
}

/// The columns that are called like one of each list of names, as text.
fn columns<const N: usize>(file: &str, bytes: &Bytes, wanted: [&[&str]; N]) -> Result<[Vec<String>; N], Error> {
    if is_parquet(bytes) {
        caught(|| of_parquet(file, bytes, wanted), |problem| Error::unusable(file, problem))
    } else {
        of_csv(file, bytes, wanted)
    }
}

fn find<'a, const N: usize>(
    file: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    wanted: [&[&str]; N],
) -> Result<[usize; N], Error> {
    let mut found = [0; N];
    for (number, wanted) in wanted.into_iter().enumerate() {
        found[number] = position(names.clone(), wanted).ok_or_else(|| {
            let names = names.clone().collect::<Vec<_>>().join(", ");
            let there =
                if names.is_empty() { "it is empty, and has" } else { &format!("it has the columns {names}, and") };
            let problem = format!("{there} none of {}; rename one", wanted.join(", "));
            Error::unusable(file, problem)
        })?;
    }
    Ok(found)
}

fn of_csv<const N: usize>(file: &str, bytes: &[u8], wanted: [&[&str]; N]) -> Result<[Vec<String>; N], Error> {
    let failed = |error: csv::Error| Error::unusable(file, error.to_string());
    let mut reader = csv::Reader::from_reader(bytes);
    let places = find(file, reader.headers().map_err(failed)?.clone().iter(), wanted)?;
    let mut columns = [const { Vec::new() }; N];
    for record in reader.records() {
        let record = record.map_err(failed)?;
        for (column, place) in columns.iter_mut().zip(places) {
            column.push(record.get(place).unwrap_or_default().to_owned());
        }
    }
    Ok(columns)
}

fn of_parquet<const N: usize>(file: &str, bytes: &Bytes, wanted: [&[&str]; N]) -> Result<[Vec<String>; N], Error> {
    let failed = |error: &dyn std::fmt::Display| Error::unusable(file, error.to_string());
    // What Arrow says of a column would make categories of text.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = tables::parquet_reader(bytes, options).map_err(|error| failed(&error))?;
    let schema = builder.schema().clone();
    let places = find(file, schema.fields().iter().map(|field| field.name().as_str()), wanted)?;
    let mut columns = [const { Vec::new() }; N];
    for batch in tables::batches(bytes, builder).map_err(|error| failed(&error))? {
        let batch = batch.map_err(|error| failed(&error))?;
        for (column, place) in columns.iter_mut().zip(places) {
            column.extend(texts(file, &batch, place)?);
        }
    }
    Ok(columns)
}

/// A column of text or of whole numbers as text; null is "".
fn texts(file: &str, batch: &RecordBatch, place: usize) -> Result<Vec<String>, Error> {
    let column = batch.column(place);
    let cell = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().map(cell).collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().map(cell).collect(),
        DataType::Utf8View => column.as_string_view().iter().map(cell).collect(),
        DataType::Int8 => numbers::<Int8Type>(column),
        DataType::Int16 => numbers::<Int16Type>(column),
        DataType::Int32 => numbers::<Int32Type>(column),
        DataType::Int64 => numbers::<Int64Type>(column),
        DataType::UInt8 => numbers::<UInt8Type>(column),
        DataType::UInt16 => numbers::<UInt16Type>(column),
        DataType::UInt32 => numbers::<UInt32Type>(column),
        DataType::UInt64 => numbers::<UInt64Type>(column),
        other => {
            let name = batch.schema().field(place).name().clone();
            return Err(Error::unusable(file, format!("its column `{name}` is {other}; make it text")));
        }
    })
}

fn numbers<T: ArrowPrimitiveType<Native: ToString>>(column: &dyn Array) -> Vec<String> {
    let number = |number: Option<T::Native>| number.map_or_else(String::new, |number| number.to_string());
    column.as_primitive::<T>().iter().map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_array::{
        Int8Array, Int16Array, Int32Array, Int64Array, StringArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
    };
    use arrow_schema::Field;
    use std::sync::Arc;

    fn parquet() -> Bytes {
        let fields = vec![tables::text_field("file_name"), tables::int64_field("class"), tables::text_field("x")];
        let texts = |texts: [&str; 2]| Arc::new(StringArray::from_iter_values(texts));
        let columns: Vec<Arc<dyn Array>> =
            vec![texts(["a/1.jpg", "./2.jpg"]), Arc::new(Int64Array::from(vec![7, 8])), texts(["", ""])];
        tables::to_parquet("t", fields, columns, []).unwrap()
    }

    #[test]
    fn labels_stand_in_csv_or_parquet_under_usual_names() {
        let expected =
            HashMap::from([("a/1.jpg", "7"), ("2.jpg", "8")].map(|(path, label)| (path.to_owned(), label.to_owned())));
        for table in [
            Bytes::from("path,label\na/1.jpg,7\n2.jpg,8\n"),
            Bytes::from("\u{feff}n,Class,FILE\r\n0,7,./a/1.jpg\r\n1,8,2.jpg\r\n1,8,2.jpg\r\n"),
            parquet(),
        ] {
            assert_eq!(labels("t", &table).unwrap(), expected);
        }
    }

    #[test]
    fn labels_may_be_whole_numbers_of_any_width() {
        let columns: [Arc<dyn Array>; 8] = [
            Arc::new(Int8Array::from(vec![Some(7), None])),
            Arc::new(Int16Array::from(vec![Some(7), None])),
            Arc::new(Int32Array::from(vec![Some(7), None])),
            Arc::new(Int64Array::from(vec![Some(7), None])),
            Arc::new(UInt8Array::from(vec![Some(7), None])),
            Arc::new(UInt16Array::from(vec![Some(7), None])),
            Arc::new(UInt32Array::from(vec![Some(7), None])),
            Arc::new(UInt64Array::from(vec![Some(7), None])),
        ];
        for column in columns {
            let kind = column.data_type().clone();
            let fields = vec![tables::text_field("path"), Field::new("label", kind.clone(), true)];
            let paths = Arc::new(StringArray::from_iter_values(["1.jpg", "2.jpg"]));
            let table = tables::to_parquet("t", fields, vec![paths, column], []).unwrap();
            let found = labels("t", &table).unwrap();
            assert_eq!((found["1.jpg"].as_str(), found["2.jpg"].as_str()), ("7", ""), "{kind}");
        }
    }

    #[test]
    fn a_list_is_text_csv_or_parquet() {
        for list in [
            Bytes::from("a/1.jpg\r\n\n./2.jpg\n2.jpg"),
            Bytes::from("path\na/1.jpg\n2.jpg\n"),
            Bytes::from("label,key\nx,\"a/1.jpg\"\ny,2.jpg\n"),
            parquet(),
        ] {
            assert_eq!(paths("t", &list).unwrap(), ["2.jpg", "a/1.jpg"]);
        }
        // A path with a comma is no header, and a table without a column of paths no list.
        assert_eq!(paths("t", &Bytes::from("a, b.jpg\n")).unwrap(), ["a, b.jpg"]);
        assert_eq!(paths("t.csv", &Bytes::from("a.jpg\nb.jpg\n")).unwrap(), ["a.jpg", "b.jpg"]);
        let error = paths("t.csv", &Bytes::from("a,b\n1.jpg,2\n")).unwrap_err().to_string();
        assert!(error.contains("the columns a, b, and none of"), "{error}");
    }

    #[test]
    fn what_tells_nothing_is_refused_by_name() {
        for (table, said) in [
            (&b"name,label\na,b\n"[..], "none of path"),
            (b"path,kind\na,b\n", "none of label"),
            (b"path,label\na,b\na,c\n", "two labels"),
            (b"path,label\na\n", "t"),
            (b"", "it is empty"),
            (b"PAR1 and nothing else", "t"),
        ] {
            let error = labels("t", &Bytes::from_static(table)).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            assert_eq!(error.name(), pomona_run::ErrorName::BadInput);
        }
        assert!(paths("t", &Bytes::from("\n\n")).unwrap_err().to_string().contains("names no image"));
        assert!(paths("t", &Bytes::from_static(b"\xff\xfe")).unwrap_err().to_string().contains("UTF-8"));
    }
}
