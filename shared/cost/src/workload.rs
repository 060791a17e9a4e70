//! What a run is going to work on, and with what.

use pomona_run::archived::Archived;
use pomona_run::sweep::{CLASSIFIER_WEIGHTS, COVARIANCE_FEATURES};
use pomona_run::tree::GROUP_SIZE;
use pomona_run::{Options, names, pace};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Environments that a function may have without asking AWS for more (Lambda quotas; new accounts have fewer).
pub(crate) const LAMBDA_QUOTA: u32 = 1_000;

/// What the Lambdas run on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Graviton.
    #[default]
    Arm64,
    /// Intel or AMD.
    X86_64,
}

/// What kind of executions a Map's children are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Children {
    /// Paid by time.
    #[default]
    Express,
    /// Paid by state transition.
    Standard,
}

/// The images of a run and the settings of its stack; the defaults are the template's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Listed images.
    pub images: u64,
    /// Their mean size in bytes.
    pub mean_bytes: u64,
    /// How many of them lie in archives.
    #[serde(default, skip_serializing_if = "Archived::is_none")]
    pub archived: Archived,
    /// At least so many images in each shard, on average.
    pub shard_size: u64,
    /// Features of an image.
    #[serde(default = "usual_features")]
    pub features: u64,
    /// Passes that a fit takes where there are too many features for a covariance. Measured for 100 components of 6,724
    /// photographs with 62,720 features.
    #[serde(default = "usual_passes")]
    pub passes: u64,
    /// Labels that a classifier learns to tell apart; 0 where none is fitted.
    #[serde(default)]
    pub labels: u64,
    /// Passes that it takes, without the one for the scales. Some 70 were measured of 42 labels with a regularization
    /// of 0.001; it ends after 100 iterations at the latest unless it is told otherwise.
    #[serde(default = "usual_descent")]
    pub descent: u64,
    /// Whether nothing is fitted, because the models are another run's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_models: bool,
    /// Milliseconds of one vCPU that an image takes, from its bytes to its features.
    pub ms_per_image: f64,
    /// MB of memory of list-batch.
    pub list_batch_memory: u32,
    /// MB of memory of plan.
    pub plan_memory: u32,
    /// MB of memory of the other functions.
    pub other_memory: u32,
    /// Seconds after which list-batch is ended.
    pub list_batch_timeout: u32,
    /// What the Lambdas run on.
    pub architecture: Architecture,
    /// Shards that are worked on at once.
    pub concurrency: u32,
    /// Lambdas that the account has free for the run.
    #[serde(default = "usual_quota")]
    pub free_lambdas: u32,
    /// What kind of executions the Maps' children are.
    pub children: Children,
    /// How many partitions S3 keeps the input bucket's keys in, each with a request rate of its own. A bucket begins
    /// with one.
    pub partitions: u32,
    /// Whether the images' bucket has a KMS key and no bucket key: then KMS is called for each image.
    #[serde(default)]
    pub no_bucket_key: bool,
    /// Whether uploads start runs: then each image is an event and a message.
    #[serde(default)]
    pub uploads: bool,
}

/// The part of a run that was not computed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct New {
    /// Shards without a part.
    pub shards: u64,
    /// Images that are read and computed.
    pub images: u64,
}

fn usual_passes() -> u64 {
    8
}

fn usual_descent() -> u64 {
    100
}

fn usual_features() -> u64 {
    1_280
}

fn usual_quota() -> u32 {
    LAMBDA_QUOTA
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            images: 67_000,
            mean_bytes: 50_000,
            archived: Archived::default(),
            shard_size: Options::default().shard_size,
            features: usual_features(),
            passes: usual_passes(),
            labels: 0,
            descent: usual_descent(),
            takes_models: false,
            // 8.7 ms for the engine and 0.15 ms for a small JPEG on one busy core (BENCHMARKS.md), rounded up: Lambda
            // was not measured.
            ms_per_image: 10.0,
            list_batch_memory: pace::MB_PER_VCPU,
            plan_memory: pace::MB_PER_VCPU,
            other_memory: pace::MB_PER_VCPU,
            list_batch_timeout: 120,
            architecture: Architecture::default(),
            concurrency: pace::SHARDS.get(),
            free_lambdas: usual_quota(),
            children: Children::default(),
            partitions: 1,
            no_bucket_key: false,
            uploads: false,
        }
    }
}

