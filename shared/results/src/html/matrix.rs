//! The confusion matrix: how many images of each label were predicted to have which.
//!
//! A unit of the picture is a cell, so it fits any width; names stand beside it as text that keeps its size and is
//! cut where there is no room. Only cells with images are drawn. Those beyond the largest [`TITLED`] have no number to
//! hover for, which keeps the page small: there are up to 40,000 cells, and most of so many are an image or two.

use std::collections::BTreeMap;
use std::fmt::Write;

use pomona_formats::classification::{Cell, Outcomes};

use super::text::{count, counted, escape, label};
use crate::classification::{self, LabelCounts};

/// Labels that are drawn.
const DRAWN: usize = 200;

/// Labels whose names can be read beside the rows and columns.
const NAMED: usize = 30;

/// With more labels than these, names beside them need a wide screen.
const NAMED_ON_NARROW_SCREENS: usize = 12;

/// Cells that tell their number.
const TITLED: usize = 3_000;

/// Characters of a label in a cell's title.
const TITLE_LENGTH: usize = 40;

/// Shades of a cell in style.css, by its share of the row.
const SHADES: usize = 10;

/// The picture of these images, which are called `kind`, with what a reader must know of it.
pub(super) fn figure(kind: &str, labels: &[String], outcomes: &Outcomes) -> String {
    let matrix = Matrix::new(labels, outcomes);
    let title = format!("Confusion matrix of the {kind} images");
    let caption = matrix.caption();
    let (size, rows, columns) = (matrix.size(), matrix.names("rows"), matrix.names("columns"));
    format!(
        "<figure>
<figcaption><strong>{title}</strong> {caption}</figcaption>
<div class=\"{}\" style=\"--labels:{size}\">
<div class=\"axis upright-axis\">label</div>
{rows}<svg viewBox=\"0 0 {size} {size}\" role=\"img\" aria-label=\"{title}. {caption}\">
<path class=\"diagonal\" d=\"M0 0L{size} {size}\"/>
{}</svg>
{columns}<div class=\"axis\">predicted</div>
</div>
</figure>
",
        matrix.style(),
        matrix.cells(),
    )
}

/// The labels that are drawn, and the images to draw.
struct Matrix<'a> {
    labels: &'a [String],
    outcomes: &'a Outcomes,
    counts: BTreeMap<u32, LabelCounts>,
    /// The row and column of each label that is drawn.
    places: BTreeMap<u32, usize>,
}

impl<'a> Matrix<'a> {
    fn new(labels: &'a [String], outcomes: &'a Outcomes) -> Self {
        let counts = classification::label_counts(outcomes);
        let mut drawn: Vec<u32> = counts.keys().copied().collect();
        drawn.sort_by_key(|label| std::cmp::Reverse(counts[label].support));
        drawn.truncate(DRAWN);
        drawn.sort_unstable();
        let places = drawn.into_iter().zip(0..).collect();
        Self { labels, outcomes, counts, places }
    }

    fn size(&self) -> usize {
        self.places.len()
    }

    fn caption(&self) -> String {
        const HOW_TO_READ: &str = "A row is a label, a column what its images were predicted to be: the stronger the \
                                   colour, the larger the share of the row. What is right lies on the diagonal, every \
                                   other cell is a mistake; hover over one for its numbers.";
        format!("{HOW_TO_READ}{}", self.not_drawn())
    }

    fn not_drawn(&self) -> String {
        if self.counts.len() == self.size() {
            return String::new();
        }
        let drawn: u64 = self.drawn().map(|(_, cell)| cell.images).sum();
        format!(
            " Of {} the {DRAWN} with the most images are drawn; {} of {} have another label or prediction.",
            counted(self.counts.len() as u64, "label", "labels"),
            count(self.outcomes.images.saturating_sub(drawn)),
            counted(self.outcomes.images, "image", "images"),
        )
    }

    fn style(&self) -> &'static str {
        match self.size() {
            size if size > NAMED => "matrix",
            size if size > NAMED_ON_NARROW_SCREENS => "matrix named many",
            _ => "matrix named",
        }
    }

    /// The names beside the rows or below the columns, where they can be read.
    fn names(&self, of: &str) -> String {
        if self.size() > NAMED {
            return String::new();
        }
        let mut names = String::new();
        for &number in self.places.keys() {
            let _ = writeln!(names, "<span>{}</span>", label(&classification::name(self.labels, number)));
        }
        format!("<div class=\"names {of}\">\n{names}</div>\n")
    }

    /// Cells with images between drawn labels, each with its place: row and column.
    fn drawn(&self) -> impl Iterator<Item = ((usize, usize), &Cell)> {
        let place = |label: u32| self.places.get(&label).copied();
        self.outcomes.cells.iter().filter_map(move |cell| Some(((place(cell.label)?, place(cell.predicted)?), cell)))
    }

    fn cells(&self) -> String {
        let mut cells: Vec<_> = self.drawn().collect();
        cells.sort_by_key(|(_, cell)| std::cmp::Reverse(cell.images));
        let (titled, others) = cells.split_at(cells.len().min(TITLED));
        let mut drawn = self.untitled(others);
        for &((row, column), cell) in titled {
            let (class, title) = (self.class(cell), self.title(cell));
            let _ = writeln!(
                drawn,
                "<rect class=\"{class}\" x=\"{column}\" y=\"{row}\" width=\"1\" height=\"1\">\
                 <title>{title}</title></rect>"
            );
        }
        drawn
    }

    /// All cells of a colour as one path, which takes a tenth of the bytes.
    fn untitled(&self, cells: &[((usize, usize), &Cell)]) -> String {
        let mut outlines: BTreeMap<String, String> = BTreeMap::new();
        for ((row, column), cell) in cells {
            let _ = write!(outlines.entry(self.class(cell)).or_default(), "M{column} {row}h1v1h-1z");
        }
        let path = |(class, outline)| format!("<path class=\"{class}\" d=\"{outline}\"/>\n");
        outlines.iter().map(path).collect()
    }

    fn class(&self, cell: &Cell) -> String {
        let kind = if cell.label == cell.predicted { "right" } else { "wrong" };
        let share = cell.images as f64 / self.support(cell).max(1) as f64;
        format!("{kind} s{}", ((share * SHADES as f64).ceil() as usize).clamp(1, SHADES))
    }

    fn title(&self, cell: &Cell) -> String {
        let (images, all) = (count(cell.images), count(self.support(cell)));
        let name = |number| escape(&shortened(&classification::name(self.labels, number)));
        let (label, were) = (name(cell.label), if cell.images == 1 { "was" } else { "were" });
        if cell.label == cell.predicted {
            return format!("{images} of {all} {label} {were} recognised");
        }
        format!("{images} of {all} {label} {were} taken for {}", name(cell.predicted))
    }

    fn support(&self, cell: &Cell) -> u64 {
        self.counts.get(&cell.label).map_or(0, |counts| counts.support)
    }
}

/// The beginning of a long name.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(TITLE_LENGTH) {
        None => name.to_owned(),
        Some((end, _)) => format!("{}…", &name[..end]),
    }
}
