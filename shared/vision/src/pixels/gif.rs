//! GIF: the first frame, in its palette's colours; Pillow's `convert("RGB")` shows transparent pixels in theirs, too.

use std::io::{Cursor, ErrorKind};

use ::gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use super::expand::Expansion;
use super::resize::Resizer;
use super::{Limits, Reject, Rgbx};

pub(super) const MAGICS: [&[u8]; 2] = [b"GIF87a", b"GIF89a"];

/// Unpacks a GIF's first frame, then pushes its rows into the resizer.
pub(super) fn decode(bytes: &[u8], limits: &Limits, line: &mut Vec<Rgbx>, resizer: &mut Resizer) -> Result<(), Reject> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.set_memory_limit(MemoryLimit::Unlimited); // the picture's size is what is limited
    let mut decoder = options.read_info(Cursor::new(bytes)).map_err(reject)?;
    let (width, height) = (decoder.width(), decoder.height());
    limits.check_picture(width.into(), height.into())?;

    let frame = decoder.next_frame_info().map_err(reject)?.ok_or_else(|| Reject::corrupt("no frame"))?;
    if (frame.left, frame.top, frame.width, frame.height) != (0, 0, width, height) {
        return Err(Reject::unsupported("a GIF whose first frame is not the whole picture"));
    }
    let expansion = Expansion::palette(8, decoder.palette().map_err(reject)?);
    let (width, height) = (usize::from(width), usize::from(height));
    let mut picture = vec![0; width * height];
    decoder.read_into_buffer(&mut picture).map_err(reject)?;
    expansion.push_picture(&picture, (width, height), line, resizer);
    Ok(())
}

fn reject(error: DecodingError) -> Reject {
    match error {
        DecodingError::UnexpectedEof => Reject::ends_early(),
        DecodingError::Io(error) if error.kind() == ErrorKind::UnexpectedEof => Reject::ends_early(),
        error => Reject::corrupt(error.to_string()),
    }
}
