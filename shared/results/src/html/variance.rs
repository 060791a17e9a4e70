//! The scree plot and the plot of cumulative variance.

use std::fmt::Write;

use pomona_formats::model_info::ModelInfo;

use super::axis::Axis;
use super::text::{count, percent};

/// Room above the largest share.
const HEADROOM: f64 = 1.05;

/// How many numbers stand beside a plot, about.
const TICKS: f64 = 5.0;

/// The section about variance.
pub(super) fn section(info: &ModelInfo) -> String {
    if info.total_variance <= 0.0 || info.variance_by_component.is_empty() {
        return "<p>There is none to explain.</p>\n".to_owned();
    }
    format!("<div class=\"pair\">\n{}{}</div>\n", scree(info), cumulative(info))
}

fn scree(info: &ModelInfo) -> String {
    let shares = &info.variance_by_component;
    let largest = shares.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let height = Axis::new(0.0, 100.0 * largest * HEADROOM);
    let mut columns = String::new();
    for (component, &share) in shares.iter().enumerate() {
        let top = 100.0 - height.at(100.0 * share);
        let place = Place::new(component, shares.len());
        let bar = format!(
            "<rect class=\"bar\" x=\"{:.2}%\" y=\"{top:.2}%\" width=\"{:.2}%\" height=\"{:.2}%\"/>",
            place.left + 0.1 * place.width,
            0.8 * place.width,
            100.0 - top
        );
        columns += &place.column(&format!("Component {}: {}", count(component as u64 + 1), percent(share)), &bar);
    }
    let caption = format!("Scree plot: the first component explains {} of the variance.", percent(shares[0]));
    figure("Variance explained by each component", &caption, height, shares.len(), &columns)
}

fn cumulative(info: &ModelInfo) -> String {
    let sums = &info.cumulative_variance;
    let height = Axis::new(0.0, 100.0);
    let top = |sum: f64| 100.0 - height.at(100.0 * sum);
    let places: Vec<(Place, f64)> =
        sums.iter().enumerate().map(|(component, &sum)| (Place::new(component, sums.len()), top(sum))).collect();
    let mut marks = String::new();
    for pair in places.windows(2) {
        let ((from, y1), (to, y2)) = (&pair[0], &pair[1]);
        let (x1, x2) = (from.middle(), to.middle());
        let _ =
            writeln!(marks, "<line class=\"curve\" x1=\"{x1:.2}%\" y1=\"{y1:.2}%\" x2=\"{x2:.2}%\" y2=\"{y2:.2}%\"/>");
    }
    for (components, ((place, top), &sum)) in (1..).zip(places.iter().zip(sums)) {
        let dot = format!("<circle class=\"dot\" cx=\"{:.2}%\" cy=\"{top:.2}%\" r=\"2.5\"/>", place.middle());
        let components = if components == 1 {
            "First component".to_owned()
        } else {
            format!("First {} components", count(components))
        };
        marks += &place.column(&format!("{components}: {}", percent(sum)), &dot);
    }
    let caption = format!("All components together explain {}.", percent(info.total_variance_explained));
    figure("Cumulative variance", &caption, height, sums.len(), &marks)
}

/// The strip of a plot that belongs to a component, in per cent of the plot's width.
struct Place {
    left: f64,
    width: f64,
}

impl Place {
    fn new(component: usize, components: usize) -> Self {
        let width = 100.0 / components as f64;
        Self { left: component as f64 * width, width }
    }

    fn middle(&self) -> f64 {
        self.left + self.width / 2.0
    }

    /// A mark that shows `title` wherever the pointer is in its strip.
    fn column(&self, title: &str, mark: &str) -> String {
        let Self { left, width } = self;
        let strip = format!("<rect class=\"strip\" x=\"{left:.2}%\" y=\"0\" width=\"{width:.2}%\" height=\"100%\"/>");
        format!("<g class=\"column\"><title>{title}</title>{strip}{mark}</g>\n")
    }
}

fn figure(title: &str, caption: &str, height: Axis, components: usize, marks: &str) -> String {
    let mut grid = String::new();
    for tick in height.ticks(TICKS) {
        let (y, text) = (100.0 - tick.at, tick.text);
        let _ = writeln!(grid, "<line class=\"grid\" x1=\"0\" x2=\"100%\" y1=\"{y:.2}%\" y2=\"{y:.2}%\"/>");
        let _ = writeln!(grid, "<text class=\"beside\" x=\"0\" y=\"{y:.2}%\" dx=\"-8\" dy=\"4\">{text}\u{a0}%</text>");
    }
    for tick in component_ticks(components) {
        let x = Place::new(tick - 1, components).middle();
        let _ =
            writeln!(grid, "<text class=\"below\" x=\"{x:.2}%\" y=\"100%\" dy=\"18\">{}</text>", count(tick as u64));
    }
    format!(
        "<figure>
<figcaption><strong>{title}</strong> {caption}</figcaption>
<div class=\"frame\"><svg class=\"plot\" role=\"img\" aria-label=\"{title}. {caption}\">
{grid}{marks}<text class=\"below\" x=\"50%\" y=\"100%\" dy=\"38\">component</text>
</svg></div>
</figure>
"
    )
}

/// The components that are numbered below a plot: 1 alone, or multiples of a round number.
fn component_ticks(components: usize) -> Vec<usize> {
    let ticks = Axis::new(0.0, components as f64).ticks(TICKS);
    let mut numbers: Vec<usize> =
        ticks.iter().map(|tick| tick.value.round() as usize).filter(|&number| number > 0).collect();
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_numbered_at_round_numbers() {
        assert_eq!(component_ticks(1), [1]);
        assert_eq!(component_ticks(3), [1, 2, 3]);
        assert_eq!(component_ticks(50), [10, 20, 30, 40, 50]);
        assert_eq!(component_ticks(1_280), [500, 1_000]);
    }
}
