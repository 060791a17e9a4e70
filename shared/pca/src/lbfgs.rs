//! The minimum of a smooth convex function of many numbers by L-BFGS (Liu and Nocedal 1989, "On the limited memory BFGS
//! method for large scale optimization"; Nocedal and Wright 2006, "Numerical Optimization", algorithms 7.4 and 7.5).
//!
//! Value and gradient come from outside, as each evaluation is a pass over data that this file knows nothing of:
//! [`Lbfgs::trial`] says where, and [`Lbfgs::advance`] takes what was found there.

use std::collections::VecDeque;

use nalgebra::DVector;

use crate::Error;
use crate::encoding::{Reader, Writer};
use crate::line_search::{LineSearch, Verdict};
use crate::sweep::Step;

/// Pairs that are remembered, as many as Spark's.
const PAIRS: usize = 10;

/// Where the fit ends, as in Spark, whose optimiser is breeze: see [`Lbfgs::distance`].
const TOLERANCE: f64 = 1e-6;

/// A gradient as short as this is none, however small the value (breeze).
const NO_GRADIENT: f64 = 1e-8;

/// Iterations over which the value must still fall (breeze's `fvalMemory`).
const WINDOW: usize = 20;

/// A value and the gradient there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Evaluation {
    pub value: f64,
    pub gradient: DVector<f64>,
}

/// A descent between two evaluations.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lbfgs {
    /// Where the descent has come to.
    point: DVector<f64>,
    gradient: DVector<f64>,
    direction: DVector<f64>,
    search: LineSearch,
    /// The last pairs, the oldest first.
    pairs: VecDeque<Pair>,
    /// The values of the last iterations, the oldest first, up to that of `point`.
    values: VecDeque<f64>,
    first_value: f64,
    iterations: u64,
}

/// What an iteration learned of the curvature: how far it went, and how that changed the gradient.
#[derive(Debug, Clone, PartialEq)]
struct Pair {
    step: DVector<f64>,
    change: DVector<f64>,
}

/// Where a descent ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Minimum {
    pub point: DVector<f64>,
    pub value: f64,
    pub iterations: u64,
    /// Whether it is the minimum by the rule of [`Lbfgs::distance`], and not just where the iterations were used up or
    /// rounding hid what is lower.
    pub converged: bool,
}

impl Lbfgs {
    /// The descent from `point`, where the function was evaluated.
    pub fn start(point: DVector<f64>, at: Evaluation, most_iterations: u64) -> Step<Self, Minimum> {
        let direction = -&at.gradient;
        // Nothing is known of the curvature: the first step has the length 1 (breeze).
        let length = at.gradient.norm();
        let search = LineSearch::new(at.value, -length * length, length.recip());
        let descent = Self {
            point,
            gradient: at.gradient,
            direction,
            search,
            pairs: VecDeque::new(),
            values: VecDeque::from([at.value]),
            first_value: at.value,
            iterations: 0,
        };
        descent.go_on(most_iterations)
    }

    /// Where to evaluate next.
    pub fn trial(&self) -> DVector<f64> {
        &self.point + &self.direction * self.search.step()
    }

    /// The descent after the evaluation at the [`trial`](Lbfgs::trial).
    pub fn advance(mut self, at: Evaluation, most_iterations: u64) -> Step<Self, Minimum> {
        match self.search.judge(at.value, self.direction.dot(&at.gradient)) {
            Verdict::Lost => Step::Done(self.end(false)),
            Verdict::Try(search) => {
                self.search = search;
                Step::Next(self)
            }
            Verdict::Taken => {
                self.accept(at);
                self.go_on(most_iterations)
            }
        }
    }

