//! Strips and tiles: where they lie, and what is in them.

use super::directory::{Directory, tag};
use super::layout::{Compression, Layout};
use super::picture::Picture;
use super::unpack;
use crate::pixels::{Limits, Reject, jpeg};

/// Reads all pixels.
pub(super) fn read(bytes: &[u8], directory: &Directory, limits: &Limits, picture: &mut Picture) -> Result<(), Reject> {
    let layout = picture.layout;
    let grid = Grid::of(directory, layout)?;
    // Tiles that reach far out of the picture are work, too.
    let [width, height] = [grid.columns * grid.width, grid.rows * grid.height];
    limits.check_picture(width.try_into().unwrap_or(u32::MAX), height.try_into().unwrap_or(u32::MAX))?;
    if layout.compression == Compression::None {
        read_plain(bytes, directory, &grid, picture)?;
    } else {
        Packed::of(bytes, directory, layout, &grid)?.read(picture)?;
    }
    if layout.is_premultiplied() {
        picture.unmultiply();
    }
    Ok(())
}

const MOST_SMALL_TILES: usize = 1 << 16;

/// How many times over the bytes of a file may be strips or tiles: none of them are to lie in the same place, but some
/// do.
const MOST_OVERLAPS: usize = 16;

/// How the picture is divided.
struct Grid {
    is_tiled: bool,
    /// Width and height of a strip or a tile.
    width: usize,
    height: usize,
    columns: usize,
    rows: usize,
    /// Whether the one strip or tile is as high as the picture in so many words.
    is_one: bool,
}

impl Grid {
    fn of(directory: &Directory, layout: &Layout) -> Result<Self, Reject> {
        let is_tiled = if layout.compression == Compression::None {
            !directory.has(tag::STRIP_OFFSETS)
        } else {
            directory.has(tag::TILE_WIDTH)
        };
        let (width, height) = if is_tiled {
            (directory.required(tag::TILE_WIDTH)? as usize, directory.required(tag::TILE_HEIGHT)? as usize)
        } else {
            let rows = directory.number(tag::ROWS_PER_STRIP)?.map_or(layout.height, |rows| rows as usize);
            (layout.width, rows)
        };
        if width == 0 || height == 0 {
            return Err(Reject::corrupt(format!("strips or tiles of {width} x {height} pixels")));
        }
        let is_one = (width, height) == (layout.width, layout.height);
        // A strip that says it is higher than the picture is as high.
        let height = if is_tiled { height } else { height.min(layout.height) };
        let (columns, rows) = (layout.width.div_ceil(width), layout.height.div_ceil(height));
        // Each takes its time, however small it is. By the format's rules tiles are of 16 x 16 pixels at least.
        if is_tiled && width * height < 16 * 16 && columns * rows > MOST_SMALL_TILES {
            return Err(Reject::corrupt(format!("{columns} x {rows} tiles of {width} x {height} pixels")));
        }
        Ok(Self { is_tiled, width, height, columns, rows, is_one })
    }

    fn count(&self) -> usize {
        self.columns * self.rows
    }

    /// Left and top of a strip or a tile, and how much of it is within the picture.
    fn place(&self, index: usize, layout: &Layout) -> ((usize, usize), (usize, usize)) {
        let (x, y) = (index % self.columns * self.width, index / self.columns * self.height);
        ((x, y), (self.width.min(layout.width - x), self.height.min(layout.height - y)))
    }
}

/// Reads what is not compressed, in Pillow's own way: from the offsets on, as far as it takes, whatever lengths are
/// stated. What has no offset stays black; of more offsets than there are places the highest counts.
fn read_plain(bytes: &[u8], directory: &Directory, grid: &Grid, picture: &mut Picture) -> Result<(), Reject> {
    let layout = picture.layout;
    let mut offsets = directory.numbers(if grid.is_tiled { tag::TILE_OFFSETS } else { tag::STRIP_OFFSETS })?;
    if offsets.is_empty() {
        return Err(Reject::corrupt("a TIFF without strips or tiles"));
    }
    if grid.is_one && !layout.is_planar {
        offsets.drain(..offsets.len() - 1);
    }
    let count = layout.planes() * grid.count();
    if layout.is_planar && offsets.len() > count {
        return Err(Reject::corrupt("more planes than samples"));
    }
    let mut places = vec![0; count.min(offsets.len())];
    for (index, offset) in offsets.into_iter().enumerate() {
        let place = &mut places[index % count];
        *place = (*place).max(offset as usize);
    }
    for (index, offset) in places.into_iter().enumerate() {
        let (plane, index) = (index / grid.count(), index % grid.count());
        let ((x, y), (width, height)) = grid.place(index, layout);
        let row_length = layout.row_length(width);
        let stride = if width < grid.width { layout.stride(grid.width) } else { row_length };
        if stride < row_length {
            return Err(Reject::corrupt("tiles whose rows are no whole bytes"));
        }
        let length = stride * (height - 1) + row_length;
        let data = bytes.get(offset..).and_then(|rest| rest.get(..length)).ok_or_else(Reject::ends_early)?;
        for (row, data) in data.chunks(stride).enumerate() {
            picture.store(&data[..row_length], (x, y + row), width, plane);
        }
    }
    Ok(())
}

