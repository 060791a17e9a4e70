//! Which images are to be erased.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use globset::GlobSet;
use pomona_formats::Error as FileError;
use pomona_formats::digests;
use pomona_formats::listing::{self, Row};
use pomona_formats::suppressed::Suppressed;
use pomona_run::pace;
use pomona_run::place::Place;
use pomona_store::Store;

use crate::error::Error;

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The images.
    pub which: Which,
    /// Why; it stands in the certificate.
    pub because: Option<String>,
}

/// Images by what is known of them.
#[derive(Clone, Debug)]
pub enum Which {
    /// Those that are called so.
    Keys(BTreeSet<String>),
    /// Those whose keys match.
    Matching(GlobSet),
    /// Those of this label.
    Label(String),
}

/// The images that are meant.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) keys: BTreeSet<String>,
    /// Named keys that no run here has listed.
    pub(super) unlisted: u64,
}

/// Looks through the listings of all runs, whatever became of them.
///
/// # Errors
/// [`FileError::Request`] for a key that nobody has listed, where it is no path of an image, or one that is written
/// otherwise than there; and those of the store.
pub(super) async fn choose(output: &dyn Store, which: &Which, erased: &Suppressed) -> Result<Chosen, Error> {
    let near = match which {
        Which::Keys(keys) => keys.iter().flat_map(|key| near(key)).collect(),
        Which::Matching(_) | Which::Label(_) => BTreeSet::new(),
    };
    let is_meant = |row: &Row| match which {
        Which::Keys(keys) => keys.contains(&row.item.id) || near.contains(&row.item.id),
        Which::Matching(globs) => globs.is_match(&row.item.id),
        Which::Label(label) => *row.item.label == **label,
    };
    let listings = output.sizes("runs/").await?.into_iter().map(|(key, _)| key).filter(|key| is_listing(key));
    let meant = |key: String| async move {
        let read = digests::get(output, &key).await.and_then(|bytes| listing::decode(&key, bytes));
        let rows = match (read, which) {
            (Err(error @ FileError::Store(_)), _) => return Err(error.into()),
            // Whoever names images needs no listing to know them.
            (Err(_), Which::Keys(_)) => Vec::new(),
            (read, _) => read?,
        };
        Ok::<_, Error>(rows.into_iter().filter(is_meant).map(|row| row.item.id).collect::<Vec<_>>())
    };
    let listed: Vec<Vec<String>> =
        stream::iter(listings).map(meant).buffer_unordered(pace::REQUESTS).try_collect().await?;
    let listed: BTreeSet<String> = listed.into_iter().flatten().collect();
    Ok(match which {
        Which::Keys(keys) => {
            let unlisted: Vec<&String> = keys.iter().filter(|key| !listed.contains(*key)).collect();
            refuse_mistaken(unlisted.iter().copied().filter(|key| !erased.has(key)), &listed)?;
            Chosen { unlisted: unlisted.len() as u64, keys: keys.clone() }
        }
        Which::Matching(_) | Which::Label(_) => Chosen { keys: listed, unlisted: 0 },
    })
}

/// A path that no run has listed may be one of an image that is still to come. One that is written otherwise than a run
/// has listed it would leave that image where it is, and what is no path of a file may be what a column or a label is
/// called.
fn refuse_mistaken<'a>(unlisted: impl Iterator<Item = &'a String>, listed: &BTreeSet<String>) -> Result<(), Error> {
    for key in unlisted {
        let problem = match near(key).into_iter().find(|near| listed.contains(near)) {
            Some(near) => format!("no run has listed `{key}`, but `{near}`: write paths as in the column `path`"),
            None if !names_a_file(key) => {
                format!("`{key}` is no path of an image, and no run has listed it; is it a header line?")
            }
            None => continue,
        };
        return Err(FileError::option("keys", problem).into());
    }
    Ok(())
}

fn names_a_file(key: &str) -> bool {
    key.rsplit('/').next().is_some_and(|name| name.trim_matches('.').contains('.'))
}

/// What somebody may have meant who writes this: without marks that files and tables put around it, by slashes, and below
/// the input.
fn near(key: &str) -> BTreeSet<String> {
    let plain = key.trim_start_matches('\u{feff}').trim();
    let unquoted = plain.trim_matches(['"', '\'']);
    let first_field = plain.split([',', ';', '\t']).next().unwrap_or_default().trim_matches(['"', '\'']);
    let forms = [plain, unquoted, first_field].map(|form| form.replace('\\', "/"));
    let below = |form: String| form.trim_start_matches("./").trim_start_matches('/').to_owned();
    forms.into_iter().map(below).filter(|form| form != key && !form.is_empty()).collect()
}

fn is_listing(key: &str) -> bool {
    matches!(Place::of(key), Some(Place::OfRun { name, .. }) if name.starts_with("listing/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_written_otherwise_than_it_is_listed_is_refused_and_so_is_what_is_no_path() {
        let listed = BTreeSet::from(["anna/1.jpg".to_owned()]);
        let problem =
            |key: &str| refuse_mistaken([&key.to_owned()].into_iter(), &listed).map_err(|error| error.to_string());
        for key in [
            "./anna/1.jpg",
            "/anna/1.jpg",
            "anna/1.jpg ",
            "\u{feff}anna/1.jpg",
            "\"anna/1.jpg\"",
            "anna\\1.jpg",
            "anna/1.jpg,anna",
            "'anna/1.jpg';3",
        ] {
            assert!(problem(key).unwrap_err().contains("but `anna/1.jpg`"), "{key}");
        }
        for key in ["path", "anna", "class", "24", "a/b", ".", "a/.."] {
            assert!(problem(key).unwrap_err().contains("header line"), "{key}");
        }
        for key in ["anna/2.jpg", "b/anna/1.jpg", "é 1.png"] {
            assert_eq!(problem(key), Ok(()), "{key}");
        }
    }
}
