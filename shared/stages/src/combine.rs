//! The stage `combine`: merges one group of the merge tree. The last group is merged by reduce itself.

use futures::stream::{self, StreamExt};
use pomona_formats::Error;
use pomona_formats::digests::Digests;
use pomona_formats::moments_file::{self, Header, MomentsFile};
use pomona_pca::Merger;
use pomona_run::layout::RunLayout;
use pomona_run::tree::{Group, Kind};
use pomona_run::{RunId, names};
use pomona_store::Store;

use crate::damages::Damages;

/// Moments of a group that are read at once while others are merged: 6.6 MB each at 1280 features.
const READ_AHEAD: usize = 4;

/// Reads the groups of one merge level of a run, whose plan vouches for them.
///
/// # Errors
/// Those of the store, and [`Error::Damaged`].
pub async fn read_level(
    output: &dyn Store,
    run_id: &RunId,
    digests: &Digests,
    level: u32,
) -> Result<Vec<Group>, Error> {
    digests.read_json(output, &RunLayout::new(run_id.as_str()).merge_level(level)).await
}

/// The stage `combine`: merges one group and writes its node; a node that exists is not merged again.
///
/// # Errors
/// Those of the store, and [`Error::Damaged`] where a child is missing or damaged; all that are damaged are set aside
/// then.
pub async fn combine(output: &dyn Store, group: &Group) -> Result<(), Error> {
    if moments_file::exist(output, &Kind::Node.key(&group.node)).await? {
        return Ok(());
    }
    let (file, this_run_only) = merge_children(output, group).await?;
    let name =
        if this_run_only { names::name_of_this_run(&group.node, group.run_id.as_str()) } else { group.node.clone() };
    let key = Kind::Node.key(&name);
    Ok(output.put(&key, file.encode(&key)?).await?)
}

/// The merged moments of a group, and whether any of them may be used by this run only.
pub(crate) async fn merge_children(output: &dyn Store, group: &Group) -> Result<(MomentsFile, bool), Error> {
    let mut merger = Merger::default();
    let mut header = Header::default();
    let mut this_run_only = false;
    let mut children = stream::iter(&group.children)
        .map(|child| moments_file::read(output, group.kind, child, &group.run_id))
        .buffered(READ_AHEAD);
    let mut damages = Damages::default();
    while let Some(child) = children.next().await {
        let Some(found) = damages.keep(child)? else { continue };
        header.add(&found.file.header);
        this_run_only |= found.this_run_only;
        merger.push(found.file.moments)?;
    }
    damages.finish()?;
    let moments = merger.finish()?;
    let moments = moments.ok_or_else(|| Error::Internal("a group of moments without members".to_owned()))?;
    Ok((MomentsFile { header, moments }, this_run_only))
}
