//! Which images are to be erased.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use globset::GlobSet;
use pomona_formats::Error as FileError;
use pomona_formats::digests;
use pomona_formats::listing::{self, Row};
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
pub(super) async fn choose(output: &dyn Store, which: &Which) -> Result<Chosen, Error> {
    let is_meant = |row: &Row| match which {
        Which::Keys(keys) => keys.contains(&row.item.id),
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
            Chosen { unlisted: keys.iter().filter(|key| !listed.contains(*key)).count() as u64, keys: keys.clone() }
        }
        Which::Matching(_) | Which::Label(_) => Chosen { keys: listed, unlisted: 0 },
    })
}

fn is_listing(key: &str) -> bool {
    matches!(Place::of(key), Some(Place::OfRun { name, .. }) if name.starts_with("listing/"))
}
