//! The stage `reduce`: fits by merged moments, or by passes, of which it says what comes next and takes the step behind
//! each.
//!
//! [`advance`] looks at what is there. Where sums of a pass are missing it says which; where all are there it takes the
//! step, and where the last step is taken it writes the run's model. So whoever calls it again goes on.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use pomona_formats::class_table::ClassCount;
use pomona_formats::classification::Descent;
use pomona_formats::classifier_file::Classifier;
use pomona_formats::fits::{self, ClassifierNames, FitNames, Fits, Learning};
use pomona_formats::model_file::Model;
use pomona_formats::model_info::Convergence;
use pomona_formats::planned::{self, Plan};
use pomona_formats::{Error as FileError, run_aside, sealed, tables};
use pomona_pca::sweep::{Step, Sweep};
use pomona_pca::{Columns, Covariance, Encoding, Error as PcaError, Lanczos, Logistic, LogisticFit, Merger, PcaFit};
use pomona_run::RunId;
use pomona_run::layout::{self, RunLayout};
use pomona_run::sweep::{Group, Method};
use pomona_store::Store;

use crate::claims;
use crate::damages::Damages;
use crate::error::Error;
use crate::reduce::{self, Reduced};

/// Sums that are read while others are merged.
const READ_AHEAD: usize = 2;

/// What a run's fits need next.
#[derive(Clone, Debug)]
pub enum Advance {
    /// Sums of a pass.
    Sweep(Pass),
    /// Nothing: the model is written.
    Done(Reduced),
}

/// A pass whose sums are not all there.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// What is fitted.
    pub method: Method,
    /// The pass, counted from 0.
    pub pass: u32,
    /// How far the fit was from its end when the pass began, as a multiple of what is near enough; where that is known.
    pub distance: Option<f64>,
    /// The groups whose sums are missing.
    pub missing: Vec<Group>,
    /// Parts in them.
    pub parts: u64,
}

/// Takes the fits of a run whose parts and nodes exist as far as the sums that are there allow.
///
/// # Errors
/// [`Error::TooManyRejects`], [`Error::NothingUsable`], [`Error::OneImage`], [`pomona_formats::Error::Damaged`] where
/// parts, states or sums are (they are set aside then), those of fitting and those of the store.
pub async fn advance(output: &dyn Store, run_id: &RunId) -> Result<Advance, Error> {
    let plan = planned::read_plan(output, run_id).await?;
    if plan.models_of.is_some() {
        return Ok(Advance::Done(reduce::with_taken_models(output, &plan).await?));
    }
    if !plan.is_fitted_by_passes() {
        return Ok(Advance::Done(reduce::reduce(output, &plan).await?));
    }
    match fitted(output, &plan).await {
        Ok(reduced) => Ok(Advance::Done(reduced)),
        Err(Halt::Pass(pass)) => Ok(Advance::Sweep(pass)),
        Err(Halt::Error(error)) if plan.options.classify.is_some() => Err(of_training_images(error)),
        Err(Halt::Error(error)) => Err(error),
    }
}

/// An error of fitting says how few rows there are, and these are only the images that are learned from.
fn of_training_images(error: Error) -> Error {
    let usable = match error {
        Error::File(FileError::Pca(PcaError::TooFewRows { count })) => format!("{count}"),
        Error::File(FileError::Pca(PcaError::TooFewClasses { present, .. })) => format!("those of {present} label"),
        error => return error,
    };
    let problem = format!(
        "of the images to learn from only {usable} could be used, and 2 of different labels are the least; the run's \
         errors/ says why; mend or add images, or learn from more with --train-share"
    );
    pomona_run::Error::option("classify", problem).into()
}

