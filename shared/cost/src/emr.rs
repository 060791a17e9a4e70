//! The cluster that Pomona replaces.

use serde::{Deserialize, Serialize};

use crate::prices::Prices;

/// Instances of the cluster: one that leads and two that work, all m5.2xlarge.
const INSTANCES: f64 = 3.0;
/// Hours that it took for [`MEASURED_IMAGES`].
const MEASURED_HOURS: f64 = 2.0;
const MEASURED_IMAGES: f64 = 67_000.0;

/// PySpark and TensorFlow on EMR: three m5.2xlarge, two hours for 67,000 images, scaled by the number of images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Emr {
    /// Hours that the cluster is up.
    pub hours: f64,
    /// What instances and EMR cost, in USD. Disks, storage and requests to S3 are not in it.
    pub usd: f64,
}

impl Emr {
    /// The cluster for so many images; nothing where the region's prices are not known.
    pub fn of(images: u64, prices: &Prices) -> Option<Self> {
        let hour = prices.m5_2xlarge_hour? + prices.emr_m5_2xlarge_hour?;
        let hours = MEASURED_HOURS * images as f64 / MEASURED_IMAGES;
        Some(Self { hours, usd: INSTANCES * hours * hour })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prices::PriceTable;

    #[test]
    fn the_cluster_costs_its_instances_and_the_fee_for_its_hours() {
        let table = PriceTable::read().unwrap();
        let emr = Emr::of(67_000, table.of("eu-west-1").unwrap()).unwrap();
        assert!((emr.hours - 2.0).abs() < 1e-12 && (emr.usd - 3.0 * 2.0 * 0.524).abs() < 1e-9, "{emr:?}");
        let half = Emr::of(33_500, table.of("eu-west-1").unwrap()).unwrap();
        assert!((half.usd * 2.0 - emr.usd).abs() < 1e-9);
        assert_eq!(Emr::of(67_000, table.of("eu-west-3").unwrap()), None);
    }
}
