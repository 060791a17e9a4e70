//! Which folder's name is an image's label.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where labels come from: the option `label-from`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LabelFrom {
    /// The folder that the image lies in; "" at the root.
    #[default]
    Parent,
    /// The folder of this level below the input, 1 for the topmost; "" where the image lies less deep.
    Level(NonZeroUsize),
    /// Nowhere: every label is "".
    None,
}

/// The topmost folder, which has a name of its own.
const TOP: LabelFrom = LabelFrom::Level(NonZeroUsize::MIN);

impl LabelFrom {
    /// The label of the image at `key`, or of the folder at `key`, which ends in a slash then.
    pub fn label(self, key: &str) -> &str {
        let Some((folders, _)) = key.rsplit_once('/') else { return "" };
        match self {
            Self::Parent => folders.rsplit('/').next().unwrap_or(folders),
            Self::Level(level) => folders.split('/').nth(level.get() - 1).unwrap_or(""),
            Self::None => "",
        }
    }
}

impl FromStr for LabelFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "parent" => Ok(Self::Parent),
            "top" => Ok(TOP),
            "none" => Ok(Self::None),
            level => level.parse().map(Self::Level).map_err(|_| {
                format!(
                    "`{text}` is neither parent, top nor none, nor the number of a folder's level, 1 for the topmost"
                )
            }),
        }
    }
}

impl fmt::Display for LabelFrom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parent => formatter.write_str("parent"),
            &level if level == TOP => formatter.write_str("top"),
            Self::Level(level) => level.fmt(formatter),
            Self::None => formatter.write_str("none"),
        }
    }
}

impl Serialize for LabelFrom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Level(level) if *self != TOP => level.serialize(serializer),
            named => serializer.collect_str(named),
        }
    }
}

impl<'de> Deserialize<'de> for LabelFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "label_from must be \"parent\", \"top\", \"none\" or a number above 0")]
        enum Written {
            Level(NonZeroUsize),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Level(level) => Ok(Self::Level(level)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> LabelFrom {
        text.parse().unwrap()
    }

    #[test]
    fn a_label_is_the_name_of_the_folder_that_is_asked_for() {
        let deep = "bottle/train/good/1.jpg";
        let labels = ["parent", "top", "1", "2", "3", "4", "none"].map(|choice| from(choice).label(deep));
        assert_eq!(labels, ["good", "bottle", "bottle", "train", "good", "", ""]);
        assert!(["parent", "top", "2", "none"].iter().all(|choice| from(choice).label("1.jpg").is_empty()));
        assert_eq!(from("parent").label("year=2024/month=1/pear, ripe/a.jpg"), "pear, ripe");
    }

    #[test]
    fn a_folder_has_the_label_of_the_images_that_it_would_hold() {
        assert_eq!(from("parent").label("cat/indoors/"), "indoors");
        assert_eq!(from("top").label("cat/indoors/"), "cat");
    }

    #[test]
    fn choices_are_the_same_in_text_and_in_json() {
        for (text, json) in [("parent", "\"parent\""), ("top", "\"top\""), ("none", "\"none\""), ("3", "3")] {
            assert_eq!(from(text).to_string(), text);
            assert_eq!(serde_json::to_string(&from(text)).unwrap(), json);
            assert_eq!(serde_json::from_str::<LabelFrom>(json).unwrap(), from(text));
        }
        assert_eq!(serde_json::from_str::<LabelFrom>("1").unwrap(), from("top"));
    }

    #[test]
    fn what_is_no_choice_is_refused_with_those_there_are() {
        for text in ["", "0", "-1", "grandparent", "1.5"] {
            assert!(text.parse::<LabelFrom>().unwrap_err().contains("parent, top"), "{text}");
        }
        for json in ["0", "-1", "\"folder\"", "null"] {
            assert!(serde_json::from_str::<LabelFrom>(json).is_err(), "{json}");
        }
    }
}
