//! How far to go along a direction: bracketing for the weak Wolfe conditions (Lewis and Overton 2013, "Nonsmooth
//! optimization via quasi-Newton methods", algorithm 2.6).
//!
//! An evaluation is a pass over all data, so few of them count. The strong conditions, which also bound the slope from
//! above, would refuse steps that went too far and still gained; L-BFGS needs no more than the weak ones, whose steps
//! always make a pair of positive curvature. A step is asked for by [`LineSearch::step`] and judged by
//! [`LineSearch::judge`] once value and slope are known there.

use crate::Error;
use crate::encoding::{Reader, Writer};

/// Share of the fall that the first slope promises which a step must bring (Nocedal and Wright 2006, section 3.1).
const DECREASE: f64 = 1e-4;

/// Share of the first slope that may be left where a step ends (the same).
const CURVATURE: f64 = 0.9;

/// Values closer than this, relative to themselves, may differ by rounding alone.
const ROUNDING: f64 = 1e-14;

/// A step between two others keeps this share of their distance from both, so that the bracket shrinks.
const MARGIN: f64 = 0.1;

/// Steps that are tried along one direction.
const MOST_STEPS: u64 = 20;

/// A search along one direction.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LineSearch {
    start: Sample,
    /// The value at the start.
    value: f64,
    /// The longest step that fell enough and left too steep a slope: the end lies beyond it.
    lower: Sample,
    /// The shortest step that did not fall enough, if there was one: the end lies before it.
    upper: Option<Sample>,
    step: f64,
    tried: u64,
}

/// A step and the slope behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    step: f64,
    slope: f64,
}

/// What an evaluation says of the step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// Go there.
    Taken,
    /// Try the step of this search.
    Try(LineSearch),
    /// No step is any better: what is left to gain is lost in rounding.
    Lost,
}

impl LineSearch {
    /// A search from where the function has this `value` and falls by `slope`, which begins with `step`.
    pub fn new(value: f64, slope: f64, step: f64) -> Self {
        let start = Sample { step: 0.0, slope };
        Self { start, value, lower: start, upper: None, step, tried: 0 }
    }

    /// The step to evaluate, in multiples of the direction.
    pub fn step(&self) -> f64 {
        self.step
    }

    /// Judges the step by the function's value and slope behind it; NaN counts as not falling.
    pub fn judge(&self, value: f64, slope: f64) -> Verdict {
        let falls = self.falls(value, slope);
        if falls && slope >= CURVATURE * self.start.slope {
            return Verdict::Taken;
        }
        let tried = self.tried + 1;
        if tried == MOST_STEPS {
            return Verdict::Lost;
        }
        let here = Sample { step: self.step, slope };
        let (lower, upper) = if falls { (here, self.upper) } else { (self.lower, Some(here)) };
        let step = upper.map_or(2.0 * self.step, |upper| between(lower, upper));
        Verdict::Try(Self { lower, upper, step, tried, ..self.clone() })
    }

    /// Armijo's condition; where values are too close to tell, the same by slopes (Hager and Zhang 2005, "A new
    /// conjugate gradient method with guaranteed descent and an efficient line search", equation 4.1).
    fn falls(&self, value: f64, slope: f64) -> bool {
        let falls = value <= self.value + DECREASE * self.step * self.start.slope;
        let is_close = value <= self.value + ROUNDING * self.value.abs();
        falls || is_close && slope <= (2.0 * DECREASE - 1.0) * self.start.slope
    }

    /// The search as words.
    pub fn write(&self, words: &mut Writer) {
        let upper = self.upper.unwrap_or(self.start);
        let numbers = [self.value, self.start.slope, self.lower.step, self.lower.slope, upper.step, upper.slope];
        words.numbers(&numbers);
        words.numbers(&[self.step]);
        words.count(self.tried);
    }

    /// The search that [`LineSearch::write`] wrote.
    pub fn read(words: &mut Reader<'_>) -> Result<Self, Error> {
        let (value, start) = (words.number()?, Sample { step: 0.0, slope: words.number()? });
        let lower = Sample { step: words.number()?, slope: words.number()? };
        let upper = Sample { step: words.number()?, slope: words.number()? };
        let (step, tried) = (words.number()?, words.count()?);
        Ok(Self { start, value, lower, upper: (upper.step > 0.0).then_some(upper), step, tried })
    }
}

/// Where the slope is 0 if it grows evenly from `lower` to `upper`, as it nearly does close to the minimum.
fn between(lower: Sample, upper: Sample) -> f64 {
    let share = lower.slope / (lower.slope - upper.slope);
    let share = if share.is_finite() { share.clamp(MARGIN, 1.0 - MARGIN) } else { 0.5 };
    lower.step + share * (upper.step - lower.step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The step that is taken from 0 along `function`, which gives value and slope; and how many were tried.
    fn search(function: impl Fn(f64) -> (f64, f64), first: f64) -> Option<(f64, u64)> {
        let (value, slope) = function(0.0);
        let mut search = LineSearch::new(value, slope, first);
        loop {
            let (value, slope) = function(search.step());
            match search.judge(value, slope) {
                Verdict::Taken => return Some((search.step(), search.tried + 1)),
                Verdict::Try(next) => search = next,
                Verdict::Lost => return None,
            }
        }
    }

    proptest! {
        #[test]
        fn a_step_that_is_taken_falls_and_has_left_the_steep_part(
            minimum in 1e-3_f64..1e3, sharpness in 1e-2_f64..1e2, first in 1e-2_f64..1e2,
        ) {
            // Convex, and straight far from its minimum, as log-loss is.
            let function = |step: f64| {
                let from = sharpness * (step - minimum);
                (from.hypot(1.0), sharpness * from / from.hypot(1.0))
            };
            let (step, _) = search(function, first).unwrap();
            let ((at_start, first_slope), (value, slope)) = (function(0.0), function(step));
            prop_assert!(value < at_start, "{} {}", value, at_start);
            prop_assert!(slope >= CURVATURE * first_slope, "{} {}", slope, first_slope);
        }
    }

    #[test]
    fn a_parabola_takes_two_steps_whatever_the_first_one_was() {
        let parabola = |step: f64| ((step - 3.0).powi(2), 2.0 * (step - 3.0));
        for first in [2.0, 6.1, 20.0] {
            let (step, tried) = search(parabola, first).unwrap();
            assert!(tried <= 2 && (step - 3.0).abs() <= 1.1, "{first}: {step} after {tried}");
        }
    }

    #[test]
    fn what_falls_for_ever_is_followed_as_far_as_its_slope_is_steep() {
        let (step, _) = search(|step| ((-step).exp(), -(-step).exp()), 1e-3).unwrap();
        assert!(step > 0.05, "{step}");
    }

    #[test]
    fn where_nothing_is_lower_or_nothing_is_a_number_the_search_ends() {
        assert_eq!(search(|step| (step, if step == 0.0 { -1.0 } else { 1.0 }), 1.0), None);
        assert_eq!(search(|step| if step == 0.0 { (1.0, -1.0) } else { (f64::NAN, f64::NAN) }, 1.0), None);
    }
}
