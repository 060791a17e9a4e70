//! The first two components of a sample of the images, coloured by class.
//!
//! A choice of one class needs no script: a rule of style per class fades the points of all others.

use std::fmt::Write;

use pomona_formats::class_table::ClassCount;
use pomona_formats::counters::Point;
use pomona_formats::model_info::ModelInfo;

use super::axis::Axis;
use super::classes::CLASSES_SHOWN;
use super::text::{count, counted, escape, label, percent};

/// Classes with a colour of their own in style.css; the others are grey.
const COLOURS: usize = 8;

/// The least and the greatest width of the plot, relative to its height.
const ASPECTS: (f64, f64) = (1.25, 1.8);

/// Room around the outermost points.
const MARGIN: f64 = 1.08;

/// With more points than these, each is smaller.
const DENSE: usize = 1_000;

/// How many numbers stand beside the plot, about.
const TICKS: f64 = 6.0;

/// The section with the scatter plot.
pub(super) fn section(info: &ModelInfo, classes: &[ClassCount], points: &[Point]) -> String {
    if points.is_empty() || info.total_variance <= 0.0 {
        return "<p>The features of all images are the same: nothing tells one from another.</p>\n".to_owned();
    }
    let frame = Frame::around(points, info.pca_components > 1);
    let caption = caption(info, points.len() as u64);
    let kind = if points.len() > DENSE { "plot dense" } else { "plot" };
    format!(
        "<figure class=\"scatter\">
<figcaption>{caption}</figcaption>
{}<div class=\"frame\"><svg class=\"{kind}\" role=\"img\" aria-label=\"Scatter plot. {caption}\" style=\"aspect-ratio:{:.3}\">
{}{}{}</svg></div>
</figure>
",
        choice(info, classes),
        frame.aspect,
        frame.grid(),
        frame.points(points),
        axis_titles(info)
    )
}

fn caption(info: &ModelInfo, shown: u64) -> String {
    let images = match info.num_images_processed {
        all if all == shown => format!("All {}", counted(shown, "image", "images")),
        all => format!("A random sample of {} of {}", count(shown), counted(all, "image", "images")),
    };
    let colours = if info.num_classes > COLOURS as u64 {
        format!(" The first {COLOURS} classes have colours, the others are grey.")
    } else {
        String::new()
    };
    let height = if info.pca_components > 1 { "" } else { " There is one component only: the height has no meaning." };
    format!("{images}: hover over a point for its path and label.{colours}{height}")
}

/// Buttons that fade all classes but one, and the legend.
fn choice(info: &ModelInfo, classes: &[ClassCount]) -> String {
    if classes.len() < 2 {
        return String::new();
    }
    let others = info.num_classes.saturating_sub(classes.len() as u64);
    let listed = classes.iter().map(|class| (class.class_id, label(&class.class)));
    let rest = (others > 0).then(|| (i32::MAX, counted(others, "other", "others")));
    let mut buttons = button("all", "all classes", true);
    let mut rules = String::new();
    for (class_id, text) in listed.chain(rest) {
        let name = class_name(class_id);
        buttons += &button(&name, &format!("<span class=\"key {name}\"></span>{text}"), false);
        rules += &rule(&name, has_colour(class_id));
    }
    format!("<style>\n{rules}</style>\n<fieldset><legend>Show</legend>\n{buttons}</fieldset>\n")
}

fn button(name: &str, text: &str, checked: bool) -> String {
    let checked = if checked { " checked=\"checked\"" } else { "" };
    format!("<label><input type=\"radio\" name=\"class\" id=\"only-{name}\"{checked}/>{text}</label>\n")
}

fn rule(name: &str, has_colour: bool) -> String {
    let chosen = format!(".scatter:has(#only-{name}:checked) circle");
    let mut rule = format!("{chosen}:not(.{name}) {{ opacity: 0.07; pointer-events: none; }}\n");
    if !has_colour {
        let _ = writeln!(rule, "{chosen}.{name} {{ --colour: var(--accent); }}");
    }
    rule
}

/// The name of a class in the page's style: a number for those that have buttons, another for all others.
fn class_name(class_id: i32) -> String {
    match usize::try_from(class_id) {
        Ok(class_id) if class_id < CLASSES_SHOWN => format!("c{class_id}"),
        _ => "others".to_owned(),
    }
}

