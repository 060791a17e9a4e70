//! Metrics by CloudWatch's embedded metric format: a line of the log that CloudWatch turns into metrics.
//!
//! Source of the form: CloudWatch user guide, "Specification: Embedded metric format".

use std::time::Duration;

use chrono::{DateTime, Utc};
use pomona_run::RunId;
use pomona_run::stage::Timing;
use serde_json::{Map, Value, json};

const NAMESPACE: &str = "Pomona";

/// What an invocation worked on, as far as it counts such things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Images that were worked on.
    pub images: Option<u64>,
    /// Images among them that could not be used.
    pub rejects: Option<u64>,
    /// Bytes that were read (list-batch) or written (project-map) for them.
    pub bytes: Option<u64>,
    /// Minutes for which the oldest run has been going (trigger).
    pub running_minutes: Option<u64>,
}

/// A finished run in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFigures {
    /// How long the stages took.
    pub stages: Vec<Timing>,
    /// What the run cost in US dollars, where that is known.
    pub cost_usd: Option<f64>,
}

impl RunFigures {
    fn measures(&self) -> impl Iterator<Item = Measure> {
        let stages = self.stages.iter().map(|timing| (timing.stage.spec().metric, "Seconds", timing.seconds().into()));
        stages.chain(self.cost_usd.map(|usd| ("cost_usd", "None", usd.into())))
    }
}

/// Name, unit and value of a metric.
type Measure = (&'static str, &'static str, Value);

/// How an invocation went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed {
    pub(crate) is_cold_start: bool,
    pub(crate) duration: Duration,
}

impl Timed {
    fn milliseconds(self) -> f64 {
        self.duration.as_secs_f64() * 1e3
    }

    fn measures(self) -> [Measure; 2] {
        [
            ("duration", "Milliseconds", self.milliseconds().into()),
            ("cold_start", "Count", u8::from(self.is_cold_start).into()),
        ]
    }
}

/// One finished invocation.
#[derive(Debug)]
pub(crate) struct Invocation<'a> {
    pub(crate) function: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) run_id: Option<&'a RunId>,
    /// How it went, where that is worth a metric: each is paid for every hour in which it is written.
    pub(crate) timed: Option<Timed>,
    pub(crate) work: Work,
    pub(crate) run: Option<&'a RunFigures>,
}

