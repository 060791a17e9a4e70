//! Every text that a file holds, whatever it says: how one finds out whether a file names an image.

use arrow_array::{Array, RecordBatch, StringArray};
use bytes::Bytes;
use pomona_run::place::Place;
use serde_json::Value;

use crate::error::Error;
use crate::tables::{self, ParquetTable};

/// Shows `see` every text that the file at `key` holds: cells of tables, names and values of JSON, what a page says. A
/// file of numbers holds none.
///
/// # Errors
/// [`Error::Table`] where the file is not what its name says.
pub fn each(key: &str, bytes: Bytes, see: &mut dyn FnMut(&str)) -> Result<(), Error> {
    match key.rsplit_once('.').map(|(_, ending)| ending) {
        Some("parquet") => of_table(ParquetTable::read_texts(key, bytes)?, see),
        Some("csv") => tables::cells_of_csv(key, &bytes, see)?,
        Some("json") => of_json(&serde_json::from_slice(&bytes).map_err(|error| Error::table(key, error))?, see),
        Some("html") => of_page(&String::from_utf8_lossy(&bytes), see),
        // Tables that are called by their digests.
        _ if matches!(Place::of(key), Some(Place::Fragment { .. })) => {
            of_table(ParquetTable::read_texts(key, bytes)?, see)
        }
        _ => {}
    }
    Ok(())
}

fn of_table(batch: RecordBatch, see: &mut dyn FnMut(&str)) {
    for column in batch.columns().iter().filter_map(|column| column.as_any().downcast_ref::<StringArray>()) {
        column.iter().flatten().for_each(&mut *see);
    }
}

fn of_json(value: &Value, see: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(values) => values.iter().for_each(|value| of_json(value, see)),
        Value::Object(fields) => {
            for (name, value) in fields {
                see(name);
                of_json(value, see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn of_page(page: &str, see: &mut dyn FnMut(&str)) {
    // The ampersand last, so that nothing is unescaped twice.
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    for text in page.split('<').filter_map(|element| element.split_once('>')).map(|(_, text)| text.trim()) {
        let plain = entities.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain));
        see(&plain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn texts(key: &str, bytes: impl Into<Bytes>) -> Vec<String> {
        let mut texts = Vec::new();
        each(key, bytes.into(), &mut |text| texts.push(text.to_owned())).unwrap();
        texts
    }

    #[test]
    fn texts_are_found_in_every_kind_of_file() {
        let key = "a \"b\" & <c>/ä,1.jpg";
        let column = Arc::new(StringArray::from_iter_values([key, "x"])) as Arc<dyn Array>;
        let table = tables::to_parquet("t", vec![tables::text_field("path")], vec![column], []).unwrap();
        assert_eq!(texts("t.parquet", table.clone()), [key, "x"]);
        let fragment = format!("parts/fragments/{}/0123", "0123456789abcdef".repeat(4));
        assert_eq!(texts(&fragment, table), [key, "x"]);
        let mut csv = tables::CsvTable::new("t", ["path", "n"]).unwrap();
        csv.row([key, "7"]).unwrap();
        assert_eq!(texts("t.csv", csv.finish().unwrap()), ["path", "n", key, "7"]);
        let json = serde_json::json!({"a": [1, {key: null}, "b"]}).to_string();
        assert_eq!(texts("t.json", json), ["a", key, "b"]);
        let page = "<p class=\"x\">one</p><td>a &quot;b&quot; &amp; &lt;c&gt;/ä,1.jpg</td>";
        assert!(texts("t.html", page).contains(&key.to_owned()));
        assert!(texts("parts/p.moments", "POMONAM").is_empty());
        for broken in ["t.parquet", "t.json", &fragment] {
            assert!(each(broken, "PAR1".into(), &mut |_| {}).is_err());
        }
    }
}
