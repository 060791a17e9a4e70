//! What a run has cost: what it measured in the place of what the model assumes, and what that says of other numbers of
//! images.
//!
//! Times are measured by Step Functions: of each stage, and of each child of a Map. A child's time holds its call of
//! Lambda and besides that the call's way, retries and what they wait, so what it says of Lambda is an upper bound.
//! Requests to S3 and KMS are counted by nobody, so they stay modelled, from the numbers of shards and images that were
//! worked on.

use pomona_run::stage::Stage;
use serde::{Deserialize, Serialize};

use crate::bill::Bill;
use crate::emr::Emr;
use crate::error::Error;
use crate::estimate::{Row, TABLE_IMAGES};
use crate::prices::PriceTable;
use crate::simulation::{self, Simulation, StageRun};
use crate::usage::{Stored, Usage};
use crate::work;
use crate::workload::{New, Workload};

/// What is known about a run once it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What was run, with the stack's settings.
    pub workload: Workload,
    /// Shards that were extracted and images that were computed.
    pub new: New,
    /// Seconds of each stage, from its start to the next one's.
    pub stages: Vec<StageSeconds>,
    /// The children of each Map.
    pub maps: Vec<MapSeconds>,
    /// Bytes in the run's folder.
    pub run_bytes: u64,
    /// Bytes of the features among them, which lie in parts/ as well.
    pub features_bytes: u64,
}

/// How long a stage took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageSeconds {
    /// The stage.
    pub stage: Stage,
    /// Seconds.
    pub seconds: f64,
}

/// How long the children of a stage's Maps took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapSeconds {
    /// The stage.
    pub stage: Stage,
    /// Children.
    pub children: u64,
    /// Seconds of all of them together.
    pub seconds: f64,
    /// Seconds of the slowest one.
    pub slowest: f64,
}

/// Where a figure is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// From what the run measured.
    Measured,
    /// From the model.
    Modelled,
}

/// Where the figures of a field are from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Fields of `usage`.
    pub of: String,
    /// Where they are from.
    pub basis: Basis,
    /// How.
    pub how: String,
}

/// The content of report/cost.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunCost {
    /// The region whose list prices are taken.
    pub region: String,
    /// When the prices were looked up.
    pub prices_checked: String,
    /// What is known about the run.
    pub measured: Measured,
    /// Which figures are measured and which are modelled.
    pub provenance: Vec<Provenance>,
    /// What the run used.
    pub usage: Usage,
    /// What that costs.
    pub bill: Bill,
    /// What the cluster would have cost that Pomona replaces.
    pub emr: Option<Emr>,
    /// Time and cost of other first runs like this one; empty where nothing was computed.
    pub extrapolated: Vec<Row>,
}

impl RunCost {
    /// What the run cost.
    ///
    /// # Errors
    /// [`Error::Region`], [`Error::Workload`].
    pub fn of(measured: Measured, table: &PriceTable, region: &str) -> Result<Self, Error> {
        let prices = table.of(region)?;
        let mut usage = measured.fitted(&measured.workload, measured.new)?.usage;
        usage.stored = measured.stored();
        Ok(Self {
            region: region.to_owned(),
            prices_checked: table.checked.clone(),
            provenance: provenance(),
            bill: Bill::of(&usage, prices),
            emr: Emr::of(measured.workload.images, prices),
            extrapolated: measured.rows(&TABLE_IMAGES, table, region)?,
            usage,
            measured,
        })
    }
}

impl Measured {
    /// Time and cost of first runs like this one over other numbers of images; nothing where this one computed nothing.
    ///
    /// # Errors
    /// As [`RunCost::of`].
    pub fn rows(&self, images: &[u64], table: &PriceTable, region: &str) -> Result<Vec<Row>, Error> {
        let prices = table.of(region)?;
        if self.new.images == 0 {
            return Ok(Vec::new());
        }
        let row = |&images: &u64| {
            let workload = self.workload.with_images(images);
            let run = self.fitted(&workload, workload.all_new())?;
            let bill = Bill::of(&run.usage, prices);
            let (run_usd, month_usd) = (bill.run_usd, bill.month_usd);
            Ok(Row { images, seconds: run.seconds, run_usd, month_usd, emr: Emr::of(images, prices) })
        };
        images.iter().map(row).collect()
    }

