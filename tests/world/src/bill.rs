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
    /// How often something that had been computed was deleted or has expired: all of it may have to be computed again.
    times_forgotten: u64,
}

impl Bill {
    pub(crate) fn computed(&mut self, images: u64) {
        self.computed += images;
    }

    pub(crate) fn wasted(&mut self, images: u64) {
        self.wasted += images;
    }

    pub(crate) fn need(&mut self, key: &str, etag: &str, recipe: &str) {
        self.fair.insert((key.to_owned(), etag.to_owned(), recipe.to_owned()));
    }

    pub(crate) fn has_forgotten(&self) -> bool {
        self.times_forgotten > 0
    }

    pub(crate) fn forget(&mut self) {
        self.times_forgotten += 1;
    }

    fn needed(&self) -> u64 {
        self.fair.len() as u64 * (1 + self.times_forgotten)
    }

    /// What was computed, as a multiple of what had to be.
    pub(crate) fn multiple(&self) -> f64 {
        self.computed as f64 / self.needed().max(1) as f64
    }

    /// What was computed beyond what had to be and what troubles explain.
    pub(crate) fn excess(&self) -> Option<String> {
        let Self { computed, wasted, .. } = self;
        let needed = self.needed();
        (*computed > needed + wasted).then(|| format!("{computed} computed, {needed} needed, {wasted} wasted"))
    }
}