/// Why a fit does not go on.
enum Halt {
    /// Sums of this pass are missing.
    Pass(Pass),
    Error(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// All fits of a run, by passes.
async fn fitted(output: &dyn Store, plan: &Plan) -> Result<Reduced, Halt> {
    let fits = fits_of(output, plan).await?;
    let names = fits.names(plan)?;
    let fitting = Fitting { output, run_id: &plan.run_id, fits: &fits };
    fitting.components(plan, &names).await?;
    let classifier = match (&fits.learning, &names.classifier) {
        (Some(learning), Some(names)) => Some(fitting.classifier(learning, names).await?),
        _ => None,
    };
    let PcaFit { pca, passes, residuals } = fitting.model(&names.components).await?;
    let convergence = residuals.map(|residuals| Convergence { passes, residuals: residuals.iter().copied().collect() });
    Ok(reduce::write_models(output, plan, fits.counted, Model { pca, convergence }, classifier).await?)
}

/// What the run fits; written where nobody has yet, once it is known that not too many images are unusable.
async fn fits_of(output: &dyn Store, plan: &Plan) -> Result<Fits, Error> {
    if output.exists(&RunLayout::new(plan.run_id.as_str()).fits()).await? {
        return Ok(Fits::read(output, &plan.run_id).await?);
    }
    let (parts, counted) = reduce::count_parts(output, plan).await?;
    let learning = match plan.options.classify {
        Some(classify) => Some(Learning { classify, labels: labels(output, plan).await? }),
        None => None,
    };
    let fits = Fits { width: plan.recipe.feature_width, counted, parts, learning };
    claims::refuse_overtaken(output, plan).await?;
    fits.write(output, &plan.run_id).await?;
    Ok(fits)
}

/// The labels of the run in the order of their ids, but for the one that says that there is none.
async fn labels(output: &dyn Store, plan: &Plan) -> Result<Vec<String>, Error> {
    let key = RunLayout::new(plan.run_id.as_str()).classes();
    let classes: Vec<ClassCount> = tables::from_csv(&key, &plan.digests.read(output, &key).await?, usize::MAX)?;
    Ok(classes.into_iter().map(|class| class.class).filter(|label| !label.is_empty()).collect())
}

/// The fits of a run.
struct Fitting<'a> {
    output: &'a dyn Store,
    run_id: &'a RunId,
    fits: &'a Fits,
}

impl Fitting<'_> {
    /// Fits the components.
    async fn components(&self, plan: &Plan, names: &FitNames) -> Result<(), Halt> {
        let options = fits::fit_options(&plan.options);
        match &names.columns {
            Some(columns) => {
                self.fit(Method::Columns, columns, None, async { Ok(Columns) }).await?;
                let start = async { Ok(Lanczos::start(&self.model(columns).await?, &options)?) };
                self.fit(Method::Components, &names.components, None, start).await
            }
            None => self.fit(Method::Covariance, &names.components, None, async { Ok(Covariance(options)) }).await,
        }
    }

    /// The classifier, which sees features, or what the fit of the components makes of them.
    async fn classifier(&self, learning: &Learning, names: &ClassifierNames) -> Result<Classifier, Halt> {
        let Learning { classify, labels } = learning;
        let projected_on = names.projected_on.as_deref();
        self.fit(Method::Columns, &names.columns, projected_on, async { Ok(Columns) }).await?;
        let options = learning.logistic_options();
        let start = async { Ok(Logistic::start(&self.model(&names.columns).await?, labels.len(), &options)?) };
        self.fit(Method::Classifier, &names.classifier, projected_on, start).await?;
        let LogisticFit { model, iterations, passes, converged, objective } = self.model(&names.classifier).await?;
        let descent = Descent { iterations, passes, converged, objective };
        Ok(Classifier { classify: *classify, labels: labels.clone(), model, descent })
    }