/// Strips or tiles that are compressed, which libtiff reads.
struct Packed<'bytes> {
    bytes: &'bytes [u8],
    grid: &'bytes Grid,
    offsets: Vec<u32>,
    lengths: Vec<u32>,
    is_predicted: bool,
    jpeg_tables: &'bytes [u8],
    /// Horizontal and vertical, of a JPEG's first component.
    sampling: Option<[u32; 2]>,
}

impl<'bytes> Packed<'bytes> {
    fn of(
        bytes: &'bytes [u8],
        directory: &Directory<'bytes>,
        layout: &Layout,
        grid: &'bytes Grid,
    ) -> Result<Self, Reject> {
        // Pillow reads as many tags as there are, libtiff all or none.
        if !directory.is_whole() {
            return Err(Reject::truncated("the file ends in the directory"));
        }
        let either = |tile, strip| Ok::<_, Reject>([directory.numbers(tile)?, directory.numbers(strip)?].concat());
        let has_predictor = matches!(layout.compression, Compression::Lzw | Compression::Deflate);
        let is_predicted = match directory.number(tag::PREDICTOR)?.unwrap_or(1) {
            _ if !has_predictor => false,
            1 => false,
            2 if layout.bits >= 8 => true,
            other => {
                let bits = layout.bits;
                return Err(Reject::unsupported(format!("a TIFF with predictor {other} of {bits} bits per sample")));
            }
        };
        let sampling = directory.numbers(tag::YCBCR_SUBSAMPLING)?;
        let lengths = either(tag::TILE_LENGTHS, tag::STRIP_LENGTHS)?;
        let whole: usize = lengths.iter().map(|length| *length as usize).filter(|length| *length <= bytes.len()).sum();
        if whole > MOST_OVERLAPS * bytes.len() {
            return Err(Reject::corrupt("strips or tiles that lie in the same place"));
        }
        Ok(Self {
            bytes,
            grid,
            offsets: either(tag::TILE_OFFSETS, tag::STRIP_OFFSETS)?,
            lengths,
            is_predicted,
            jpeg_tables: directory.bytes(tag::JPEG_TABLES),
            sampling: sampling.first_chunk().copied(),
        })
    }

    fn read(&self, picture: &mut Picture) -> Result<(), Reject> {
        let layout = picture.layout;
        for plane in 0..layout.planes() {
            for index in 0..self.grid.count() {
                let data = self.data(plane * self.grid.count() + index)?;
                let ((x, y), (width, height)) = self.grid.place(index, layout);
                // A tile is stored whole, a strip as far as the picture goes.
                let rows = if self.grid.is_tiled { self.grid.height } else { height };
                let unpacked = self.unpack(data, layout, rows, y + height == layout.height)?;
                let row_length = layout.row_length(self.grid.width);
                for (row, stored) in unpacked.chunks_exact(row_length).take(height).enumerate() {
                    picture.store(stored, (x, y + row), width, plane);
                }
            }
        }
        Ok(())
    }

    fn data(&self, index: usize) -> Result<&'bytes [u8], Reject> {
        let missing = || Reject::corrupt("fewer strips or tiles than the picture has");
        let offset = *self.offsets.get(index).ok_or_else(missing)? as usize;
        let rest = self.bytes.get(offset..).ok_or_else(Reject::ends_early)?;
        match self.lengths.get(index) {
            Some(0) => Err(missing()),
            Some(length) => rest.get(..*length as usize).ok_or_else(Reject::ends_early),
            // One strip goes as far as it takes.
            None if self.lengths.is_empty() && self.offsets.len() == 1 => Ok(rest),
            None => Err(Reject::corrupt("a compressed TIFF without the lengths of all strips or tiles")),
        }
    }

    /// The bytes of `rows` rows; a JPEG may have more in the picture's last strip.
    fn unpack(&self, data: &[u8], layout: &Layout, rows: usize, is_last: bool) -> Result<Vec<u8>, Reject> {
        let row_length = layout.row_length(self.grid.width);
        let length = row_length * rows;
        let mut unpacked = match layout.compression {
            Compression::Lzw => unpack::lzw(data, length)?,
            Compression::Deflate => unpack::deflate(data, length)?,
            Compression::PackBits | Compression::None => unpack::pack_bits(data, length)?,
            Compression::Jpeg => {
                let most_rows = if is_last && !self.grid.is_tiled { u16::MAX.into() } else { rows };
                let expected = jpeg::Piece {
                    width: self.grid.width,
                    rows: rows..=most_rows,
                    components: layout.samples_in_a_row(),
                    is_ycbcr: layout.is_ycbcr(),
                    sampling: self.sampling,
                };
                jpeg::unpack_piece(self.jpeg_tables, data, &expected)?
            }
        };
        if self.is_predicted {
            unpack::add_up(&mut unpacked, row_length, layout.samples_in_a_row(), layout.bits, layout.is_big_endian);
        }
        Ok(unpacked)
    }
}