fn has_colour(class_id: i32) -> bool {
    usize::try_from(class_id).is_ok_and(|class_id| class_id < COLOURS)
}

fn axis_titles(info: &ModelInfo) -> String {
    let title = |component: usize| {
        let share = info.variance_by_component.get(component).copied().unwrap_or(0.0);
        format!("component {} ({} of variance)", component + 1, percent(share))
    };
    let mut titles = format!("<text class=\"below\" x=\"50%\" y=\"100%\" dy=\"38\">{}</text>\n", title(0));
    if info.pca_components > 1 {
        let _ = writeln!(titles, "<text class=\"upright\" x=\"0\" y=\"50%\">{}</text>", title(1));
    }
    titles
}

/// The part of the plane that is shown. A unit is as long upwards as sideways.
struct Frame {
    x: Axis,
    y: Axis,
    aspect: f64,
    two_dimensional: bool,
}

impl Frame {
    fn around(points: &[Point], two_dimensional: bool) -> Self {
        let x = extent(points.iter().map(|point| f64::from(point.x)));
        if !two_dimensional {
            let y = Axis::new(0.0, points.len() as f64);
            return Self {
                x: x.with_span(x.span() * MARGIN),
                y: y.with_span(y.span() * MARGIN),
                aspect: ASPECTS.1,
                two_dimensional,
            };
        }
        let y = extent(points.iter().map(|point| f64::from(point.y)));
        let aspect = (x.span() / y.span()).clamp(ASPECTS.0, ASPECTS.1);
        let height = y.span().max(x.span() / aspect) * MARGIN;
        Self { x: x.with_span(height * aspect), y: y.with_span(height), aspect, two_dimensional }
    }

    fn grid(&self) -> String {
        let mut grid = String::new();
        for tick in self.x.ticks(TICKS) {
            let (x, text, kind) = (tick.at, tick.text, grid_line(tick.value));
            let _ = writeln!(grid, "<line class=\"{kind}\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"100%\"/>");
            let _ = writeln!(grid, "<text class=\"below\" x=\"{x:.2}%\" y=\"100%\" dy=\"18\">{text}</text>");
        }
        let ticks = if self.two_dimensional { self.y.ticks(TICKS / self.aspect) } else { Vec::new() };
        for tick in ticks {
            let (y, text, kind) = (100.0 - tick.at, tick.text, grid_line(tick.value));
            let _ = writeln!(grid, "<line class=\"{kind}\" x1=\"0\" x2=\"100%\" y1=\"{y:.2}%\" y2=\"{y:.2}%\"/>");
            let _ = writeln!(grid, "<text class=\"beside\" x=\"0\" y=\"{y:.2}%\" dx=\"-8\" dy=\"4\">{text}</text>");
        }
        grid
    }

    /// Grey points first, so that they hide none with a colour; within both, in the order of the sample, which is
    /// random.
    fn points(&self, points: &[Point]) -> String {
        let (coloured, grey): (Vec<_>, Vec<_>) =
            points.iter().enumerate().partition(|(_, point)| has_colour(point.class_id));
        let mut circles = String::new();
        for (index, point) in grey.into_iter().chain(coloured) {
            let height = if self.two_dimensional { f64::from(point.y) } else { index as f64 };
            let (x, y) = (self.x.at(f64::from(point.x)), 100.0 - self.y.at(height));
            let (class, title) = (class_name(point.class_id), title(point));
            let _ = writeln!(
                circles,
                "<circle class=\"{class}\" cx=\"{x:.2}%\" cy=\"{y:.2}%\" r=\"3.5\"><title>{title}</title></circle>"
            );
        }
        circles
    }
}

fn extent(values: impl Iterator<Item = f64> + Clone) -> Axis {
    Axis::new(values.clone().fold(f64::INFINITY, f64::min), values.fold(f64::NEG_INFINITY, f64::max))
}

fn grid_line(value: f64) -> &'static str {
    if value == 0.0 { "grid zero" } else { "grid" }
}

fn title(Point { path, label, .. }: &Point) -> String {
    match label.as_str() {
        "" => escape(path),
        label => format!("{}\n{}", escape(label), escape(path)),
    }
}
