//! Labels that lie beside images in an archive, as webdataset has them: files of one sample share a name up to the first
//! dot, and of these `.cls` holds the label, or `.json` does in one of its fields.

use std::collections::HashMap;

/// The largest file that is read for a label.
pub(super) const MOST_BYTES: u64 = 1 << 20;

/// The labels of an archive's samples.
#[derive(Debug)]
pub(super) struct Labels {
    field: String,
    of_samples: HashMap<String, (Rank, String)>,
    /// Files in JSON without a label.
    untold: u64,
}

/// Which of two files of a sample tells its label: the later one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Json,
    Cls,
}

impl Labels {
    /// With the field of `.json` files that holds the label.
    pub(super) fn new(field: &str) -> Self {
        Self { field: field.to_owned(), of_samples: HashMap::new(), untold: 0 }
    }

    /// Whether the file called `name` may tell a label.
    pub(super) fn may_tell(name: &str) -> bool {
        rank(name).is_some()
    }

    /// Takes note of what a file holds.
    pub(super) fn note(&mut self, name: &str, content: &[u8]) {
        let Some(rank) = rank(name) else { return };
        let label = match rank {
            Rank::Cls => String::from_utf8_lossy(content).trim().to_owned(),
            Rank::Json => match label_of(content, &self.field) {
                Some(label) => label,
                None => {
                    self.untold += 1;
                    return;
                }
            },
        };
        let known = self.of_samples.entry(sample(name).to_owned());
        let entry = known.or_insert((Rank::Json, String::new()));
        if rank >= entry.0 {
            *entry = (rank, label);
        }
    }

    /// How many files in JSON tell no label, if there are any.
    pub(super) fn untold(&self) -> Option<(String, u64)> {
        let what = format!("files in JSON without a label in the field `{}` (--label-field)", self.field);
        Some((what, self.untold)).filter(|(_, count)| *count > 0)
    }

    /// The label of the sample that the file called `name` belongs to.
    pub(super) fn of(&self, name: &str) -> Option<String> {
        self.of_samples.get(sample(name)).map(|(_, label)| label.clone())
    }
}

fn rank(name: &str) -> Option<Rank> {
    match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "cls" => Some(Rank::Cls),
        "json" => Some(Rank::Json),
        _ => None,
    }
}

/// The name up to the first dot of the file's own name.
fn sample(name: &str) -> &str {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let end = name[file..].find('.').map_or(name.len(), |dot| file + dot);
    &name[..end]
}

fn label_of(json: &[u8], field: &str) -> Option<String> {
    let content: serde_json::Value = serde_json::from_slice(json).ok()?;
    match content.get(field)? {
        serde_json::Value::String(label) => Some(label.clone()),
        value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_)) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_sample_share_its_label_and_cls_tells_more_than_json() {
        let mut labels = Labels::new("class");
        labels.note("a/000.cls", b" 7\n");
        labels.note("a/000.json", br#"{"class": "seven"}"#);
        labels.note("a/001.json", br#"{"class": 8, "label": "other"}"#);
        labels.note("a/002.json", b"no JSON");
        labels.note("a.b/003.CLS", b"nine");
        labels.note("a/004.txt", b"caption");
        for (name, label) in [
            ("a/000.jpg", Some("7")),
            ("a/000.seg.png", Some("7")),
            ("a/001.jpg", Some("8")),
            ("a/002.jpg", None),
            ("a.b/003.jpg", Some("nine")),
            ("a/004.jpg", None),
            ("b/000.jpg", None),
        ] {
            assert_eq!(labels.of(name).as_deref(), label, "{name}");
        }
        let (what, count) = labels.untold().unwrap();
        assert!(what.contains("`class`") && count == 1, "{count} {what}");
        assert_eq!(Labels::new("class").untold(), None);
    }
}