impl Workload {
    /// Refuses numbers that no run can have.
    ///
    /// # Errors
    /// [`Error::Workload`] names the first one.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |option, problem| Err(Error::Workload { option, problem });
        if self.images == 0 {
            return refuse("images", "must be at least 1");
        }
        if self.mean_bytes == 0 {
            return refuse("mean-kb", "must be more than 0");
        }
        if self.archived.searched > self.archived.images || self.archived.images > self.images {
            return refuse("archives", "cannot hold more images than there are");
        }
        if self.features == 0 || self.passes == 0 {
            return refuse("features", "must be at least 1, and so must the passes");
        }
        if self.labels == 1 || self.descent == 0 {
            return refuse("labels", "must be at least 2 where a classifier is fitted, and its passes at least 1");
        }
        if self.labels.saturating_mul(self.features) > CLASSIFIER_WEIGHTS as u64 {
            return refuse("labels", "and features are more weights than a classifier may have, three million in all");
        }
        if self.shard_size == 0 {
            return refuse("shard-size", "must be at least 1");
        }
        if !(self.ms_per_image.is_finite() && self.ms_per_image > 0.0) {
            return refuse("ms-per-image", "must be a time of more than 0 milliseconds");
        }
        if self.concurrency == 0 || self.partitions == 0 {
            return refuse("concurrency", "must be at least 1, and so must the partitions");
        }
        if self.free_lambdas == 0 {
            return refuse("free-lambdas", "must be at least 1");
        }
        if self.list_batch_memory.min(self.plan_memory).min(self.other_memory) < 128 {
            return refuse("memory", "must be at least 128 MB, the least that a Lambda has");
        }
        Ok(())
    }

    /// The same for another number of images, of which as large a share lies in archives.
    pub fn with_images(&self, images: u64) -> Self {
        Self { images, archived: self.archived_of(images), ..self.clone() }
    }

    /// How many of so many of the images lie in archives.
    pub(crate) fn archived_of(&self, images: u64) -> Archived {
        let share = |part: u64| (u128::from(part) * u128::from(images)).div_ceil(u128::from(self.images.max(1))) as u64;
        Archived { images: share(self.archived.images), searched: share(self.archived.searched) }
    }

    /// How many shards the images are cut into.
    pub fn shards(&self) -> u64 {
        let bytes = self.images.saturating_mul(self.mean_bytes);
        let shards = 1 << names::shard_bits(self.images, bytes, self.features, self.shard_size);
        // More shards than images leave some of them empty, and an empty shard does not exist.
        u64::min(shards, self.images)
    }

    /// Whether there are too many features for a covariance.
    pub fn is_wide(&self) -> bool {
        self.features > COVARIANCE_FEATURES as u64
    }

    /// Whether labels are predicted.
    pub fn is_classified(&self) -> bool {
        self.labels > 0
    }

    /// Whether models are fitted by passes.
    pub fn is_fitted_by_passes(&self) -> bool {
        !self.takes_models && (self.is_wide() || self.is_classified())
    }

    /// All passes over the features: for components, for means and variances, for a classifier.
    pub fn all_passes(&self) -> u64 {
        if !self.is_fitted_by_passes() {
            return 0;
        }
        // By the covariance, of the training images; and for the scales.
        let components = if self.is_wide() { self.passes + 1 } else { 2 };
        components + if self.is_classified() { self.descent } else { 0 }
    }

    /// Groups of each merge level; the last one, of a single group, is reduce's. None where models are fitted by passes
    /// or taken.
    pub fn merges(&self) -> Vec<u64> {
        if self.takes_models || self.is_fitted_by_passes() {
            return Vec::new();
        }
        let mut levels = vec![self.shards().div_ceil(GROUP_SIZE as u64)];
        while let Some(&groups) = levels.last().filter(|&&groups| groups > 1) {
            levels.push(groups.div_ceil(GROUP_SIZE as u64));
        }
        levels
    }

    /// Everything, as in a first run.
    pub fn all_new(&self) -> New {
        New { shards: self.shards(), images: self.images }
    }

    /// Threads of list-batch that compute, and the share of a vCPU that each has: whole threads, as the function starts
    /// them.
    pub(crate) fn cores(&self) -> f64 {
        self.vcpus().min(self.threads() as f64)
    }

    /// Threads of list-batch that compute.
    pub(crate) fn threads(&self) -> usize {
        self.vcpus().round().max(1.0) as usize
    }

    fn vcpus(&self) -> f64 {
        f64::from(self.list_batch_memory) / f64::from(pace::MB_PER_VCPU)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(images: u64) -> Workload {
        Workload { images, ..Workload::default() }
    }

    #[test]
    fn shards_and_merges_are_those_of_the_pipeline() {
        for (images, shards, merges) in [
            (1, 1, vec![1]),
            (1_100, 2, vec![1]),
            (67_000, 128, vec![2, 1]),
            (1_000_000, 1_024, vec![16, 1]),
            (10_000_000, 16_384, vec![256, 4, 1]),
        ] {
            assert_eq!((workload(images).shards(), workload(images).merges()), (shards, merges), "{images} images");
        }
    }

    #[test]
    fn large_images_make_more_shards_but_no_empty_ones() {
        assert_eq!(Workload { mean_bytes: 100 << 20, ..workload(100) }.shards(), 16);
        assert_eq!(Workload { mean_bytes: 5 << 30, ..workload(3) }.shards(), 3);
    }

    #[test]
    fn memory_buys_vcpus_and_threads_are_whole() {
        let cores = |list_batch_memory| Workload { list_batch_memory, ..workload(1) }.cores();
        assert_eq!((cores(1769), cores(3538), cores(2200)), (1.0, 2.0, 1.0));
        assert!((cores(884) - 0.4997).abs() < 1e-3);
    }

    #[test]
    fn numbers_that_no_run_can_have_are_refused_by_name() {
        let cases = [
            ("images", Workload { images: 0, ..workload(1) }),
            ("mean-kb", Workload { mean_bytes: 0, ..workload(1) }),
            ("features", Workload { features: 0, ..workload(1) }),
            ("shard-size", Workload { shard_size: 0, ..workload(1) }),
            ("ms-per-image", Workload { ms_per_image: f64::NAN, ..workload(1) }),
            ("ms-per-image", Workload { ms_per_image: 0.0, ..workload(1) }),
            ("concurrency", Workload { concurrency: 0, ..workload(1) }),
            ("free-lambdas", Workload { free_lambdas: 0, ..workload(1) }),
            ("memory", Workload { plan_memory: 64, ..workload(1) }),
            ("archives", Workload { archived: Archived { images: 2, searched: 0 }, ..workload(1) }),
            ("archives", Workload { archived: Archived { images: 1, searched: 2 }, ..workload(2) }),
            ("labels", Workload { features: 62_720, labels: 131, ..workload(1) }),
        ];
        for (option, workload) in cases {
            assert!(workload.check().unwrap_err().to_string().contains(&format!("`{option}`")), "{option}");
        }
        workload(1).check().unwrap();
    }
}
