//! What earlier runs computed of a shard's images, as long as it depends on the images' bytes alone.

use std::collections::{HashMap, HashSet};

use pomona_dataset::{Content, Rejected};
use pomona_formats::digests;
use pomona_formats::error::{Damage, Error, tell_of_damage};
use pomona_formats::fragment;
use pomona_formats::listing::{self, Row};
use pomona_formats::moments_file;
use pomona_formats::part::{Outcome, StoredPart};
use pomona_formats::planned::{PreviousPart, Shard};
use pomona_formats::run_aside;
use pomona_run::layout::RunLayout;
use pomona_store::Store;
use pomona_vision::pixels::RejectReason;

/// What there is, and whether some of it stands in fragments of the shard's own part.
#[derive(Debug)]
pub(crate) struct Earlier {
    pub(crate) outcomes: HashMap<Content, Outcome>,
    pub(crate) has_fragments: bool,
}

/// Which outcomes are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// Those that the images' bytes alone decide: who reads an image again may be luckier, or allow more.
    Lasting,
    /// All: no image is read again.
    All,
}

/// Gathers outcomes of the rows of `shard`: from what its own part had come to, then from the parts of earlier runs,
/// the last planned first, of which only those are read that hold something new.
pub(crate) async fn read(
    output: &dyn Store,
    shard: &Shard,
    rows: &[Row],
    (width, take): (usize, Take),
) -> Result<Earlier, Error> {
    let is_wanted = |row: &&Row| take == Take::All || row.item.version.is_some();
    let mut search = Search {
        output,
        width,
        takes: take,
        wanted: rows.iter().filter(is_wanted).map(|row| row.item.content()).collect(),
        found: HashMap::new(),
    };
    let has_fragments = search.read_fragments(&shard.part).await?;
    for part in &shard.previous {
        match search.read_part(part).await {
            // What has expired, is damaged or of another version is computed again.
            Err(Error::Damaged { .. } | Error::Table { .. } | Error::Inconsistent { .. }) => {}
            other => other?,
        }
    }
    Ok(Earlier { outcomes: search.found, has_fragments })
}

struct Search<'a> {
    output: &'a dyn Store,
    width: usize,
    takes: Take,
    wanted: HashSet<Content>,
    found: HashMap<Content, Outcome>,
}

impl Search<'_> {
    async fn read_fragments(&mut self, part: &str) -> Result<bool, Error> {
        if self.wanted.is_empty() {
            return Ok(false);
        }
        let images = fragment::read(self.output, part, self.width).await?;
        let has_any = images.is_some();
        images.into_iter().flatten().for_each(|(content, usable)| self.take(&content, Ok(usable)));
        Ok(has_any)
    }

    async fn read_part(&mut self, previous: &PreviousPart) -> Result<(), Error> {
        if self.wanted.is_empty() {
            return Ok(());
        }
        let listing_key = RunLayout::new(previous.run_id.as_str()).listing(previous.shard, &previous.listing_sha256);
        let rows = digests::read(self.output, &listing_key, &previous.listing_sha256).await;
        let rows =
            rows.inspect_err(|error| tell_of_damage(error, "the features that it leads to are computed anew"))?;
        let rows = listing::decode(&listing_key, rows)?;
        let contents = rows.iter().map(|row| (row.item.id.as_str(), row.item.content()));
        let contents: HashMap<&str, Content> = contents.filter(|(_, content)| self.wanted.contains(content)).collect();
        if contents.is_empty() {
            return Ok(());
        }
        let part = match StoredPart::read(self.output, &previous.part, &previous.run_id).await {
            Err(Error::Damaged { damage: Damage::Missing, .. }) => {
                return self.read_fragments(&previous.part).await.map(drop);
            }
            part => part?,
        };
        let moments_key = part.moments_key.clone();
        let width = self.width;
        let decoded = run_aside(move || part.decode(width)).await?;
        let (features, rejects) = moments_file::set_aside_if_damaged(self.output, &moments_key, decoded).await?;
        for (path, usable) in features.paths.iter().zip(features.usable()) {
            if let Some(content) = contents.get(path.as_str()) {
                self.take(content, Ok(usable));
            }
        }
        let is_taken = |rejected: &Rejected| self.takes == Take::All || is_lasting(rejected.reject.reason);
        for rejected in rejects.into_iter().filter(is_taken).collect::<Vec<_>>() {
            if let Some(content) = contents.get(rejected.path.as_str()) {
                self.take(content, Err(rejected.reject));
            }
        }
        Ok(())
    }

    fn take(&mut self, content: &Content, outcome: Outcome) {
        if let Some(content) = self.wanted.take(content) {
            self.found.insert(content, outcome);
        }
    }
}

/// Whether an image that was rejected for `reason` would be rejected again: the earlier run's limits may have been
/// lower.
fn is_lasting(reason: RejectReason) -> bool {
    match reason {
        RejectReason::Unreadable | RejectReason::TooLarge => false,
        RejectReason::Empty
        | RejectReason::Unsupported
        | RejectReason::Truncated
        | RejectReason::Corrupt
        | RejectReason::NotFinite => true,
    }
}
