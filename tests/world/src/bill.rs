//! What a history computes, and what it may.

use std::collections::BTreeSet;

/// Images that were computed, and those that had to be.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    computed: u64,
    /// What calls may have computed in vain: those that brought no answer, and doubles.
    wasted: u64,
    /// Key, etag and recipe of every image that a plan had.
    fair: BTreeSet<(String, String, String)>,
    /// Something that had been computed was deleted or has expired.
    has_forgotten: bool,
}

impl Bill {
    pub(crate) fn computed(&mut self, images: u64) {
        self.computed += images;
    }

    pub(crate) fn wasted(&mut self, images: u64) {
        self.wasted += images;
    }

    pub(crate) fn needed(&mut self, key: &str, etag: &str, recipe: &str) {
        self.fair.insert((key.to_owned(), etag.to_owned(), recipe.to_owned()));
    }

    pub(crate) fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    pub(crate) fn forget(&mut self) {
        self.has_forgotten = true;
    }

    /// What was computed beyond what had to be and what troubles explain.
    pub(crate) fn excess(&self) -> Option<String> {
        let most = self.fair.len() as u64 + self.wasted;
        let is_fair = self.has_forgotten || self.computed <= most;
        (!is_fair).then(|| format!("{} computed, {} needed, {} wasted", self.computed, self.fair.len(), self.wasted))
    }
}
