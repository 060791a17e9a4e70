//! What is used of libwebp, whose calls all stand here.
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::slice;

use libwebp_sys::{
    VP8StatusCode, WEBP_CSP_MODE, WEBP_DEMUX_ABI_VERSION, WebPBitstreamFeatures, WebPChunkIterator, WebPData,
    WebPDecode, WebPDecoderConfig, WebPDemuxDelete, WebPDemuxGetChunk, WebPDemuxGetFrame, WebPDemuxGetI,
    WebPDemuxInternal, WebPDemuxReleaseChunkIterator, WebPDemuxReleaseIterator, WebPDemuxer, WebPFormatFeature,
    WebPGetFeatures, WebPIterator, WebPRGBABuffer,
};

/// Why a frame has no pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    EndsEarly,
    NoMemory,
    Unsupported,
    Damaged,
}

/// A whole file, whose chunks libwebp has looked through.
#[derive(Debug)]
pub(super) struct Container<'a> {
    demuxer: NonNull<WebPDemuxer>,
    /// The demuxer reads them until it is deleted.
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Container<'a> {
    /// Nothing where the file is cut off, or none of libwebp's.
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let (data, whole_files_only) = (WebPData { bytes: bytes.as_ptr(), size: bytes.len() }, 0);
        // SAFETY: `data` leads to `bytes`, which outlive what is made of them here; a state is not asked for.
        let demuxer =
            unsafe { WebPDemuxInternal(&data, whole_files_only, ptr::null_mut(), WEBP_DEMUX_ABI_VERSION as c_int) };
        NonNull::new(demuxer).map(|demuxer| Self { demuxer, bytes: PhantomData })
    }

    /// Width and height of the picture, in which frames lie.
    pub fn dimensions(&self) -> (u32, u32) {
        // SAFETY: the demuxer is there until `self` is dropped.
        let number = |feature| unsafe { WebPDemuxGetI(self.demuxer.as_ptr(), feature) };
        (number(WebPFormatFeature::WEBP_FF_CANVAS_WIDTH), number(WebPFormatFeature::WEBP_FF_CANVAS_HEIGHT))
    }

    /// Unpacks the first frame into the picture: red, green, blue and alpha of its pixels, `stride` bytes from one row
    /// to the next.
    pub fn read_first_frame(&self, picture: &mut [u8], stride: usize) -> Result<(), Failure> {
        let frame = self.first_frame().ok_or(Failure::Damaged)?;
        let at = |number: c_int| usize::try_from(number).map_err(|_| Failure::Damaged);
        let first = at(frame.0.y_offset)? * stride + at(frame.0.x_offset)? * 4;
        let target = picture.get_mut(first..).ok_or(Failure::Damaged)?;

        let mut config = WebPDecoderConfig::new().map_err(|()| Failure::Unsupported)?;
        config.output.colorspace = WEBP_CSP_MODE::MODE_RGBA;
        config.output.is_external_memory = 1;
        let stride = c_int::try_from(stride).map_err(|_| Failure::NoMemory)?;
        config.output.u.RGBA = WebPRGBABuffer { rgba: target.as_mut_ptr(), stride, size: target.len() };
        let bits = frame.0.fragment;
        // SAFETY: `bits` lead into the container's bytes. libwebp writes rows of the frame's width into `target`, having
        // seen that these fit its stride and its size, and allocates nothing that outlives the call.
        let status = unsafe { WebPDecode(bits.bytes, bits.size, &mut config) };
        match status {
            VP8StatusCode::VP8_STATUS_OK => Ok(()),
            VP8StatusCode::VP8_STATUS_SUSPENDED | VP8StatusCode::VP8_STATUS_NOT_ENOUGH_DATA => Err(Failure::EndsEarly),
            VP8StatusCode::VP8_STATUS_OUT_OF_MEMORY => Err(Failure::NoMemory),
            VP8StatusCode::VP8_STATUS_UNSUPPORTED_FEATURE => Err(Failure::Unsupported),
            _ => Err(Failure::Damaged),
        }
    }

    fn first_frame(&self) -> Option<Frame<'_>> {
        let mut frame = MaybeUninit::<WebPIterator>::zeroed();
        // SAFETY: the demuxer is there, and zeros are an iterator that was not used yet. Where there is a frame, all of
        // the iterator is written.
        (unsafe { WebPDemuxGetFrame(self.demuxer.as_ptr(), 1, frame.as_mut_ptr()) } != 0)
            .then(|| Frame(unsafe { frame.assume_init() }, PhantomData))
    }

    /// What a camera has written down, as it stands in the file.
    pub fn exif(&self) -> Option<&'a [u8]> {
        let mut chunk = MaybeUninit::<WebPChunkIterator>::zeroed();
        // SAFETY: as of frames; the name has the four letters that are read. The chunk's bytes lie in the container's,
        // and so outlive the iterator.
        unsafe {
            if WebPDemuxGetChunk(self.demuxer.as_ptr(), c"EXIF".as_ptr(), 1, chunk.as_mut_ptr()) == 0 {
                return None;
            }
            let mut chunk = chunk.assume_init();
            let found = slice::from_raw_parts(chunk.chunk.bytes, chunk.chunk.size);
            WebPDemuxReleaseChunkIterator(&mut chunk);
            Some(found)
        }
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // SAFETY: nobody has the demuxer behind this.
        unsafe { WebPDemuxDelete(self.demuxer.as_ptr()) }
    }
}

/// A frame of a container that is there as long.
struct Frame<'a>(WebPIterator, PhantomData<&'a ()>);

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        // SAFETY: it was filled by the demuxer, and is released once.
        unsafe { WebPDemuxReleaseIterator(&mut self.0) }
    }
}

/// Whether a file says that some of its pixels are transparent, or says nothing that could be read.
pub(super) fn has_alpha(bytes: &[u8]) -> bool {
    let mut features = MaybeUninit::<WebPBitstreamFeatures>::zeroed();
    // SAFETY: the features are numbers, for which zeros are a value, and are written where the file's are known.
    unsafe {
        let status = WebPGetFeatures(bytes.as_ptr(), bytes.len(), features.as_mut_ptr());
        status != VP8StatusCode::VP8_STATUS_OK || features.assume_init().has_alpha != 0
    }
}
