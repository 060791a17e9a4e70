//! How many components to keep of what the data allows.

use pomona_terms::Components;

use crate::Error;

pub(crate) const DEFAULT_COMPONENTS: usize = 50;

/// n centred rows span at most n - 1 dimensions.
pub(crate) fn limit(count: u64, dimensions: usize) -> usize {
    usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX).min(dimensions)
}

/// The number of components to keep of `count` rows of so many features, if it does not depend on their variances.
pub(crate) fn wanted(components: Components, count: u64, dimensions: usize) -> Result<Option<usize>, Error> {
    let limit = limit(count, dimensions);
    match components {
        Components::Default => Ok(Some(limit.min(DEFAULT_COMPONENTS))),
        Components::Count(requested) if (1..=limit).contains(&requested) => Ok(Some(requested)),
        Components::Count(requested) => Err(Error::ComponentsOutOfRange { requested, count, dimensions, limit }),
        Components::VarianceShare(share) => {
            Components::variance_share(share).map_err(Error::Components)?;
            Ok(None)
        }
    }
}

/// The fewest of the largest `variances` that together are at least the share of the total that is asked for, if there
/// are so many.
pub(crate) fn fewest_for_share(components: Components, variances: &[f64], total_variance: f64) -> Option<usize> {
    let Components::VarianceShare(share) = components else { return None };
    let cumulative = variances.iter().scan(0.0, |cumulative, variance| {
        *cumulative += variance;
        Some(*cumulative)
    });
    let too_few = cumulative.take_while(|&cumulative| cumulative < share * total_variance).count();
    (too_few < variances.len()).then_some(too_few + 1)
}

/// The number of components to keep of `count` rows whose features have all these `variances`, largest first.
pub(crate) fn resolve(
    components: Components,
    count: u64,
    variances: &[f64],
    total_variance: f64,
) -> Result<usize, Error> {
    let limit = limit(count, variances.len());
    let wanted = wanted(components, count, variances.len())?;
    let for_share = || fewest_for_share(components, variances, total_variance).unwrap_or(limit).min(limit);
    Ok(wanted.unwrap_or_else(for_share))
}
