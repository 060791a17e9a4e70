//! What earlier runs computed of a shard's images, as long as it depends on the images' bytes alone.

use std::collections::{HashMap, HashSet};

use pomona_run::layout::RunLayout;
use pomona_store::Store;
use pomona_vision::pixels::RejectReason;

use crate::error::{Damage, Error, tell_of_damage};
use crate::listing::{self, Identity, Row};
use crate::part::{Outcome, StoredPart};
use crate::planned::{PreviousPart, Shard};
use crate::{digests, fragments, moments_file};

/// What there is, and how many fragments the shard's own part has.
#[derive(Debug, Default)]
pub(crate) struct Earlier {
    pub(crate) outcomes: HashMap<Identity, Outcome>,
    pub(crate) fragments: u32,
}

/// Gathers outcomes of the rows of `shard`: from what its own part had come to, then from the parts of earlier runs, newest first, of which
/// only those are read that hold something new.
pub(crate) async fn read(output: &dyn Store, shard: &Shard, rows: &[Row], width: usize) -> Result<Earlier, Error> {
    let mut search = Search {
        output,
        width,
        wanted: rows.iter().filter(|row| row.could_be_opened()).map(Identity::of).collect(),
        found: HashMap::new(),
    };
    let fragments = search.read_fragments(&shard.part).await?;
    for part in &shard.previous {
        match search.read_part(part).await {
            // What has expired or is damaged is computed again.
            Err(Error::Damaged { .. }) => {}
            other => other?,
        }
    }
    Ok(Earlier { outcomes: search.found, fragments })
}

struct Search<'a> {
    output: &'a dyn Store,
    width: usize,
    wanted: HashSet<Identity>,
    found: HashMap<Identity, Outcome>,
}

impl Search<'_> {
    async fn read_fragments(&mut self, part: &str) -> Result<u32, Error> {
        let (count, images) = fragments::read(self.output, part, self.width).await?;
        images.into_iter().for_each(|(identity, outcome)| self.take(&identity, outcome));
        Ok(count)
    }

    async fn read_part(&mut self, previous: &PreviousPart) -> Result<(), Error> {
        if self.wanted.is_empty() {
            return Ok(());
        }
        let listing_key = RunLayout::new(previous.run_id.as_str()).listing(previous.shard);
        let rows = digests::read(self.output, &listing_key, &previous.listing_sha256).await;
        let rows =
            rows.inspect_err(|error| tell_of_damage(error, "the features that it leads to are computed anew"))?;
        let rows = listing::decode(&listing_key, rows)?;
        let identities = rows.iter().map(|row| (row.key.as_str(), Identity::of(row)));
        let identities: HashMap<&str, Identity> =
            identities.filter(|(_, identity)| self.wanted.contains(identity)).collect();
        if identities.is_empty() {
            return Ok(());
        }
        let part = match StoredPart::read(self.output, &previous.part, &previous.run_id).await {
            Err(Error::Damaged { damage: Damage::Missing, .. }) => {
                return self.read_fragments(&previous.part).await.map(drop);
            }
            part => part?,
        };
        let moments_key = part.moments_key.clone();
        let decoded = part.decode(self.width);
        let (features, rejects) = moments_file::set_aside_if_damaged(self.output, &moments_key, decoded).await?;
        let (paths, usable) = (features.paths.iter(), features.usable());
        for (path, usable) in paths.zip(usable) {
            if let Some(identity) = identities.get(path.as_str()) {
                self.take(identity, Ok(usable));
            }
        }
        for rejected in rejects {
            let by_bytes = rejected.reject.reason != RejectReason::Unreadable;
            if let Some(identity) = identities.get(rejected.path.as_str()).filter(|_| by_bytes) {
                self.take(identity, Err(rejected.reject));
            }
        }
        Ok(())
    }

    fn take(&mut self, identity: &Identity, outcome: Outcome) {
        if let Some(identity) = self.wanted.take(identity) {
            self.found.insert(identity, outcome);
        }
    }
}