    /// The simulation of `workload`, each stage as much slower or faster than the model as it was in this run.
    fn fitted(&self, workload: &Workload, new: New) -> Result<Simulation, Error> {
        let own = simulation::simulate_new(&self.workload, self.new)?;
        let mut run = simulation::simulate_new(workload, new)?;
        for stage in &mut run.stages {
            let (time, calls) = (self.time_ratio(&own, stage.stage), self.call_ratio(&own, stage));
            stage.seconds *= time;
            stage.call_seconds *= calls;
            stage.slowest *= calls;
        }
        run.seconds = run.stages.iter().map(|stage| stage.seconds).sum();
        run.usage = simulation::usage(workload, new, &run.stages, run.usage.stored);
        Ok(run)
    }

    /// The stage's measured time to its modelled one; 1 for a stage that was skipped, and for report, which is not over
    /// yet.
    fn time_ratio(&self, own: &Simulation, stage: Stage) -> f64 {
        let measured = self.stages.iter().find(|measured| measured.stage == stage);
        ratio(measured.map(|measured| measured.seconds), own.stage_seconds(stage))
    }

    /// The same for what the stage's calls took together. A stage that is a single call takes as long as the call.
    fn call_ratio(&self, own: &Simulation, stage: &StageRun) -> f64 {
        if !stage.is_map {
            // The check after a Map is not timed.
            let is_check = stage.stage.spec().children.is_some();
            return if is_check { 1.0 } else { self.time_ratio(own, stage.stage) };
        }
        let modelled = own.stages.iter().filter(|run| run.is_map && run.stage == stage.stage);
        let measured = self.maps.iter().find(|measured| measured.stage == stage.stage);
        ratio(measured.map(|measured| measured.seconds), modelled.map(|run| run.call_seconds).sum())
    }

    fn stored(&self) -> Stored {
        Stored { parts: self.features_bytes + work::moments_bytes(&self.workload), run: self.run_bytes }
    }
}

fn ratio(measured: Option<f64>, modelled: f64) -> f64 {
    measured.filter(|_| modelled > 0.0).map_or(1.0, |measured| measured / modelled)
}

