//! Fits that need more than one pass over the rows.
//!
//! A pass is the same wherever the rows are: its small *state* is handed to all shards, each adds up its *partial*, the
//! partials merge in a fixed order, and a *step* makes of their sum the next state or the model.
//!
//! ```text
//! state 0 --partial, merge--> sum 0 --step--> state 1 --partial, merge--> sum 1 --step--> ... --step--> model
//! ```
//!
//! [`fit`] does that with rows in memory; whoever has more of them than that does it with files, by the same trait.

use ndarray::ArrayView2;

use crate::encoding::Encoding;
use crate::{Error, Merger, Sum};

/// Rows of a shard.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Features [n, d].
    pub features: ArrayView2<'a, f32>,
    /// The class of each row `[n]`, for fits that learn classes.
    pub classes: &'a [u32],
}

/// The state of a fit in one of its passes.
pub trait Sweep: Encoding + Send + Sync + 'static {
    /// What a pass adds up.
    type Sum: Sum + Encoding + Send + 'static;
    /// What the fit comes to.
    type Model: Encoding + Send + 'static;

    /// What these rows add to the pass.
    ///
    /// # Errors
    /// [`Error::Dimensions`] where they have another width than the state.
    fn partial(&self, rows: &Rows<'_>) -> Result<Self::Sum, Error>;

    /// The next state or the model, of the states so far, the first pass's first and the one behind `sum` last; of that
    /// one alone unless the sweep [looks back](Sweep::LOOKS_BACK).
    ///
    /// # Errors
    /// What is wrong with the rows or the options, by name; or that the passes lead nowhere.
    fn step(states: &[Self], sum: Self::Sum) -> Result<Step<Self, Self::Model>, Error>;

    /// Whether a step needs the states of all passes.
    const LOOKS_BACK: bool = false;

    /// How far the fit was from its end when the pass began: what must fall to 1. Not known in the first passes.
    fn distance(&self) -> Option<f64> {
        None
    }
}

/// What a pass comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<S, M> {
    /// The state of the next one.
    Next(S),
    /// The end.
    Done(M),
}

/// Fits to rows that are all in memory, shard by shard.
///
/// # Errors
/// Those of [`Sweep`], and [`Error::TooFewRows`] where there is no shard.
pub fn fit<S: Sweep>(start: S, shards: &[Rows<'_>]) -> Result<S::Model, Error> {
    let mut states = vec![start];
    loop {
        let mut merger = Merger::default();
        for rows in shards {
            merger.push(states[states.len() - 1].partial(rows)?)?;
        }
        let sum = merger.finish()?.ok_or(Error::TooFewRows { count: 0 })?;
        match S::step(&states, sum)? {
            Step::Next(next) => states.push(next),
            Step::Done(model) => return Ok(model),
        }
    }
}
