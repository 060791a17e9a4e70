//! The keys of every file below the output location.

use crate::names;
use crate::run_id::RunId;
use crate::stage::Stage;

/// The newest successful run.
pub const LATEST: &str = "latest.json";
/// The runs that were planned last, whether or not they came to an end.
pub const PLANNED: &str = "planned.json";
/// On AWS: that a run is to follow, because something came while another one was going.
pub const FOLLOW_UP: &str = "follow-up.json";
/// Who is running, since when, until when.
pub const LOCK: &str = "lock.json";

/// The images that were erased and must not come back.
pub const SUPPRESSED: &str = "suppressed.json";
/// The folder of what was asked to be erased, and of the proofs.
pub const ERASURES: &str = "erasures/";

/// Digits of its digest in a listing's name.
const LISTING_DIGITS: usize = 16;

/// What was asked to be erased.
pub fn erasure_request(id: &RunId) -> String {
    format!("{ERASURES}{id}/request.json")
}

/// The proof that it was.
pub fn erasure_certificate(id: &RunId) -> String {
    format!("{ERASURES}{id}/certificate.json")
}

/// The same, for people.
pub fn erasure_page(id: &RunId) -> String {
    format!("{ERASURES}{id}/certificate.html")
}

/// Who stands for it.
pub fn erasure_signature(id: &RunId) -> String {
    format!("{ERASURES}{id}/certificate.sig")
}

/// What it has deleted, or is about to, and what it made.
pub fn erasure_journal(id: &RunId) -> String {
    format!("{ERASURES}{id}/journal.json")
}

/// What it could not delete.
pub fn erasure_left(id: &RunId) -> String {
    format!("{ERASURES}{id}/left.json")
}

/// The folder of what calls on AWS that erase together hand to each other.
pub fn erasure_work(id: &RunId) -> String {
    format!("{ERASURES}{id}/work/")
}

/// The folder of those among them that work by this lock.
pub fn erasure_attempt(id: &RunId, lock: &RunId) -> String {
    format!("{}{lock}/", erasure_work(id))
}

/// Whether calls that work by this lock hand a file to each other.
pub fn is_of_erasure_attempt(key: &str, lock: &RunId) -> bool {
    erasure_of(key).is_some_and(|id| key.starts_with(&erasure_attempt(&id, lock)))
}

/// The erasure that a file belongs to.
pub fn erasure_of(key: &str) -> Option<RunId> {
    let id = key.strip_prefix(ERASURES)?.split_once('/')?.0.parse().ok()?;
    let files = [erasure_request, erasure_journal, erasure_left, erasure_certificate, erasure_page, erasure_signature];
    let is_of_it = files.iter().any(|file| file(&id) == key) || key.starts_with(&erasure_work(&id));
    is_of_it.then_some(id)
}

/// The features of a part.
pub fn part_features(part: &str) -> String {
    format!("parts/{part}.features.parquet")
}

/// The rejects of a part.
pub fn part_rejects(part: &str) -> String {
    format!("parts/{part}.rejects.parquet")
}

/// The moments of a part, written last: a part exists once they do.
pub fn part_moments(part: &str) -> String {
    format!("parts/{part}.moments")
}

/// The folder of a part's images that were finished when the part was not.
pub fn part_fragments(part: &str) -> String {
    format!("parts/fragments/{part}/")
}

/// Some of a part's images that were finished when the part was not, called by the digest of the file's bytes.
pub fn part_fragment(part: &str, digest: &str) -> String {
    format!("{}{digest}", part_fragments(part))
}

/// Merged moments of a group.
pub fn node_moments(node: &str) -> String {
    format!("nodes/{node}.moments")
}

/// What an archive of the input holds.
pub fn archive_index(name: &str) -> String {
    format!("archives/{name}.json")
}

/// The folder of a fit by passes.
pub fn sweep_fit(fit: &str) -> String {
    format!("sweeps/{fit}/")
}

/// The state of one pass of a fit.
pub fn sweep_state(fit: &str, pass: u32) -> String {
    format!("sweeps/{fit}/{pass:03}/state")
}

