//! BMP, as Pillow's `BmpImagePlugin` reads it: headers of Windows and OS/2, palettes, masks and run lengths.

mod header;
mod run_lengths;

use super::canvas::Canvas;
use super::expand::{Alpha, Expansion};
use super::{Limits, Reject};
use header::{Header, Packing, Palette};

pub(super) const MAGIC: &[u8] = b"BM";

/// Pushes the rows of a BMP.
pub(super) fn decode(bytes: &[u8], limits: &Limits, canvas: &mut Canvas) -> Result<(), Reject> {
    let header = Header::of(bytes)?;
    limits.check_picture(header.width, header.height)?;
    let samples = bytes.get(header.pixels_at..).unwrap_or_default();
    match header.packing {
        Packing::RunLengths(depth) => {
            let size = (header.width as usize, header.height as usize);
            let unpacked = run_lengths::unpack(samples, header.pixels_at, depth, size)?;
            push(&header, &run_length_colours(&header)?, &unpacked, size.0, canvas)
        }
        Packing::Plain | Packing::Masks(_) => {
            let Layout { expansion, bits } = Layout::of(&header)?;
            let row_length = (header.width as usize * bits).div_ceil(8);
            if row_length > header.stride() {
                return Err(Reject::corrupt(format!("a gray palette for pixels of {} bits", header.bits)));
            }
            push(&header, &expansion, samples, row_length, canvas)
        }
    }
}

/// Pushes the rows, the last of which may lack its padding.
fn push(
    header: &Header,
    expansion: &Expansion,
    samples: &[u8],
    row_length: usize,
    canvas: &mut Canvas,
) -> Result<(), Reject> {
    let stride = match header.packing {
        Packing::RunLengths(_) => row_length,
        Packing::Plain | Packing::Masks(_) => header.stride(),
    };
    let (width, height) = (header.width as usize, header.height as usize);
    if samples.len() < stride * (height - 1) + row_length {
        return Err(Reject::ends_early());
    }
    canvas.start((width, height));
    for row in 0..height {
        let row = if header.is_top_down { row } else { height - 1 - row };
        canvas.push(expansion, &samples[row * stride..][..row_length]);
    }
    Ok(())
}

/// What the bytes of a row mean.
struct Layout {
    expansion: Expansion,
    bits: usize,
}

impl Layout {
    fn of(header: &Header) -> Result<Self, Reject> {
        let bits = usize::from(header.bits);
        let layout = |expansion| Self { expansion, bits };
        Ok(match (header.bits, &header.packing) {
            (1 | 4 | 8, Packing::Plain) => return Self::of_palette(header),
            (16, Packing::Plain) => layout(Expansion::packed(5)),
            (24, Packing::Plain) => layout(Expansion::bytes(3, [2, 1, 0])),
            (32, Packing::Plain) => layout(Expansion::bytes(4, [2, 1, 0])),
            (_, Packing::Masks(masks)) => layout(of_masks(bits, *masks)?),
            (bits, _) => return Err(Reject::unsupported(format!("a BMP with {bits} bits per pixel"))),
        })
    }

    /// A palette that is the ramp of grays is ignored, and with it the number of bits.
    fn of_palette(header: &Header) -> Result<Self, Reject> {
        let bits = match header.palette.shades() {
            Some(shades) if shades <= 2 => 1,
            Some(_) => 8,
            None => usize::from(header.bits),
        };
        Ok(Self { expansion: colours(&header.palette, bits)?, bits })
    }
}

/// The masks of red, green, blue and alpha that Pillow knows.
fn of_masks(bits: usize, masks: [u32; 4]) -> Result<Expansion, Reject> {
    let [red, green, blue, _] = masks;
    let opaque = |channels| Expansion::bytes(bits / 8, channels);
    let with_alpha = |channels, alpha: usize| opaque(channels).with_alpha(Alpha::Bytes(alpha..alpha + 1));
    Ok(match (bits, masks) {
        (32, [0xFF_0000, 0xFF00, 0xFF, 0]) => opaque([2, 1, 0]),
        (32, [0xFF00_0000, 0xFF_0000, 0xFF00, 0]) => opaque([3, 2, 1]),
        (32, [0xFF00_0000, 0xFF00, 0xFF, 0]) => opaque([3, 1, 0]),
        (32, [0xFF00_0000, 0xFF_0000, 0xFF00, 0xFF]) => with_alpha([3, 2, 1], 0),
        (32, [0xFF, 0xFF00, 0xFF_0000, 0xFF00_0000]) => with_alpha([0, 1, 2], 3),
        (32, [0xFF_0000, 0xFF00, 0xFF, 0xFF00_0000] | [0, 0, 0, 0]) => with_alpha([2, 1, 0], 3),
        (32, [0xFF00_0000, 0xFF00, 0xFF, 0xFF_0000]) => with_alpha([3, 1, 0], 2),
        (24, [0xFF_0000, 0xFF00, 0xFF, _]) => opaque([2, 1, 0]),
        (16, [0xF800, 0x7E0, 0x1F, _]) => Expansion::packed(6),
        (16, [0x7C00, 0x3E0, 0x1F, _]) => Expansion::packed(5),
        _ => {
            let masks = format!("masks {red:#x}, {green:#x} and {blue:#x}");
            return Err(Reject::unsupported(format!("a BMP of {bits} bits with {masks}")));
        }
    })
}

/// What the bytes that run lengths are unpacked to mean.
fn run_length_colours(header: &Header) -> Result<Expansion, Reject> {
    match header.palette.shades() {
        _ if !matches!(header.bits, 1 | 4 | 8) => {
            Err(Reject::unsupported(format!("a BMP of run lengths with {} bits per pixel", header.bits)))
        }
        // All that is not black is white.
        Some(shades) if shades <= 2 => Ok(Expansion::palette(
            8,
            [[0; 3]].into_iter().chain([[255; 3]; 255]).flatten().collect::<Vec<u8>>().as_slice(),
        )),
        _ => colours(&header.palette, 8),
    }
}

fn colours(palette: &Palette, bits: usize) -> Result<Expansion, Reject> {
    if palette.shades().is_some() {
        return Ok(Expansion::shades(bits));
    }
    let colours: Vec<u8> =
        palette.entries.chunks_exact(palette.entry_length).flat_map(|entry| [entry[2], entry[1], entry[0]]).collect();
    if colours.len() > 3 * 256 {
        return Err(Reject::unsupported(format!("a BMP with {} colours", palette.count)));
    }
    Ok(Expansion::palette(bits, &colours))
}