    /// How far the descent is from its end, which is where this falls to 1. As in breeze's `FirstOrderMinimizer` with
    /// the tolerance 1e-6, that is where the gradient is at most 1e-6 of the value long (or 1e-8, if that is more), or
    /// where the value fell in the last 20 iterations by at most 1e-6 of what it was at the start.
    pub fn distance(&self) -> f64 {
        let length = self.gradient.norm() / (TOLERANCE * self.value()).max(NO_GRADIENT);
        if self.values.len() <= WINDOW || self.first_value == 0.0 {
            return length;
        }
        let fall = (self.values[0] - self.value()) / (TOLERANCE * self.first_value);
        length.min(fall)
    }

    fn value(&self) -> f64 {
        self.values[self.values.len() - 1]
    }

    fn accept(&mut self, at: Evaluation) {
        let pair = Pair { step: &self.direction * self.search.step(), change: &at.gradient - &self.gradient };
        self.point += &pair.step;
        self.gradient = at.gradient;
        self.iterations += 1;
        push(&mut self.values, at.value, WINDOW + 1);
        // The search leaves no other pair, but rounding may.
        if pair.curvature() > f64::EPSILON * pair.change.norm_squared() {
            push(&mut self.pairs, pair, PAIRS);
        }
        self.direction = self.quasi_newton();
        if self.direction.dot(&self.gradient) >= 0.0 {
            // Rounding got the better of the pairs, whose direction would fall.
            self.pairs.clear();
            self.direction = self.quasi_newton();
        }
        self.search = LineSearch::new(at.value, self.direction.dot(&self.gradient), 1.0);
    }

    fn go_on(self, most_iterations: u64) -> Step<Self, Minimum> {
        if self.distance() <= 1.0 {
            Step::Done(self.end(true))
        } else if self.iterations >= most_iterations {
            Step::Done(self.end(false))
        } else {
            Step::Next(self)
        }
    }

    fn end(self, converged: bool) -> Minimum {
        let value = self.value();
        Minimum { point: self.point, value, iterations: self.iterations, converged }
    }

    /// Minus the gradient times the inverse of the curvature, as far as the pairs know it (the two loops of algorithm
    /// 7.4).
    fn quasi_newton(&self) -> DVector<f64> {
        let mut direction = -&self.gradient;
        let mut shares = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let share = pair.step.dot(&direction) / pair.curvature();
            direction.axpy(-share, &pair.change, 1.0);
            shares.push(share);
        }
        if let Some(newest) = self.pairs.back() {
            direction *= newest.curvature() / newest.change.norm_squared();
        }
        for (pair, share) in self.pairs.iter().zip(shares.iter().rev()) {
            let beside = pair.change.dot(&direction) / pair.curvature();
            direction.axpy(share - beside, &pair.step, 1.0);
        }
        direction
    }

    /// Iterations, first value, search, the last values after their number, point, gradient, direction, and the pairs
    /// after their number.
    pub fn write(&self, words: &mut Writer) {
        words.count(self.iterations);
        words.numbers(&[self.first_value]);
        self.search.write(words);
        words.count(self.values.len() as u64);
        self.values.iter().for_each(|value| words.numbers(&[*value]));
        for vector in [&self.point, &self.gradient, &self.direction] {
            words.numbers(vector.as_slice());
        }
        words.count(self.pairs.len() as u64);
        for pair in &self.pairs {
            words.numbers(pair.step.as_slice());
            words.numbers(pair.change.as_slice());
        }
    }

    /// The descent over `parameters` numbers that [`Lbfgs::write`] wrote.
    pub fn read(words: &mut Reader<'_>, parameters: usize) -> Result<Self, Error> {
        if parameters == 0 {
            // Any number of pairs of nothing would be there.
            return Err(Error::Encoding("a descent without parameters".to_owned()));
        }
        let (iterations, first_value, search) = (words.count()?, words.number()?, LineSearch::read(words)?);
        let values = words.length()?;
        let values = VecDeque::from(words.numbers(values)?);
        let mut vector = || words.vector(parameters);
        let (point, gradient, direction) = (vector()?, vector()?, vector()?);
        let pairs = words.length()?;
        let mut pair = |_| Ok(Pair { step: words.vector(parameters)?, change: words.vector(parameters)? });
        let pairs = (0..pairs).map(&mut pair).collect::<Result<_, Error>>()?;
        Ok(Self { point, gradient, direction, search, pairs, values, first_value, iterations })
    }
}