/// The pass that a file of the fit is the state of.
pub fn pass_of_state(fit: &str, key: &str) -> Option<u32> {
    key.strip_prefix(&sweep_fit(fit))?.strip_suffix("/state")?.parse().ok()
}

/// What one group of parts adds to one pass of a fit.
pub fn sweep_sum(fit: &str, pass: u32, group: u32) -> String {
    format!("sweeps/{fit}/{pass:03}/sums/{group:05}")
}

/// What a fit came to.
pub fn sweep_model(fit: &str) -> String {
    format!("sweeps/{fit}/model")
}

/// A shard's file name: its number, five digits, so that names sort as numbers.
pub fn shard_name(shard: u32) -> String {
    format!("{shard:05}")
}

/// Whether a run's file, named as in its folder, says nothing any more once the run is planned anew: what `project`
/// writes for a shard, what is fitted by passes, and the problems that were met.
pub fn ends_with_its_plan(name: &str) -> bool {
    ["features/", "pca/", "metadata/", "errors/", "counters/", "problems/", "classify/", "fits.json"]
        .iter()
        .any(|folder| name.starts_with(folder))
}

/// The keys of one run.
#[derive(Clone, Debug)]
pub struct RunLayout {
    root: String,
}

impl RunLayout {
    /// The keys of the run named `run_id`.
    pub fn new(run_id: &str) -> Self {
        Self { root: format!("runs/{run_id}") }
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.root)
    }

    fn shard_file(&self, folder: &str, shard: u32, extension: &str) -> String {
        format!("{}/{folder}/{}.{extension}", self.root, shard_name(shard))
    }

    /// The folder of the run, without a slash at its end.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// What the run is going to do.
    pub fn plan(&self) -> String {
        self.file("plan.json")
    }

    /// Every shard; written last by the plan.
    pub fn shards(&self) -> String {
        self.file("shards.json")
    }

    /// The shards whose parts do not exist yet.
    pub fn missing(&self) -> String {
        self.file("missing.json")
    }

    /// What is fitted by passes: the parts by name.
    pub fn fits(&self) -> String {
        self.file("fits.json")
    }

    /// On AWS: what the last Map left undone, which it is entered again with.
    pub fn left(&self) -> String {
        self.file("left.json")
    }

    /// On AWS: the folder of what errors say of the run's images.
    pub fn problems(&self) -> String {
        self.file("problems/")
    }

    /// The groups of one merge level (1 is the first).
    pub fn merge_level(&self, level: u32) -> String {
        self.file(&format!("merge/{level}.json"))
    }

    /// A shard's rows of the listing, by their digest: where a run is planned anew, the parts of the plan before can
    /// still be read with its listings.
    pub fn listing(&self, shard: u32, sha256: &str) -> String {
        let digits = &sha256[..sha256.len().min(LISTING_DIGITS)];
        self.file(&format!("listing/{}-{digits}.parquet", shard_name(shard)))
    }

    /// What a listing was called before its digest was a part of its name.
    pub fn listing_by_number(&self, shard: u32) -> String {
        self.file(&format!("listing/{}.parquet", shard_name(shard)))
    }

    /// The folder of what projecting shards counted.
    pub fn all_counters(&self) -> String {
        self.file("counters/")
    }

    /// What projecting one shard counted.
    pub fn counters(&self, shard: u32) -> String {
        self.shard_file("counters", shard, "json")
    }

    /// A shard's features.
    pub fn features_parquet(&self, shard: u32) -> String {
        self.shard_file("features/parquet", shard, "parquet")
    }

    /// A shard's features as text, on request.
    pub fn features_csv(&self, shard: u32) -> String {
        self.shard_file("features/csv", shard, "csv")
    }

    /// A shard's principal components.
    pub fn pca_parquet(&self, shard: u32) -> String {
        self.shard_file("pca/parquet", shard, "parquet")
    }

    /// A shard's principal components as text.
    pub fn pca_csv(&self, shard: u32) -> String {
        self.shard_file("pca/csv", shard, "csv")
    }

    /// A shard's images.
    pub fn metadata(&self, shard: u32) -> String {
        self.shard_file("metadata", shard, "csv")
    }

    /// The folder of unusable images.
    pub fn all_errors(&self) -> String {
        self.file("errors/")
    }

    /// A shard's unusable images.
    pub fn errors(&self, shard: u32) -> String {
        self.shard_file("errors", shard, "csv")
    }

    /// Folders that would vanish without a word: empty ones, and links that lead nowhere. Only where there are any.
    pub fn odd_folders(&self) -> String {
        self.file("errors/folders.csv")
    }

    /// Class ids, names and counts.
    pub fn classes(&self) -> String {
        self.file("classes/classes.csv")
    }

    /// The run in numbers.
    pub fn model_info(&self) -> String {
        self.file("model_info/model_info.json")
    }

    /// On AWS: what became of a stage's children, as its Distributed Map writes it; ends with a slash.
    pub fn map(&self, stage: Stage) -> String {
        format!("{}/map/{stage}/", self.root)
    }

    /// What reduce vouches for.
    pub fn reduce_digests(&self) -> String {
        self.file("digests/reduce.json")
    }

    /// What report vouches for.
    pub fn report_digests(&self) -> String {
        self.file("digests/report.json")
    }

    /// Variance by component.
    pub fn variance(&self) -> String {
        self.file("model_info/variance.csv")
    }

    /// Mean, scale and loadings.
    pub fn pca_model(&self) -> String {
        self.file("model_info/pca_model.parquet")
    }

    /// A classifier's weights.
    pub fn classifier(&self) -> String {
        self.file("classify/model.parquet")
    }

    /// What a shard's images were classified as.
    pub fn predictions(&self, shard: u32) -> String {
        self.shard_file("classify/predictions", shard, "parquet")
    }

    /// How well images are classified.
    pub fn metrics(&self) -> String {
        self.file("classify/metrics.json")
    }

    /// How many images of each label were classified as which.
    pub fn confusion(&self) -> String {
        self.file("classify/confusion.csv")
    }

    /// Every check with its figures.
    pub fn validation(&self) -> String {
        self.file("report/validation.json")
    }

    /// Time per stage.
    pub fn timings(&self) -> String {
        self.file("report/timings.csv")
    }

    /// The run as a record of processing activities wants it.
    pub fn processing(&self) -> String {
        self.file("report/processing.json")
    }

    /// What the run cost; only on AWS, where it costs anything.
    pub fn cost(&self) -> String {
        self.file("report/cost.json")
    }

    /// The run on one page, for people.
    pub fn page(&self) -> String {
        self.file("report/report.html")
    }

    /// The folders that hold a row for each image, each with a slash at its end.
    pub fn tables(&self) -> [String; 4] {
        ["features/", "pca/", "metadata/", "classify/predictions/"].map(|folder| self.file(folder))
    }

    /// Whether the file at `key` is one of [`RunLayout::tables`].
    pub fn is_table(&self, key: &str) -> bool {
        self.tables().iter().any(|folder| key.starts_with(folder)) && self.has(key)
    }

    /// Whether the run writes a file that is called so.
    pub fn has(&self, key: &str) -> bool {
        let own_files = [
            self.plan(),
            self.shards(),
            self.missing(),
            self.fits(),
            self.left(),
            self.odd_folders(),
            self.classes(),
            self.model_info(),
            self.reduce_digests(),
            self.report_digests(),
            self.variance(),
            self.pca_model(),
            self.classifier(),
            self.metrics(),
            self.confusion(),
            self.validation(),
            self.timings(),
            self.cost(),
            self.processing(),
            self.page(),
            self.tables_removed(),
            self.withdrawn(),
            self.success(),
        ];
        let is_in_folder = key.starts_with(&self.problems()) || key.starts_with(&self.file("map/"));
        is_in_folder || own_files.iter().any(|own| own == key) || self.has_by_number(key) || self.is_listing(key)
    }

    fn is_listing(&self, key: &str) -> bool {
        let name = key.strip_prefix(&self.file("listing/")).and_then(|name| name.strip_suffix(".parquet"));
        let Some((shard, digits)) = name.and_then(|name| name.split_once('-')) else { return false };
        let is_digits = digits.len() == LISTING_DIGITS && names::is_hexadecimal(digits);
        is_digits && shard.parse().is_ok_and(|shard| key == self.listing(shard, digits))
    }

    fn has_by_number(&self, key: &str) -> bool {
        let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
        let number = name.split_once('.').and_then(|(number, _)| number.parse().ok());
        number.is_some_and(|number| {
            [
                self.merge_level(number),
                self.listing_by_number(number),
                self.counters(number),
                self.features_parquet(number),
                self.features_csv(number),
                self.pca_parquet(number),
                self.pca_csv(number),
                self.metadata(number),
                self.errors(number),
                self.predictions(number),
            ]
            .iter()
            .any(|own| own == key)
        })
    }

    /// Whether the file at `key` is a list that only the run itself reads, and nobody once it has ended.
    pub fn is_read_by_own_run_only(&self, key: &str) -> bool {
        key == self.missing() || key.starts_with(&self.file("merge/"))
    }

    /// Whether the file at `key` is one that the report makes of what stages before it have counted, its mark included.
    pub fn is_of_report(&self, key: &str) -> bool {
        let own = [
            self.variance(),
            self.validation(),
            self.timings(),
            self.processing(),
            self.page(),
            self.metrics(),
            self.confusion(),
            self.model_info(),
            self.report_digests(),
            self.success(),
        ];
        own.iter().any(|own| own == key)
    }

    /// Whether the file at `key` is one that a plan writes anew each time.
    pub fn is_list_of_plan(&self, key: &str) -> bool {
        let lists = [self.plan(), self.shards(), self.missing(), self.classes(), self.odd_folders()];
        lists.iter().any(|list| list == key) || key.starts_with(&self.file("merge/"))
    }

    /// Whether the file at `key` is one of the lists that a plan writes by number, of which an earlier plan of the same
    /// run may have written more.
    pub fn is_of_plan(&self, key: &str) -> bool {
        ["merge/", "listing/"].iter().any(|folder| key.starts_with(&self.file(folder))) && self.has(key)
    }

    /// Whether nobody writes down what the file at `key` must be: what AWS writes of a run, what it cost, and that it was
    /// complete, which whoever was killed then, or has brought the run back, leaves beside its marks.
    pub fn is_vouched_for_by_nobody(&self, key: &str) -> bool {
        [self.left(), self.cost(), self.withdrawn()].iter().any(|file| file == key)
            || key.starts_with(&self.file("map/"))
    }

    /// Says that the run was complete once, and is no more.
    pub fn withdrawn(&self) -> String {
        self.file("_WITHDRAWN")
    }

    /// Says why the tables are gone, where they were removed because newer runs had succeeded.
    pub fn tables_removed(&self) -> String {
        self.file("_TABLES_REMOVED")
    }

    /// Written last, and deleted once the tables were removed.
    pub fn success(&self) -> String {
        self.file("_SUCCESS")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_what_it_writes_and_nothing_else() {
        let layout = RunLayout::new("1");
        for own in [
            layout.plan(),
            layout.listing(7, &"0123456789abcdef".repeat(4)),
            layout.features_csv(123_456),
            layout.predictions(0),
            layout.merge_level(3),
            layout.odd_folders(),
            layout.map(Stage::Extract) + "x/manifest.json",
            layout.problems() + "x.json",
        ] {
            assert!(layout.has(&own), "{own}");
        }
        for other in ["runs/1/notes.txt", "runs/2/plan.json", "runs/1/features/mine.csv", "runs/1/listing/7.parquet"] {
            assert!(!layout.has(other), "{other}");
        }
        assert!(layout.is_table(&layout.pca_csv(3)) && !layout.is_table(&layout.errors(3)));
    }
}
