//! The merge tree: groups of 64 neighbours are merged level by level until one group is left.
//!
//! Shards stand in the order of their numbers and a group merges pairwise, so the order of additions depends on the
//! dataset alone.

use serde::{Deserialize, Serialize};

use crate::layout;
use crate::names;
use crate::run_id::RunId;

/// How many moments one group merges.
pub const GROUP_SIZE: usize = 64;

/// What the moments are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One shard.
    Part,
    /// A merged group.
    Node,
}

impl Kind {
    /// The key of the moments called `name`.
    pub fn key(self, name: &str) -> String {
        match self {
            Self::Part => layout::part_moments(name),
            Self::Node => layout::node_moments(name),
        }
    }
}

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
pub fn levels(run_id: &RunId, parts: Vec<String>) -> Vec<Vec<Group>> {
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