impl Pair {
    /// The step times the curvature times the step.
    fn curvature(&self) -> f64 {
        self.step.dot(&self.change)
    }
}

/// Adds the newest and forgets the oldest of more than `most`.
fn push<T>(last: &mut VecDeque<T>, newest: T, most: usize) {
    if last.len() == most {
        last.pop_front();
    }
    last.push_back(newest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimise(function: impl Fn(&DVector<f64>) -> Evaluation, start: DVector<f64>, most: u64) -> (Minimum, u64) {
        let at = function(&start);
        let (mut progress, mut evaluations) = (Lbfgs::start(start, at, most), 1);
        loop {
            match progress {
                Step::Done(minimum) => return (minimum, evaluations),
                Step::Next(descent) => {
                    let at = function(&descent.trial());
                    progress = descent.advance(at, most);
                    evaluations += 1;
                }
            }
        }
    }

    /// A parabola whose axes differ by `condition` in curvature, around (1, 1, ...), where it is 1.
    fn parabola(condition: f64) -> impl Fn(&DVector<f64>) -> Evaluation {
        move |point| {
            let curvature = |i: usize| condition.powf(i as f64 / (point.len() - 1) as f64);
            let gradient = DVector::from_fn(point.len(), |i, _| curvature(i) * (point[i] - 1.0));
            Evaluation { value: 1.0 + gradient.dot(&point.add_scalar(-1.0)) / 2.0, gradient }
        }
    }

    #[test]
    fn the_minimum_of_a_parabola_is_found() {
        for condition in [1.0, 100.0, 1e4] {
            let first = parabola(condition)(&DVector::zeros(30)).value;
            let (minimum, evaluations) = minimise(parabola(condition), DVector::zeros(30), 1000);
            assert!(minimum.converged && minimum.value - 1.0 < TOLERANCE * first, "{condition}: {minimum:?}");
            assert!(evaluations <= minimum.iterations + 10, "{evaluations} for {} iterations", minimum.iterations);
        }
    }

    /// Rosenbrock's valley, which is not convex: the search and the pairs hold nevertheless.
    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        let valley = |point: &DVector<f64>| {
            let (x, y) = (point[0], point[1]);
            let value = 1.0 + (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2);
            let gradient = [-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)];
            Evaluation { value, gradient: DVector::from_row_slice(&gradient) }
        };
        let (minimum, _) = minimise(valley, DVector::from_row_slice(&[-1.2, 1.0]), 1000);
        assert!(minimum.converged && (minimum.point - DVector::repeat(2, 1.0)).amax() < 1e-4);
    }

    #[test]
    fn a_descent_that_may_not_go_on_says_that_it_is_not_at_its_end() {
        let (minimum, _) = minimise(parabola(1e4), DVector::zeros(30), 5);
        assert_eq!((minimum.converged, minimum.iterations), (false, 5));
        let (least, _) = minimise(parabola(1e4), DVector::zeros(30), 1000);
        assert!(minimum.value > least.value);
    }

    #[test]
    fn at_the_minimum_nothing_is_left_to_do() {
        let (minimum, evaluations) = minimise(parabola(3.0), DVector::repeat(4, 1.0), 10);
        assert_eq!((minimum.converged, minimum.iterations, evaluations), (true, 0, 1));
    }

    #[test]
    fn what_falls_for_ever_ends_where_it_hardly_falls_any_more() {
        let exponential =
            |point: &DVector<f64>| Evaluation { value: (-point[0]).exp(), gradient: -point.map(|x| (-x).exp()) };
        let (minimum, _) = minimise(exponential, DVector::zeros(1), 1000);
        assert!(minimum.converged && minimum.value < 1e-6, "{minimum:?}");
    }
}
