//! Which images belong together, because they lie side by side in an archive: they are in one shard, so that one request
//! reads them.

use std::collections::BTreeMap;

use pomona_run::names;

use crate::item::Item;

/// Bytes of an archive after which a hash parts neighbours on average: as far as what is inserted moves others.
const MEAN_BYTES: u64 = 32 << 20;

/// Bytes of an archive after which they are parted at the latest, so that they hold some eight megabytes on average.
const MOST_BYTES: u64 = 10 << 20;

/// Bytes after which rows of one page are parted, which each shard reads that has some of them.
const MOST_BYTES_OF_PAGE: u64 = 64 << 20;

/// For each of the `items` the number of the one whose id decides its shard: a file's is its own, and that of members
/// of an archive is the first of their neighbours', of which there are `most` at most.
///
/// Where neighbours are parted a hash of their ids decides, and how much they hold, so that members which come or go
/// move the others as little as can be.
pub fn heads(items: &[Item], most: u64) -> Vec<usize> {
    let mut heads: Vec<usize> = (0..items.len()).collect();
    let mut archives: BTreeMap<&str, Vec<(u64, u64, usize)>> = BTreeMap::new();
    for (number, item) in items.iter().enumerate() {
        if let Some(member) = item.place.member() {
            archives.entry(&member.archive).or_default().push((member.start, member.end, number));
        }
    }
    for mut members in archives.into_values() {
        members.sort_unstable();
        let mut group = Group::default();
        for (start, end, number) in members {
            let Item { id, size, .. } = &items[number];
            // Rows of a table that are in one page are read together, wherever they are.
            let begins = match start == group.last_start {
                true => group.bytes + size > MOST_BYTES_OF_PAGE,
                false => end > group.start + MOST_BYTES || is_parted(id, end - start, most),
            };
            if begins || group.count == most || group.count == 0 {
                group = Group { head: number, start, ..Group::default() };
            }
            heads[number] = group.head;
            group = Group { last_start: start, count: group.count + 1, bytes: group.bytes + size, ..group };
        }
    }
    heads
}

/// Neighbours so far.
#[derive(Default)]
struct Group {
    head: usize,
    /// Where the first one begins, and the last.
    start: u64,
    last_start: u64,
    count: u64,
    /// What they hold.
    bytes: u64,
}

/// Whether a member of so many bytes begins anew.
fn is_parted(id: &str, bytes: u64, most: u64) -> bool {
    let by_bytes = bytes as f64 / MEAN_BYTES as f64;
    let by_count = 1.0 / (4 * most) as f64;
    names::parting_share(id) < by_bytes + by_count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{Member, Place};
    use proptest::prelude::*;

    fn items(archive: &str, ids: impl IntoIterator<Item = u64>, size: u64) -> Vec<Item> {
        let item = |(place, id): (u64, u64)| Item {
            id: format!("{archive}/{id:05}.jpg"),
            size,
            version: Some("v".to_owned()),
            label: "".into(),
            place: Place::Member(Member {
                archive: archive.into(),
                version: "1".into(),
                start: place * (size + 512),
                end: place * (size + 512) + size,
                pages: None,
            }),
        };
        (0..).zip(ids).map(item).collect()
    }

    fn groups(items: &[Item], most: u64) -> BTreeMap<usize, Vec<&Item>> {
        let mut groups: BTreeMap<usize, Vec<&Item>> = BTreeMap::new();
        for (item, head) in items.iter().zip(heads(items, most)) {
            groups.entry(head).or_default().push(item);
        }
        groups
    }

    #[test]
    fn neighbours_hold_some_eight_megabytes_and_never_much_more() {
        let items = items("a.tar", 0..20_000, 50_000);
        let groups = groups(&items, 256);
        let mean = 20_000 * 50_512 / groups.len() as u64;
        assert!((6 << 20..9 << 20).contains(&mean), "{mean}");
        for members in groups.values() {
            assert!(members.len() as u64 * 50_512 <= MOST_BYTES + 512);
        }
    }

    #[test]
    fn files_are_their_own_and_two_archives_share_nothing() {
        let mut all = items("a.tar", 0..20, 10);
        all.extend(items("b.tar", 0..20, 10));
        all.push(Item { place: Place::File, ..all[0].clone() });
        let heads = heads(&all, 256);
        assert_eq!(heads[40], 40);
        assert!(heads[..20].iter().all(|head| *head < 20) && heads[20..40].iter().all(|head| *head >= 20));
    }

    #[test]
    fn rows_of_a_page_are_parted_only_where_they_are_many_or_much() {
        let rows = |count: u64, size: u64| -> Vec<usize> {
            let mut items = items("a.parquet", 0..count, size);
            for item in &mut items {
                if let Place::Member(member) = &mut item.place {
                    (member.start, member.end) = (4, 4 + count * size);
                }
            }
            groups(&items, 256).values().map(Vec::len).collect()
        };
        assert_eq!(rows(100, 600_000), [100]);
        assert_eq!(rows(100, 1 << 20), [64, 36]);
        assert_eq!(rows(600, 1_000), [256, 256, 88]);
        assert_eq!(rows(2, 300 << 20), [1, 1]);
    }

    proptest! {
        #[test]
        fn what_is_appended_moves_no_other_and_what_is_inserted_only_its_neighbours(
            count in 50_u64..400, at in 0_u64..400, size in 1_000_u64..400_000, most in 8_u64..64,
        ) {
            let named = |items: &[Item]| -> BTreeMap<String, String> {
                let heads = heads(items, most);
                items.iter().zip(heads).map(|(item, head)| (item.id.clone(), items[head].id.clone())).collect()
            };
            let before = named(&items("a.tar", 0..count, size));
            let appended = named(&items("a.tar", 0..count + 10, size));
            prop_assert!(before.iter().all(|(id, head)| appended[id] == *head));
            let at = at.min(count - 1);
            let inserted = named(&items("a.tar", (0..at).chain([90_000]).chain(at..count), size));
            prop_assert!(before.iter().take(at as usize).all(|(id, head)| inserted[id] == *head));
            // Until a hash parts both in the same place.
            let behind = before.iter().skip(at as usize).skip_while(|(id, _)| !is_parted(id, size, most));
            prop_assert!(behind.into_iter().all(|(id, head)| inserted[id] == *head));
        }

        #[test]
        fn no_group_is_larger_than_asked_for(count in 0_u64..500, size in 1_u64..5_000, most in 1_u64..64) {
            let items = items("a.tar", 0..count, size);
            prop_assert!(groups(&items, most).values().all(|members| members.len() as u64 <= most));
        }
    }
}
