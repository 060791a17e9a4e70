//! What a run leaves behind that fails for its images: errors/ and a page, as a run that succeeds does.

use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_dataset::Rejected;
use pomona_formats::moments_file::Header;
use pomona_formats::part;
use pomona_formats::planned::{self, Plan, Shard};
use pomona_formats::rejects;
use pomona_formats::rejects::describe_reasons;
use pomona_formats::tables;
use pomona_results::html::{self, RefusedPage};
use pomona_run::layout::RunLayout;
use pomona_run::pace;
use pomona_run::visible::visible;
use pomona_store::Store;
use pomona_vision::pixels::Reject;

use crate::claims;
use crate::error::Error;

/// Rejects that the message names.
const NAMED: usize = 3;

/// Rejects that the page names.
const SHOWN: usize = 100;

/// The fewest images that principal components can be fitted to.
const FEWEST_TO_FIT: u64 = 2;

/// Refuses to go on where more images are unusable than the run allows, or too few are usable. Which ones and why
/// stands in errors/ and on the run's page by then.
///
/// # Errors
/// [`Error::TooManyRejects`], [`Error::NothingUsable`] or [`Error::OneImage`], [`Error::Overtaken`], and those of the
/// store.
pub(crate) async fn check(output: &dyn Store, plan: &Plan, merged: &Header) -> Result<(), Error> {
    let usable = merged.images - merged.rejects();
    let allowed = plan.options.max_reject_share;
    let is_within_share = merged.rejects() as f64 <= allowed * merged.images as f64;
    let fewest = if plan.models_of.is_some() { 1 } else { FEWEST_TO_FIT };
    if is_within_share && usable >= fewest {
        return Ok(());
    }
    claims::refuse_overtaken(output, plan).await?;
    let layout = RunLayout::new(plan.run_id.as_str());
    let examples = write_errors(output, &layout, plan).await?;
    let (images, rejects, reasons) = (merged.images, merged.rejects(), describe_reasons(&merged.reasons));
    let first = describe_first(&examples, rejects);
    let run = format!("{}/{}", output.location().trim_end_matches('/'), layout.root());
    let error = match usable {
        0 => Error::NothingUsable { images, reasons, first, run },
        _ if !is_within_share => Error::TooManyRejects { rejects, images, reasons, allowed, first, run },
        _ => Error::OneImage { rejects, images, first },
    };
    let classes = plan.digests.read(output, &layout.classes()).await?;
    let classes = tables::from_csv(&layout.classes(), &classes, html::CLASSES_SHOWN)?;
    let verdict = error.to_string();
    let page =
        RefusedPage { plan, reasons: &merged.reasons, verdict: &verdict, examples: &examples, classes: &classes };
    output.put(&layout.page(), page.render().into()).await?;
    Err(error)
}

/// Writes every shard's unusable images, and gives the first ones by path.
async fn write_errors(output: &dyn Store, layout: &RunLayout, plan: &Plan) -> Result<Vec<Rejected>, Error> {
    let write = |shard: Shard| async move {
        let mut rejects = part::read_rejects(output, &shard.part, &shard.run_id).await?;
        let file = layout.errors(shard.shard);
        output.put(&file, rejects::to_csv(&file, &rejects)?).await?;
        // They are sorted by path.
        rejects.truncate(SHOWN);
        Ok::<_, Error>(rejects)
    };
    let shards = planned::read_shards(output, plan).await?;
    let each = stream::iter(shards).map(write).buffered(pace::REQUESTS);
    let first = |mut all: Vec<Rejected>, some: Vec<Rejected>| async move {
        all.extend(some);
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all.truncate(SHOWN);
        Ok(all)
    };
    each.try_fold(Vec::new(), first).await
}

/// "a/1.jpg (truncated: ...), b/2.jpg (empty: ...) and 5 more".
fn describe_first(examples: &[Rejected], rejects: u64) -> String {
    let describe = |Rejected { path, reject: Reject { reason, detail }, .. }: &Rejected| {
        format!("`{}` ({reason}: {detail})", visible(path))
    };
    let mut text: Vec<String> = examples.iter().take(NAMED).map(describe).collect();
    match rejects.saturating_sub(text.len() as u64) {
        0 => text.join(", "),
        more => {
            text.push(format!("and {more} more"));
            text.join(", ")
        }
    }
}
