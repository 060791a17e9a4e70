//! Which images a sample takes: the option `limit`.

use std::collections::{BTreeMap, HashSet};

use pomona_run::names;

/// `limit` of the keys, which come with their labels: of each label in proportion, at least one where that is possible;
/// all where there are no more.
///
/// Of each label those with the smallest hashes are taken, so the samples of a dataset that has grown, or of another
/// limit, share nearly all they can.
pub fn sample(keys: Vec<(String, String)>, limit: u64) -> HashSet<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if keys.len() <= limit {
        return keys.into_iter().map(|(key, _)| key).collect();
    }
    let mut by_label: BTreeMap<String, Vec<(Rank, String)>> = BTreeMap::new();
    for (key, label) in keys {
        by_label.entry(label).or_default().push((names::sample_rank(&key), key));
    }
    let mut labels: Vec<Vec<(Rank, String)>> = by_label.into_values().collect();
    labels.iter_mut().for_each(|keys| keys.sort_unstable());
    if labels.len() > limit {
        // One of each label is too many: those with the smallest hashes.
        labels.sort_unstable_by_key(|keys| keys[0].0);
        labels.truncate(limit);
    }
    let counts: Vec<usize> = labels.iter().map(Vec::len).collect();
    let each = labels.into_iter().zip(seats(&counts, limit));
    each.flat_map(|(keys, seats)| keys.into_iter().take(seats).map(|(_, key)| key)).collect()
}

type Rank = [u8; 32];

/// How many of `limit` seats each label gets that has so many images: one each, and the others in proportion to the
/// images that are left, by largest remainder (Hamilton's method). There are at least as many images as seats, and as
/// many seats as labels.
fn seats(counts: &[usize], limit: usize) -> Vec<usize> {
    let others = (limit - counts.len()) as u128;
    let images: u128 = counts.iter().map(|count| *count as u128 - 1).sum();
    let share = |count: &usize| others * (*count as u128 - 1);
    let mut seats: Vec<usize> = counts.iter().map(|count| 1 + (share(count) / images.max(1)) as usize).collect();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by_key(|&label| std::cmp::Reverse(share(&counts[label]) % images.max(1)));
    let left = limit - seats.iter().sum::<usize>();
    by_remainder.into_iter().take(left).for_each(|label| seats[label] += 1);
    seats
}

#[cfg(test)]
mod tests {
    use super::*;
    use pomona_run::label::LabelFrom;
    use proptest::prelude::*;

    fn keys(counts: &[usize]) -> Vec<String> {
        let of_label = |(label, count): (usize, &usize)| (0..*count).map(move |n| format!("label {label}/{n}.jpg"));
        counts.iter().enumerate().flat_map(of_label).collect()
    }

    fn sample(keys: Vec<String>, limit: u64) -> HashSet<String> {
        let labelled = keys.into_iter().map(|key| {
            let label = LabelFrom::Parent.label(&key).to_owned();
            (key, label)
        });
        super::sample(labelled.collect(), limit)
    }

    fn per_label(sample: &HashSet<String>, labels: usize) -> Vec<usize> {
        let of = |label| sample.iter().filter(|key| LabelFrom::Parent.label(key) == format!("label {label}")).count();
        (0..labels).map(of).collect()
    }

    #[test]
    fn small_labels_are_in_the_sample_and_large_ones_in_proportion() {
        let sample = self::sample(keys(&[1000, 3, 3, 3, 3, 3]), 50);
        assert_eq!(per_label(&sample, 6), [45, 1, 1, 1, 1, 1]);
        let sample = self::sample(keys(&[600, 300, 100]), 100);
        assert_eq!(per_label(&sample, 3), [59, 30, 11]);
    }

    #[test]
    fn a_sample_spreads_over_the_shards() {
        let sample = self::sample((0..4_000).map(|n| format!("{n}.jpg")).collect(), 400);
        for shard in 0..8 {
            assert!(sample.iter().filter(|key| names::shard_of(key, 3) == shard).count() > 20);
        }
    }

    proptest! {
        #[test]
        fn samples_are_full_take_of_each_label_and_do_not_depend_on_the_order(
            counts in prop::collection::vec(1usize..40, 1..8),
            limit in 1usize..200,
        ) {
            let keys = keys(&counts);
            let sample = sample(keys.clone(), limit as u64);
            prop_assert_eq!(sample.len(), limit.min(keys.len()));
            if limit >= counts.len() {
                prop_assert!(per_label(&sample, counts.len()).iter().all(|count| *count > 0));
            }
            let reversed = keys.iter().rev().cloned().collect();
            prop_assert_eq!(&self::sample(reversed, limit as u64), &sample);
        }

        #[test]
        fn one_image_more_moves_few_others(counts in prop::collection::vec(20usize..40, 1..6), limit in 10u64..60) {
            let before = sample(keys(&counts), limit);
            let mut grown = counts;
            grown[0] += 1;
            let after = sample(keys(&grown), limit);
            // The newcomer, and a seat that each label may lose.
            prop_assert!(before.difference(&after).count() <= 1 + grown.len());
        }
    }
}
