//! The plan's merge tree, and the stage that merges one group of it.
//!
//! Groups of 64 neighbours are merged level by level until one group is left, which reduce merges itself. Shards stand in the order of
//! their numbers and a group merges pairwise, so the order of additions depends on the dataset alone.

use futures::stream::{self, StreamExt};
use pomona_pca::Merger;
use pomona_store::Store;
use serde::{Deserialize, Serialize};

use crate::damages::Damages;
use crate::digests::Digests;
use crate::error::Error;
use crate::layout::RunLayout;
use crate::moments_file::{self, Header, Kind, MomentsFile};
use crate::names;
use crate::run_id::RunId;

/// How many moments one group merges.
pub const GROUP_SIZE: usize = 64;

/// Moments of a group that are read at once while others are merged: 6.6 MB each at 1280 features.
const READ_AHEAD: usize = 4;

/// One group of a merge level: an entry of merge/&lt;level&gt;.json.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The run.
    pub run_id: RunId,
    /// What the children are.
    pub kind: Kind,
    /// The children's names, in order.
    pub children: Vec<String>,
    /// The name of the merged node.
    pub node: String,
}

/// The merge levels above the given parts; the last one has a single group.
pub(crate) fn levels(run_id: &RunId, parts: Vec<String>) -> Vec<Vec<Group>> {
    let mut levels: Vec<Vec<Group>> = Vec::new();
    let (mut kind, mut children) = (Kind::Part, parts);
    while levels.last().is_none_or(|groups| groups.len() > 1) {
        let group = |children: &[String]| Group {
            run_id: run_id.clone(),
            kind,
            children: children.to_vec(),
            node: names::node_name(children),
        };
        let groups: Vec<Group> = children.chunks(GROUP_SIZE).map(group).collect();
        children = groups.iter().map(|group| group.node.clone()).collect();
        kind = Kind::Node;
        levels.push(groups);
    }
    levels
}

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
/// Those of the store, and [`Error::Damaged`] where a child is missing or damaged; all that are damaged are set aside then.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(parts: usize) -> Vec<Vec<usize>> {
        let parts = (0..parts).map(|part| part.to_string()).collect();
        let sizes = |groups: &Vec<Group>| groups.iter().map(|group| group.children.len()).collect();
        levels(&RunId::now(), parts).iter().map(sizes).collect()
    }

    #[test]
    fn up_to_64_shards_are_one_group() {
        assert_eq!(sizes(1), [[1]]);
        assert_eq!(sizes(64), [[64]]);
    }

    #[test]
    fn more_shards_make_levels_until_one_group_is_left() {
        assert_eq!(sizes(65), [vec![64, 1], vec![2]]);
        assert_eq!(sizes(16_384).iter().map(Vec::len).collect::<Vec<_>>(), [256, 4, 1]);
    }

    #[test]
    fn a_level_merges_the_nodes_of_the_level_below() {
        let levels = levels(&RunId::now(), (0..200).map(|part| part.to_string()).collect());
        let nodes: Vec<&String> = levels[0].iter().map(|group| &group.node).collect();
        assert_eq!(levels[1][0].children.iter().collect::<Vec<_>>(), nodes);
        assert_eq!((levels[0][0].kind, levels[1][0].kind), (Kind::Part, Kind::Node));
    }
}
