//! Pictures that are not stored upright.

use super::Rgbx;

/// How a stored picture is made upright.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Orientation {
    /// Columns become rows.
    swaps: bool,
    /// The first column of the stored picture is the last column, or row, of the upright one.
    flips_x: bool,
    /// The same of the first row.
    flips_y: bool,
}

/// Rows of the upright picture that are made at once where columns become rows: as many as pixels fill a line of the
/// cache.
const ROWS: usize = 16;

impl Orientation {
    /// That of the picture's first row being its first row, and its first column its first column.
    pub(super) const UPRIGHT: Self = Self { swaps: false, flips_x: false, flips_y: false };

    /// The orientation with a number in TIFF 6.0 and Exif; upright of numbers that have none.
    pub(super) fn of(number: u32) -> Self {
        let (swaps, flips_x, flips_y) = match number {
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, false, true),
            7 => (true, true, true),
            8 => (true, true, false),
            _ => return Self::UPRIGHT,
        };
        Self { swaps, flips_x, flips_y }
    }

    /// Width and height of the upright picture.
    pub(super) fn size(self, (width, height): (usize, usize)) -> (usize, usize) {
        if self.swaps { (height, width) } else { (width, height) }
    }

    /// Emits the rows of the upright picture, one after the other.
    pub(super) fn turn(self, stored: &mut [Rgbx], (width, height): (usize, usize), mut emit: impl FnMut(&[Rgbx])) {
        let column = |x: usize| if self.flips_x { width - 1 - x } else { x };
        let row = |y: usize| if self.flips_y { height - 1 - y } else { y };
        if !self.swaps {
            for y in 0..height {
                let row = &mut stored[row(y) * width..][..width];
                if self.flips_x {
                    row.reverse();
                }
                emit(row);
            }
            return;
        }
        let mut rows = vec![Rgbx::default(); ROWS.min(width) * height];
        for first in (0..width).step_by(ROWS) {
            let count = ROWS.min(width - first);
            for x in 0..height {
                let stored = &stored[row(x) * width..][..width];
                (0..count).for_each(|y| rows[y * height + x] = stored[column(first + y)]);
            }
            rows.chunks_exact(height).take(count).for_each(&mut emit);
        }
    }
}
