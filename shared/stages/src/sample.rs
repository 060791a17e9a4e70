//! A sample of the images for the report's scatter plot: the same one however the dataset is cut into shards.

use pomona_formats::counters::Point;
use pomona_run::names;

/// Points in a scatter plot.
pub(crate) const MOST_POINTS: usize = 5_000;

/// Shards keep so many points together, on average: some more than are shown, because chance may leave some fewer.
const KEPT_POINTS: u64 = 5_500;

/// Decides, one image at a time, which ones are in the sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    highest_rank: u64,
}

impl Sampling {
    /// Of a dataset of `images`: all where they are few enough.
    pub(crate) fn of(images: u64) -> Self {
        if images <= KEPT_POINTS {
            return Self { highest_rank: u64::MAX };
        }
        Self { highest_rank: (u64::MAX / images).saturating_mul(KEPT_POINTS) }
    }

    pub(crate) fn keeps(self, path: &str) -> bool {
        names::plot_rank(path) <= self.highest_rank
    }
}

/// The points to show, of those that all shards kept: no more than [`MOST_POINTS`], in the order of their ranks, so
/// that no class hides another.
pub(crate) fn select(points: Vec<Point>) -> Vec<Point> {
    let mut ranked: Vec<_> = points.into_iter().map(|point| (names::plot_rank(&point.path), point)).collect();
    ranked.sort_unstable_by(|(rank, point), (other_rank, other)| (rank, &point.path).cmp(&(other_rank, &other.path)));
    ranked.into_iter().take(MOST_POINTS).map(|(_, point)| point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use pomona_dataset::Item;
    use pomona_formats::listing::Row;

    fn row(image: i64) -> Row {
        let id = format!("class {}/{image}.jpg", image % 3);
        let item = Item { id, size: 1, version: None, label: "".into(), place: Default::default() };
        Row { item, class_id: 0, image_id: image, is_known: true }
    }

    fn sample(images: u64, shard_bits: u32) -> Vec<Point> {
        let sampling = Sampling::of(images);
        let mut shards = vec![Vec::new(); 1 << shard_bits];
        for row in (0..images as i64).map(row).filter(|row| sampling.keeps(&row.item.id)) {
            let point = Point::new(&row, array![row.image_id as f32, 0.0].view()).unwrap();
            shards[names::shard_of(&row.item.id, shard_bits) as usize].push(point);
        }
        select(shards.concat())
    }

    #[test]
    fn few_images_are_all_shown() {
        assert_eq!(sample(4_999, 2).len(), 4_999);
        assert_eq!(sample(5_000, 2).len(), 5_000);
        assert_eq!(sample(5_001, 2).len(), 5_000);
    }

    #[test]
    fn many_images_give_a_full_sample_that_spreads_over_all_of_them() {
        let sample = sample(60_000, 4);
        assert_eq!(sample.len(), 5_000);
        let in_first_half = sample.iter().filter(|point| point.x < 30_000.0).count();
        // Five standard deviations of a fair coin: 5 x sqrt(5,000) / 2.
        assert!(in_first_half.abs_diff(2_500) < 177, "{in_first_half}");
    }

    #[test]
    fn shards_together_keep_little_more_than_is_shown() {
        let sampling = Sampling::of(200_000);
        let kept = (0..200_000).filter(|&image| sampling.keeps(&row(image).item.id)).count() as u64;
        assert!(kept.abs_diff(KEPT_POINTS) < 5 * KEPT_POINTS.isqrt(), "{kept}");
    }

    #[test]
    fn the_shards_have_no_influence_on_the_sample() {
        assert_eq!(sample(8_000, 0), sample(8_000, 5));
    }

    #[test]
    fn a_row_of_one_component_has_a_height_of_zero_and_one_of_no_numbers_has_no_point() {
        let point = Point::new(&row(1), array![2.5].view()).unwrap();
        assert_eq!((point.x, point.y), (2.5, 0.0));
        assert_eq!(Point::new(&row(1), array![f32::NAN, 1.0].view()), None);
        assert_eq!(Point::new(&row(1), array![1.0, f32::INFINITY].view()), None);
    }
}