    /// The model of a fit that is done.
    async fn model<M: Encoding + Send + 'static>(&self, fit: &str) -> Result<M, Error> {
        Ok(sealed::read(self.output, &layout::sweep_model(fit)).await?)
    }

    /// Takes all steps of a fit that the sums that are there allow. Its model is read by who needs it: each of a hundred
    /// steps comes past all fits before its own.
    async fn fit<S: Sweep>(
        &self,
        method: Method,
        fit: &str,
        projected_on: Option<&str>,
        start: impl Future<Output = Result<S, Error>>,
    ) -> Result<(), Halt> {
        let Self { output, run_id, fits } = *self;
        let there = files_of(output, fit).await?;
        if there.contains(&layout::sweep_model(fit)) {
            if there.len() > 1 {
                remove_all_but_model(output, fit).await?;
            }
            return Ok(());
        }
        let mut distance = None;
        let mut pass = match newest_state::<S>(&there, fit) {
            Some(pass) => pass,
            None => {
                sealed::write(output, &layout::sweep_state(fit, 0), &start.await?).await?;
                0
            }
        };
        let groups = fits.groups().len() as u32;
        loop {
            let is_missing = |group: &u32| !there.contains(&layout::sweep_sum(fit, pass, *group));
            let missing: Vec<(u32, &[String])> =
                (0..).zip(fits.groups()).filter(|(number, _)| is_missing(number)).collect();
            if !missing.is_empty() {
                let group = |group: u32| Group {
                    run_id: run_id.clone(),
                    method,
                    fit: fit.to_owned(),
                    projected_on: projected_on.map(str::to_owned),
                    pass,
                    group,
                };
                let parts = missing.iter().map(|(_, parts)| parts.len() as u64).sum();
                let missing = missing.into_iter().map(|(number, _)| group(number)).collect();
                return Err(Halt::Pass(Pass { method, pass, distance, missing, parts }));
            }
            match step::<S>(output, fit, pass, groups).await? {
                Step::Next(state) => {
                    distance = state.distance();
                    sealed::write(output, &layout::sweep_state(fit, pass + 1), &state).await?;
                }
                Step::Done(model) => {
                    sealed::write(output, &layout::sweep_model(fit), &model).await?;
                    remove_all_but_model(output, fit).await?;
                    return Ok(());
                }
            }
            remove_sums(output, fit, pass, groups).await?;
            if !S::LOOKS_BACK && pass > 0 {
                // The two newest are kept: should the newest be damaged, only its pass is made again.
                output.delete(&layout::sweep_state(fit, pass - 1)).await?;
            }
            pass += 1;
        }
    }
}

async fn files_of(output: &dyn Store, fit: &str) -> Result<BTreeSet<String>, Error> {
    let files = output.list(&layout::sweep_fit(fit), &|_| true).await?;
    Ok(files.into_iter().map(|file| file.key).collect())
}

/// The newest pass whose step has all states that it looks at.
fn newest_state<S: Sweep>(there: &BTreeSet<String>, fit: &str) -> Option<u32> {
    if S::LOOKS_BACK {
        (0..).take_while(|&pass| there.contains(&layout::sweep_state(fit, pass))).last()
    } else {
        there.iter().filter_map(|key| layout::pass_of_state(fit, key)).max()
    }
}

/// Merges the sums of a pass and takes the step behind it.
async fn step<S: Sweep>(output: &dyn Store, fit: &str, pass: u32, groups: u32) -> Result<Step<S, S::Model>, Error> {
    let mut merger = Merger::default();
    let read = |group| async move { sealed::read::<S::Sum>(output, &layout::sweep_sum(fit, pass, group)).await };
    let mut sums = stream::iter(0..groups).map(read).buffered(READ_AHEAD);
    let mut damages = Damages::default();
    while let Some(sum) = sums.next().await {
        if let Some(sum) = damages.keep(sum)? {
            merger.push(sum)?;
        }
    }
    damages.finish()?;
    let sum = merger.finish()?.ok_or_else(|| Error::internal("a pass without groups"))?;
    let first = if S::LOOKS_BACK { 0 } else { pass };
    let states = stream::iter(first..=pass)
        .map(|pass| async move { sealed::read::<S>(output, &layout::sweep_state(fit, pass)).await });
    let states: Vec<S> = states.buffered(READ_AHEAD).try_collect().await?;
    Ok(run_aside(move || S::step(&states, sum)).await??)
}

/// Nobody looks back at the passes of a fit that is done.
async fn remove_all_but_model(output: &dyn Store, fit: &str) -> Result<(), Error> {
    let model = layout::sweep_model(fit);
    for file in files_of(output, fit).await?.iter().filter(|file| **file != model) {
        output.delete(file).await?;
    }
    Ok(())
}

/// What a step was taken of is needed by none that comes later.
async fn remove_sums(output: &dyn Store, fit: &str, pass: u32, groups: u32) -> Result<(), Error> {
    for group in 0..groups {
        output.delete(&layout::sweep_sum(fit, pass, group)).await?;
    }
    Ok(())
}