fn provenance() -> Vec<Provenance> {
    let of = |of: &str, basis, how: &str| Provenance { of: of.to_owned(), basis, how: how.to_owned() };
    vec![
        of(
            "functions list-batch, project-map, and reduce for combine",
            Basis::Measured,
            "times of the Maps' children by Step Functions, an upper bound: retries, their waits and the way to Lambda \
             are in it",
        ),
        of(
            "functions plan, and reduce for reduce",
            Basis::Measured,
            "times of the stages by Step Functions, an upper bound",
        ),
        of(
            "functions report, and plan for checks",
            Basis::Modelled,
            "they are not over, or not timed, when this file is written",
        ),
        of(
            "express_gb_seconds",
            Basis::Measured,
            "mean time of the Maps' children, rounded up as it is billed, 64 MB each",
        ),
        of(
            "transitions, express_requests",
            Basis::Modelled,
            "the states and children of a run of so many shards, without retries",
        ),
        of(
            "requests, kms_calls, image_decrypts",
            Basis::Modelled,
            "counted from the code for so many shards and images; KMS once for a hundred requests, as with bucket keys: \
             whether the input bucket has one is not known here",
        ),
        of(
            "metric_hours, log_bytes",
            Basis::Modelled,
            "all metrics of a run in each hour that it begins; 2,000 bytes of log for each invocation",
        ),
        of("uploads", Basis::Modelled, "what has started the run is not known here, so it is empty"),
        of(
            "stored",
            Basis::Measured,
            "sizes of the run's files; the moments beside the features in parts/ and nodes/ by their format",
        ),
        of(
            "extrapolated",
            Basis::Modelled,
            "a first run of the model, each stage as much slower or faster as in this run",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::simulate;

    /// What a run would measure that goes as the model says, but takes `factor` of its time.
    fn measured(images: u64, factor: f64) -> Measured {
        let workload = Workload { images, ..Workload::default() };
        let run = simulate(&workload).unwrap();
        let stages = [Stage::Plan, Stage::Extract, Stage::Combine, Stage::Reduce, Stage::Project];
        let stages = stages.map(|stage| StageSeconds { stage, seconds: factor * run.stage_seconds(stage) });
        let maps = run.stages.iter().filter(|stage| stage.is_map).map(|stage| MapSeconds {
            stage: stage.stage,
            children: stage.calls,
            seconds: factor * stage.call_seconds,
            slowest: factor * stage.slowest,
        });
        Measured {
            new: workload.all_new(),
            stages: stages.to_vec(),
            maps: maps.collect(),
            run_bytes: run.usage.stored.run,
            features_bytes: 3_820 * images,
            workload,
        }
    }

    fn close(a: f64, b: f64) -> bool {
        (a / b - 1.0).abs() < 1e-6
    }

    #[test]
    fn a_run_that_goes_as_modelled_costs_what_was_estimated() {
        let table = PriceTable::read().unwrap();
        let estimate = crate::estimate::Estimate::of(&measured(67_000, 1.0).workload, &table, "eu-west-1").unwrap();
        let cost = RunCost::of(measured(67_000, 1.0), &table, "eu-west-1").unwrap();
        assert!(close(cost.bill.run_usd, estimate.bill.run_usd));
        assert!(close(cost.bill.month_usd, estimate.bill.month_usd));
        assert_eq!(cost.emr, estimate.emr);
    }

    #[test]
    fn the_measured_run_extrapolates_to_its_own_time_and_to_a_slower_one_where_it_was_slow() {
        let table = PriceTable::read().unwrap();
        let slow = measured(67_000, 2.0);
        let timed: f64 = slow.stages.iter().map(|stage| stage.seconds).sum();
        let report = simulate(&slow.workload).unwrap().stage_seconds(Stage::Report);
        let rows = slow.rows(&[67_000, 1_000_000], &table, "eu-west-1").unwrap();
        assert!(close(rows[0].seconds, timed + report), "{} {timed} {report}", rows[0].seconds);
        let modelled = simulate(&slow.workload.with_images(1_000_000)).unwrap().seconds;
        assert!(rows[1].seconds > 1.9 * modelled && rows[1].seconds <= 2.0 * modelled);
        assert!(rows[1].run_usd > rows[0].run_usd);
    }

    #[test]
    fn a_run_that_computed_nothing_costs_little_and_extrapolates_to_nothing() {
        let table = PriceTable::read().unwrap();
        let first = RunCost::of(measured(67_000, 1.0), &table, "eu-west-1").unwrap();
        let mut again = measured(67_000, 1.0);
        again.new = New { shards: 0, images: 0 };
        again.maps.retain(|map| map.stage != Stage::Extract);
        again.stages.retain(|stage| stage.stage != Stage::Extract);
        let again = RunCost::of(again, &table, "eu-west-1").unwrap();
        assert!(again.bill.run_usd < 0.3 * first.bill.run_usd, "{} {}", again.bill.run_usd, first.bill.run_usd);
        assert!(again.extrapolated.is_empty() && again.usage.functions.iter().all(|used| used.requests > 0));
    }

    #[test]
    fn the_file_survives_json_and_says_where_every_figure_is_from() {
        let table = PriceTable::read().unwrap();
        let cost = RunCost::of(measured(1_000, 1.0), &table, "eu-west-3").unwrap();
        let text = serde_json::to_string_pretty(&cost).unwrap();
        let read: RunCost = serde_json::from_str(&text).unwrap();
        assert_eq!(read.measured.workload, cost.measured.workload);
        assert!(text.contains("\"measured\"") && text.contains("\"modelled\""));
        let serde_json::Value::Object(usage) = serde_json::to_value(&cost.usage).unwrap() else { panic!("no object") };
        for field in usage.keys().filter(|field| *field != "architecture") {
            assert!(cost.provenance.iter().any(|each| each.of.contains(field.as_str())), "{field}");
        }
    }
}
