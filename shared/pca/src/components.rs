//! How many components to keep of what the data allows.

use pomona_terms::Components;

use crate::Error;

pub(crate) const DEFAULT_COMPONENTS: usize = 50;

/// What the data allows and how its variance is spread: all that decides on the number of components.
pub(crate) struct Spectrum<'a> {
    pub(crate) count: u64,
    pub(crate) variances: &'a [f64],
    pub(crate) total_variance: f64,
}

impl Spectrum<'_> {
    /// n centred rows span at most n - 1 dimensions.
    fn limit(&self) -> usize {
        let rank_of_rows = usize::try_from(self.count.saturating_sub(1)).unwrap_or(usize::MAX);
        rank_of_rows.min(self.variances.len())
    }

    fn fewest_for_share(&self, share: f64) -> usize {
        let wanted = share * self.total_variance;
        let too_few = self.variances.iter().scan(0.0, |cumulative, variance| {
            *cumulative += variance;
            Some(*cumulative)
        });
        let too_few = too_few.take_while(|&cumulative| cumulative < wanted).count();
        (too_few + 1).min(self.limit())
    }
}

/// The number of components to keep.
pub(crate) fn resolve(wanted: Components, spectrum: &Spectrum<'_>) -> Result<usize, Error> {
    let limit = spectrum.limit();
    match wanted {
        Components::Default => Ok(limit.min(DEFAULT_COMPONENTS)),
        Components::Count(requested) if (1..=limit).contains(&requested) => Ok(requested),
        Components::Count(requested) => Err(Error::ComponentsOutOfRange {
            requested,
            count: spectrum.count,
            dimensions: spectrum.variances.len(),
            limit,
        }),
        Components::VarianceShare(share) => {
            Components::variance_share(share).map_err(Error::Components)?;
            Ok(spectrum.fewest_for_share(share))
        }
    }
}
