//! The blocks of a GIF up to its first frame's pixels, as Pillow's `GifImagePlugin` walks them: what it does not know
//! it skips, byte by byte.

use crate::pixels::Reject;
use crate::pixels::canvas::Frame;

/// The first frame, still packed.
pub(super) struct FirstFrame<'bytes> {
    /// Width and height of the picture, which a frame that reaches out of it makes larger.
    pub(super) picture: (u32, u32),
    pub(super) frame: Frame,
    pub(super) colours: Colours<'bytes>,
    /// The index of the colour that is transparent.
    pub(super) transparent: Option<u8>,
    /// The picture's colour where no frame is; black where it has no palette.
    pub(super) background: [u8; 3],
    pub(super) code_bits: u8,
    /// All that follows in the file, for that is where Pillow's decoder looks for pixels.
    pub(super) data: &'bytes [u8],
    is_interlaced: bool,
}

/// What indices mean.
#[derive(Clone, Copy)]
pub(super) enum Colours<'bytes> {
    Palette(&'bytes [u8]),
    /// No palette, or one in which every index is a gray of its own.
    Gray,
}

const END: u8 = b';';
const EXTENSION: u8 = b'!';
const IMAGE: u8 = b',';
/// Labels of extensions.
const GRAPHIC_CONTROL: u8 = 0xF9;
const COMMENT: u8 = 0xFE;
const APPLICATION: u8 = 0xFF;

impl<'bytes> FirstFrame<'bytes> {
    pub(super) fn of(bytes: &'bytes [u8]) -> Result<Self, Reject> {
        let mut blocks = Blocks { rest: bytes };
        let &[.., w0, w1, h0, h1, flags, background, _aspect] = blocks.take(13)? else { unreachable!("13 bytes") };
        let screen = [[w0, w1], [h0, h1]].map(|side| u32::from(u16::from_le_bytes(side)));
        let palette = blocks.palette(flags)?;
        let background = palette.and_then(|entries| entries.as_chunks().0.get(usize::from(background)).copied());
        let palette = palette.map(Colours::of);

        let mut transparent = None;
        loop {
            match blocks.byte()? {
                END => return Err(Reject::corrupt("no frame")),
                EXTENSION => blocks.extension(&mut transparent)?,
                IMAGE => {
                    let background = background.unwrap_or_default();
                    return Self::of_descriptor(blocks, screen, (palette, background), transparent);
                }
                _ => {}
            }
        }
    }

    fn of_descriptor(
        mut blocks: Blocks<'bytes>,
        screen: [u32; 2],
        (palette, background): (Option<Colours<'bytes>>, [u8; 3]),
        transparent: Option<u8>,
    ) -> Result<Self, Reject> {
        let &[x0, x1, y0, y1, w0, w1, h0, h1, flags] = blocks.take(9)? else { unreachable!("9 bytes") };
        let [left, top, width, height] =
            [[x0, x1], [y0, y1], [w0, w1], [h0, h1]].map(|number| usize::from(u16::from_le_bytes(number)));
        if width == 0 || height == 0 {
            return Err(Reject::corrupt(format!("a frame of {width} x {height} pixels")));
        }
        let own_palette = blocks.palette(flags)?.map(Colours::of);
        let code_bits = blocks.byte()?;
        Ok(Self {
            picture: (screen[0].max((left + width) as u32), screen[1].max((top + height) as u32)),
            frame: Frame { left, top, width, height },
            colours: Colours::shown(own_palette, palette),
            transparent,
            background,
            code_bits,
            data: blocks.rest,
            is_interlaced: flags & 64 != 0,
        })
    }

    /// The picture's rows that the frame fills, in the order in which they are stored.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> {
        const PLAIN: &[(usize, usize)] = &[(0, 1)];
        const INTERLACED: &[(usize, usize)] = &[(0, 8), (4, 8), (2, 4), (1, 2)];
        let passes = if self.is_interlaced { INTERLACED } else { PLAIN };
        let Frame { top, height, .. } = self.frame;
        passes.iter().flat_map(move |&(first, step)| (first..height).step_by(step)).map(move |row| top + row)
    }
}

impl<'bytes> Colours<'bytes> {
    fn of(entries: &'bytes [u8]) -> Self {
        let is_gray = |(index, entry): (usize, &[u8])| entry.iter().all(|channel| usize::from(*channel) == index);
        if entries.chunks_exact(3).enumerate().all(is_gray) { Self::Gray } else { Self::Palette(entries) }
    }

    /// Of a frame's own palette and the picture's, the one that Pillow shows: to it, grays are no palette.
    fn shown(own: Option<Self>, global: Option<Self>) -> Self {
        let is_palette = |colours: &Self| matches!(colours, Self::Palette(_));
        own.filter(is_palette).or(global).unwrap_or(Self::Gray)
    }
}

struct Blocks<'bytes> {
    rest: &'bytes [u8],
}

impl<'bytes> Blocks<'bytes> {
    fn take(&mut self, count: usize) -> Result<&'bytes [u8], Reject> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(ends_in_header)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Reject> {
        Ok(self.take(1)?[0])
    }

    /// The palette that flags announce.
    fn palette(&mut self, flags: u8) -> Result<Option<&'bytes [u8]>, Reject> {
        if flags & 128 == 0 {
            return Ok(None);
        }
        Ok(Some(self.take(3 << ((flags & 7) + 1))?))
    }

    /// A piece of an extension: a byte of length, then as many bytes. None where the length is 0.
    fn piece(&mut self) -> Result<Option<&'bytes [u8]>, Reject> {
        match self.byte()? {
            0 => Ok(None),
            length => self.take(length.into()).map(Some),
        }
    }

    fn extension(&mut self, transparent: &mut Option<u8>) -> Result<(), Reject> {
        let label = self.byte()?;
        let piece = self.piece()?;
        match (label, piece) {
            (COMMENT, None) => return Ok(()),
            (GRAPHIC_CONTROL, Some(&[flags, _, _, index, ..])) if flags & 1 == 1 => *transparent = Some(index),
            (GRAPHIC_CONTROL, Some(&[flags, _, _, ..])) if flags & 1 == 0 => {}
            (GRAPHIC_CONTROL, Some(_)) => return Err(Reject::corrupt("short graphic control")),
            (APPLICATION, Some(piece)) if piece.starts_with(b"NETSCAPE2.0") => drop(self.piece()?),
            _ => {}
        }
        // Pillow looks for another piece behind the end of an extension without any.
        while self.piece()?.is_some() {}
        Ok(())
    }
}

fn ends_in_header() -> Reject {
    Reject::truncated("the file ends before the first frame")
}
