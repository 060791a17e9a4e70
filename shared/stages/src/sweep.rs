//! The stage `sweep`: what one group of parts adds to one pass of a fit.

use std::sync::Arc;

use futures::stream::{self, StreamExt};
use pomona_formats::Error;
use pomona_formats::fits::Fits;
use pomona_formats::part;
use pomona_formats::{run_aside, sealed};
use pomona_pca::sweep::Sweep;
use pomona_pca::{Columns, Covariance, Lanczos, Logistic, Merger};
use pomona_run::sweep::{COVARIANCE_FEATURES, Group, Method};
use pomona_run::{RunId, layout};
use pomona_store::Store;

use crate::damages::Damages;
use crate::seen::View;

/// Parts of a group that are worked on at once, however many threads there are: with 62,720 features each takes some
/// 200 MB, for its file, its rows and what it adds to the pass.
const PARTS_AT_ONCE: usize = 4;

/// Groups that one process works on at once: with few features more than one, so that no thread waits.
pub fn groups_at_once(features: usize, threads: usize) -> usize {
    if features > COVARIANCE_FEATURES { 1 } else { threads.div_ceil(PARTS_AT_ONCE) }
}

/// Writes the sum of a group, on up to `threads` threads; one that exists is not made again. `on_part` is called once
/// for each part.
///
/// # Errors
/// Those of the store, and [`Error::Damaged`] where the pass's state is missing or damaged, or parts are; all that are
/// damaged are set aside then.
pub async fn sweep(
    output: &dyn Store,
    group: &Group,
    threads: usize,
    on_part: &(dyn Fn() + Sync),
) -> Result<(), Error> {
    match group.method {
        Method::Columns => sum_of::<Columns>(output, group, threads, on_part).await,
        Method::Covariance => sum_of::<Covariance>(output, group, threads, on_part).await,
        Method::Components => sum_of::<Lanczos>(output, group, threads, on_part).await,
        Method::Classifier => sum_of::<Logistic>(output, group, threads, on_part).await,
    }
}

async fn sum_of<S: Sweep>(
    output: &dyn Store,
    group: &Group,
    threads: usize,
    on_part: &(dyn Fn() + Sync),
) -> Result<(), Error> {
    let fits = Fits::read(output, &group.run_id).await?;
    let parts = fits.groups().nth(group.group as usize);
    let parts = parts.ok_or_else(|| Error::Internal(format!("{} has no group {}", group.fit, group.group)))?;
    let key = layout::sweep_sum(&group.fit, group.pass, group.group);
    if output.exists(&key).await? {
        parts.iter().for_each(|_| on_part());
        return Ok(());
    }
    let state: Arc<S> = Arc::new(sealed::read(output, &layout::sweep_state(&group.fit, group.pass)).await?);
    let view = View::of(output, &fits, group).await?;
    let partials =
        stream::iter(parts).map(|part| partial(output, &group.run_id, part, fits.width, view.clone(), state.clone()));
    let mut partials = partials.buffered(threads.clamp(1, PARTS_AT_ONCE));
    let (mut merger, mut damages) = (Merger::default(), Damages::default());
    while let Some(partial) = partials.next().await {
        if let Some(partial) = damages.keep(partial)? {
            merger.push(partial)?;
        }
        on_part();
    }
    damages.finish()?;
    let sum = merger.finish()?.ok_or_else(|| Error::Internal("a group without parts".to_owned()))?;
    sealed::write(output, &key, &sum).await
}

/// What one part adds, computed on a thread of its own.
async fn partial<S: Sweep>(
    output: &dyn Store,
    run_id: &RunId,
    part: &str,
    width: usize,
    view: Arc<View>,
    state: Arc<S>,
) -> Result<S::Sum, Error> {
    let features = part::read_features(output, part, run_id, width).await?;
    run_aside(move || Ok(state.partial(&view.see(features)?.rows())?)).await?
}
