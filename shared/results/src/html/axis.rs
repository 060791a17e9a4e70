//! Where numbers lie along the side of a plot, in per cent of its length.

/// The numbers that a side of a plot spans.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// A place on an axis that carries a number.
#[derive(Debug, PartialEq)]
pub(super) struct Tick {
    /// Per cent of the axis from its low end.
    pub(super) at: f64,
    /// The number.
    pub(super) value: f64,
    /// The number as text.
    pub(super) text: String,
}

impl Axis {
    /// From `low` to `high`; around a single number, one unit.
    pub(super) fn new(low: f64, high: f64) -> Self {
        if high > low { Self { low, high } } else { Self { low: low - 0.5, high: low + 0.5 } }
    }

    pub(super) fn span(self) -> f64 {
        self.high - self.low
    }

    pub(super) fn middle(self) -> f64 {
        self.low + self.span() / 2.0
    }

    /// The same middle with another span.
    pub(super) fn with_span(self, span: f64) -> Self {
        Self { low: self.middle() - span / 2.0, high: self.middle() + span / 2.0 }
    }

    /// Per cent of the axis from its low end.
    pub(super) fn at(self, value: f64) -> f64 {
        100.0 * (value - self.low) / self.span()
    }

    /// The multiples of a round number on the axis, about `wanted` of them.
    pub(super) fn ticks(self, wanted: f64) -> Vec<Tick> {
        let step = round_step(self.span() / wanted);
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        let tick = |index: i64| {
            let value = index as f64 * step;
            Tick { at: self.at(value), value, text: text(value, step) }
        };
        (first..=last).map(tick).collect()
    }
}

/// A multiple of `step` with the decimals that tell it from its neighbours.
fn text(value: f64, step: f64) -> String {
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let digits = match value {
        0.0 => "0".to_owned(),
        _ if (1e-4..1e6).contains(&step) => format!("{value:.decimals$}"),
        _ => format!("{value:.0e}"),
    };
    digits.replace('-', "\u{2212}")
}

/// The smallest 1, 2 or 5 times a power of ten that is no smaller than `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least);
    power * factor.unwrap_or(10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(low: f64, high: f64) -> Vec<String> {
        Axis::new(low, high).ticks(5.0).into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn ticks_are_round_numbers_within_the_axis() {
        assert_eq!(texts(0.0, 23.4), ["0", "5", "10", "15", "20"]);
        assert_eq!(texts(-31.0, 42.0), ["−20", "0", "20", "40"]);
        assert_eq!(texts(0.01, 0.052), ["0.01", "0.02", "0.03", "0.04", "0.05"]);
        assert_eq!(texts(7.0, 7.0), ["6.6", "6.8", "7.0", "7.2", "7.4"]);
        assert_eq!(texts(0.0, 5e-13), ["0", "1e−13", "2e−13", "3e−13", "4e−13", "5e−13"]);
        assert_eq!(texts(-3e38, 3e38), ["−2e38", "0", "2e38"]);
    }

    #[test]
    fn places_are_shares_of_the_axis() {
        let axis = Axis::new(-10.0, 30.0);
        assert_eq!([-10.0, 0.0, 30.0].map(|value| axis.at(value)), [0.0, 25.0, 100.0]);
        assert_eq!(axis.with_span(20.0).at(10.0), 50.0);
    }
}