impl Invocation<'_> {
    /// The line that tells CloudWatch, where there is something to tell; the dimension is the function's name.
    pub(crate) fn line(&self, now: DateTime<Utc>) -> Option<Value> {
        let measures = self.measures();
        if measures.is_empty() {
            return None;
        }
        let metrics: Vec<Value> = measures.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let mut line = Map::new();
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": now.timestamp_millis(),
                "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["function"]], "Metrics": metrics}],
            }),
        );
        line.insert("function".to_owned(), self.function.into());
        line.insert("request_id".to_owned(), self.request_id.into());
        line.extend(self.run_id.map(|run_id| ("run_id".to_owned(), run_id.as_str().into())));
        line.extend(measures.into_iter().map(|(name, _, value)| (name.to_owned(), value)));
        Some(line.into())
    }

    fn measures(&self) -> Vec<Measure> {
        let mut measures: Vec<Measure> = self.timed.into_iter().flat_map(Timed::measures).collect();
        let Work { images, rejects, bytes, running_minutes } = self.work;
        let counts = [
            ("images", "Count", images),
            ("rejects", "Count", rejects),
            ("bytes", "Bytes", bytes),
            ("running_minutes", "None", running_minutes),
        ];
        measures.extend(counts.into_iter().filter_map(|(name, unit, count)| Some((name, unit, count?.into()))));
        if let (Some(timed), Some(images)) = (self.timed, images.filter(|&images| images > 0)) {
            measures.push(("ms_per_image", "Milliseconds", (timed.milliseconds() / images as f64).into()));
        }
        measures.extend(self.run.into_iter().flat_map(RunFigures::measures));
        measures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Checked;
    use crate::edge::Answer;
    use crate::plan::PlanAnswer;
    use crate::project_map::Projected;
    use crate::reduce::ReduceAnswer;
    use crate::report::Reported;
    use crate::trigger::Outcome;
    use pomona_cost::watching::RUN_METRICS;
    use pomona_run::stage::Stage;
    use pomona_stages::extract::Extracted;

    fn line(work: Work) -> Value {
        line_of_run(work, None)
    }

    fn line_of_run(work: Work, run: Option<&RunFigures>) -> Value {
        let timed = Timed { is_cold_start: true, duration: Duration::from_millis(500) };
        line_of(Some(timed), work, run).unwrap()
    }

    fn line_of(timed: Option<Timed>, work: Work, run: Option<&RunFigures>) -> Option<Value> {
        let run_id = "20260131T120000Z-0123abcd".parse().unwrap();
        let invocation =
            Invocation { function: "pomona-list-batch", request_id: "1-2", run_id: Some(&run_id), timed, work, run };
        invocation.line(DateTime::from_timestamp_millis(1_700_000_000_123).unwrap())
    }

    #[test]
    fn a_line_has_the_embedded_metric_format() {
        let metric = |name, unit| json!({"Name": name, "Unit": unit});
        assert_eq!(
            line(Work { images: Some(50), rejects: Some(2), bytes: Some(4096), ..Work::default() }),
            json!({
                "_aws": {
                    "Timestamp": 1_700_000_000_123_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Pomona",
                        "Dimensions": [["function"]],
                        "Metrics": [
                            metric("duration", "Milliseconds"), metric("cold_start", "Count"), metric("images", "Count"),
                            metric("rejects", "Count"), metric("bytes", "Bytes"), metric("ms_per_image", "Milliseconds"),
                        ],
                    }],
                },
                "function": "pomona-list-batch",
                "request_id": "1-2",
                "run_id": "20260131T120000Z-0123abcd",
                "duration": 500.0,
                "cold_start": 1,
                "images": 50,
                "rejects": 2,
                "bytes": 4096,
                "ms_per_image": 10.0,
            })
        );
    }

    #[test]
    fn what_was_not_counted_is_no_metric() {
        let line = line(Work::default());
        let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert_eq!(metrics.len(), 2);
        assert!(metrics.iter().all(|metric| line[metric["Name"].as_str().unwrap()].is_number()));
    }

    /// A clock asks every quarter of an hour, and a metric is paid for each hour in which it is written.
    #[test]
    fn a_look_for_runs_writes_no_metric_but_for_how_long_one_has_been_going() {
        let of_a_look = |running_minutes| {
            let watched = Outcome::Watched { running_minutes };
            assert!(!watched.is_timed() && Outcome::Postponed.is_timed());
            line_of(None, watched.work(), watched.run())
        };
        assert_eq!(of_a_look(None), None);
        let line = of_a_look(Some(121)).unwrap();
        let expected = json!([{"Name": "running_minutes", "Unit": "None"}]);
        assert_eq!(
            (&line["_aws"]["CloudWatchMetrics"][0]["Metrics"], &line["running_minutes"]),
            (&expected, &json!(121))
        );
    }

    #[test]
    fn a_finished_run_has_seconds_for_each_stage_and_its_cost_where_that_is_known() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let stage = |stage, started, finished| Timing { stage, started: at(started), finished: at(finished), items: 1 };
        let stages = vec![stage(Stage::Plan, 0, 2), stage(Stage::Extract, 2, 62)];
        let line = line_of_run(Work::default(), Some(&RunFigures { stages: stages.clone(), cost_usd: Some(0.25) }));
        assert_eq!(
            (&line["plan_seconds"], &line["extract_seconds"], &line["cost_usd"]),
            (&json!(2.0), &json!(60.0), &json!(0.25))
        );
        let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert!(metrics.contains(&json!({"Name": "extract_seconds", "Unit": "Seconds"})));
        let line = line_of_run(Work::default(), Some(&RunFigures { stages, cost_usd: None }));
        assert!(line.get("cost_usd").is_none() && line.get("combine_seconds").is_none());
    }

    /// The metrics of a function that answers so.
    fn count(answer: &impl Answer) -> u64 {
        let line = line_of_run(answer.work(), answer.run());
        line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap().len() as u64
    }

    #[test]
    fn a_run_writes_as_many_metrics_as_are_charged() {
        let at = DateTime::from_timestamp(0, 0).unwrap();
        // A run without passes, as nearly all are.
        let timed = Stage::ALL.into_iter().filter(|stage| ![Stage::Sweep, Stage::Report].contains(stage));
        let stages = timed.map(|stage| Timing { stage, started: at, finished: at, items: 1 }).collect();
        let reported = Reported {
            images: 1,
            rejects: 0,
            classes: 1,
            variance_explained: 1.0,
            run: String::new(),
            figures: RunFigures { stages, cost_usd: Some(0.25) },
        };
        let projected = Projected {
            shard: 0,
            listed: 1,
            features: 1,
            reasons: Default::default(),
            non_finite: 0,
            components: 1,
            bytes_written: 1,
        };
        let all = [
            count(&PlanAnswer::Checked(Checked::default())),
            count(&Extracted { computed: 1, ..Extracted::default() }),
            count(&ReduceAnswer::Combined { merged: 1 }),
            count(&projected),
            count(&reported),
        ];
        assert_eq!(all.iter().sum::<u64>(), RUN_METRICS, "{all:?}");
    }

    #[test]
    fn no_images_have_no_time_per_image() {
        assert!(line(Work { images: Some(0), ..Work::default() }).get("ms_per_image").is_none());
    }
}
