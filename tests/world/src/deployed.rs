//! The functions of a stack, each in both versions.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pomona_cost::workload::Workload;
use pomona_formats::recipe::Recipe;
use pomona_lambda::erase::Erase;
use pomona_lambda::list_batch::ListBatch;
use pomona_lambda::plan::Planner;
use pomona_lambda::project_map::ProjectMap;
use pomona_lambda::reduce::Reduce;
use pomona_lambda::report::Report;
use pomona_lambda::sweep::Sweep;
use pomona_lambda::trigger::{Dataset, Trigger};
use pomona_lambda::{BucketLocation, StackSettings, Stores};
use pomona_results::processing::Site;
use pomona_stages::compute::ComputePool;
use pomona_store::Store;

use crate::bucket::Place;
use crate::function::Name;
use crate::history::Setting;
use crate::images::{self, VERSIONS};
use crate::lambda::{Deployed, deploy};
use crate::s3::SimulatedS3;
use crate::step_functions::Cloud;

/// As many days before parts expire a run makes them young again (shared/lambda/src/settings.rs).
const DAYS_TO_SPARE: u64 = 7;

thread_local! {
    /// What takes long to make serves all histories of a thread: each function finds its world by the thread.
    static MODELS: [(Deployed, Rc<ComputePool>); VERSIONS] = std::array::from_fn(|version| {
        let list_batch = ListBatch { stores: stores(), pool: images::pool(version) };
        (deploy(list_batch), Rc::new(images::pool(version)))
    });
}

/// The functions of one history.
pub(crate) struct Functions {
    plan: [Deployed; VERSIONS],
    list_batch: [Deployed; VERSIONS],
    sweep: Deployed,
    reduce: Deployed,
    project_map: Deployed,
    report: Deployed,
    erase: Deployed,
    trigger: Deployed,
}

impl Functions {
    pub(crate) fn new(setting: &Setting) -> Self {
        let list_batch = MODELS.with(|models| models.each_ref().map(|(list_batch, _)| list_batch.clone()));
        Self {
            plan: std::array::from_fn(|version| deploy(planner(setting, recipe(version)))),
            list_batch,
            sweep: deploy(Sweep { stores: stores(), threads: 1 }),
            reduce: deploy(Reduce { stores: stores() }),
            project_map: deploy(ProjectMap { stores: stores() }),
            report: deploy(report(setting)),
            erase: deploy(erase(setting)),
            trigger: deploy(trigger(setting)),
        }
    }

    pub(crate) fn get(&self, name: Name, version: usize) -> Deployed {
        match name {
            Name::Plan => &self.plan[version],
            Name::ListBatch => &self.list_batch[version],
            Name::Sweep => &self.sweep,
            Name::Reduce => &self.reduce,
            Name::ProjectMap => &self.project_map,
            Name::Report => &self.report,
            Name::Erase => &self.erase,
            Name::Trigger => &self.trigger,
        }
        .clone()
    }
}

/// This thread's own pool of a version.
pub(crate) fn pool(version: usize) -> Rc<ComputePool> {
    MODELS.with(|models| models[version].1.clone())
}

pub(crate) fn recipe(version: usize) -> Recipe {
    images::recipe(&pool(version))
}

fn at(place: Place) -> BucketLocation {
    place.location().parse().expect("a place in S3")
}

fn stores() -> Stores {
    let store = |place| (at(place), Arc::new(SimulatedS3(place)) as Arc<dyn Store>);
    [store(Place::Input), store(Place::Output)].into_iter().collect()
}

fn planner(setting: &Setting, recipe: Recipe) -> Planner {
    let days = setting.parts_expire_days - DAYS_TO_SPARE;
    Planner {
        stores: stores(),
        recipe,
        input: Some(at(Place::Input)),
        output: Some(at(Place::Output)),
        max_concurrency: setting.max_concurrency,
        refresh_age: Some(Duration::from_secs(days * 86_400)),
        holders: Box::new(Cloud),
    }
}

fn erase(setting: &Setting) -> Erase {
    Erase {
        stores: stores(),
        output: Some(at(Place::Output)),
        max_concurrency: setting.max_concurrency,
        holders: Box::new(Cloud),
    }
}

fn report(setting: &Setting) -> Report {
    let stack = StackSettings { region: "eu-west-1".into(), settings: Workload::default() };
    Report {
        stores: stores(),
        stack,
        keep_runs: setting.keep_runs.to_string().parse().expect("few runs"),
        site: Site::Bucket,
    }
}

fn trigger(setting: &Setting) -> Trigger {
    Trigger {
        stores: stores(),
        runs: Box::new(Cloud),
        queue: Box::new(Cloud),
        buckets: Box::new(Cloud),
        dataset: Dataset {
            input: at(Place::Input),
            output: at(Place::Output),
            options: setting.run_options.to_string(),
        },
        interval: Duration::from_secs(60 * setting.minutes_between_runs),
    }
}
