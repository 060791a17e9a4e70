//! The file of `--classes`: labels whose class ids stay.

use std::path::Path;

/// Labels in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Classes(Vec<String>);

impl Classes {
    pub(crate) fn into_labels(self) -> Vec<String> {
        self.0
    }
}

/// Reads labels, one a line, or those of a run's classes.csv.
pub(crate) fn read(path: &str) -> Result<Classes, String> {
    let bytes = std::fs::read(Path::new(path)).map_err(|error| format!("it cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = text.trim_start_matches('\u{feff}');
    let labels = if text.starts_with(HEADER) { of_table(text)? } else { of_lines(text) };
    if labels.is_empty() {
        return Err("it holds no label; write one a line".to_owned());
    }
    Ok(Classes(labels))
}

/// The first columns of classes.csv.
const HEADER: &str = "class_id,class";

fn of_lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn of_table(text: &str) -> Result<Vec<String>, String> {
    let rows = csv::Reader::from_reader(text.as_bytes()).into_deserialize();
    let rows: Vec<(usize, String, u64)> = rows.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    let label = |(row, (class_id, label, _)): (usize, (usize, String, u64))| match class_id == row {
        true => Ok(label),
        false => {
            Err(format!("class_id {class_id} stands where {row} should; the ids must be 0, 1, 2 ... in this order"))
        }
    };
    rows.into_iter().enumerate().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(content: &[u8]) -> Result<Vec<String>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, content).unwrap();
        read(file.path().to_str().unwrap()).map(Classes::into_labels)
    }

    #[test]
    fn labels_stand_one_a_line_however_lines_end() {
        for content in ["pear, ripe\nkiwi\n", "\u{feff}pear, ripe\r\nkiwi\r\n\r\n", "\npear, ripe\n\nkiwi"] {
            assert_eq!(labels(content.as_bytes()).unwrap(), ["pear, ripe", "kiwi"]);
        }
    }

    #[test]
    fn the_classes_of_a_run_are_read_from_its_table() {
        let table = b"class_id,class,count\n0,\"pear, ripe\",7\n1,,2\n2,kiwi,0\n";
        assert_eq!(labels(table).unwrap(), ["pear, ripe", "", "kiwi"]);
        assert!(labels(b"class_id,class,count\n1,pear,7\n").unwrap_err().contains("class_id 1"));
        assert!(labels(b"class_id,class,count\n0,pear\n").is_err());
    }

    #[test]
    fn what_holds_no_labels_is_refused() {
        assert!(labels(b"\n\n").unwrap_err().contains("no label"));
        assert!(labels(b"caf\xe9\n").unwrap_err().contains("UTF-8"));
        assert!(read("/nowhere/at/all").unwrap_err().contains("cannot be read"));
    }
}
