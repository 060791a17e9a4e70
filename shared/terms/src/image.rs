//! What may become of an image.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an image could not be used. The set is closed: users count rejects by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// The file has no bytes.
    Empty,
    /// Not an image, or one of a kind that is not read here.
    Unsupported,
    /// The file ends before the image does.
    Truncated,
    /// The bytes contradict their format.
    Corrupt,
    /// The picture or the file exceeds [`Limits`].
    TooLarge,
    /// The network makes features of it that are not finite numbers; which no decoder says.
    NotFinite,
    /// The bytes could not be read at all, or memory ran out while they were decoded: nothing is known of them.
    Unreadable,
}

impl RejectReason {
    /// The name that tables and reports use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Unsupported => "unsupported",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::TooLarge => "too_large",
            Self::NotFinite => "not_finite",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for RejectReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// An image that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{reason}: {detail}")]
pub struct Reject {
    /// One of the closed set of reasons.
    pub reason: RejectReason,
    /// What was found, in a few words; a function of the file's bytes and the limits alone.
    pub detail: String,
}

impl Reject {
    /// For `reason`, with what was found.
    pub fn new(reason: RejectReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// Not an image, or one of a kind that is not read.
    pub fn unsupported(detail: impl Into<String>) -> Self {
        Self::new(RejectReason::Unsupported, detail)
    }

    /// The file ends before the image does.
    pub fn truncated(detail: impl Into<String>) -> Self {
        Self::new(RejectReason::Truncated, detail)
    }

    /// As [`Reject::truncated`], of a picture whose rows are not all there.
    pub fn ends_early() -> Self {
        Self::truncated("the file ends before the last row")
    }

    /// The bytes contradict their format.
    pub fn corrupt(detail: impl Into<String>) -> Self {
        Self::new(RejectReason::Corrupt, detail)
    }

    /// The picture or the file exceeds a limit.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(RejectReason::TooLarge, detail)
    }
}

/// What is refused before anything is decoded or allocated for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest width x height, inclusive.
    pub max_pixels: u64,
    /// Largest width and largest height, inclusive: it bounds the resampling coefficients (16 bytes per pixel of a
    /// side).
    pub max_side: u32,
    /// Largest file in bytes, inclusive.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Limits {
    /// 178,956,970 pixels, where Pillow raises `DecompressionBombError` (2 x `Image.MAX_IMAGE_PIXELS`); a side of
    /// 1,000,000; 256 MiB.
    pub const DEFAULT: Self = Self { max_pixels: 178_956_970, max_side: 1_000_000, max_bytes: 256 << 20 };

    /// The default limits, but for the largest number of pixels.
    pub fn of_pixels(max_pixels: u64) -> Self {
        Self { max_pixels, ..Self::DEFAULT }
    }

    /// Refuses a file by its size in bytes.
    ///
    /// # Errors
    /// [`RejectReason::TooLarge`].
    pub fn check_size(&self, bytes: u64) -> Result<(), Reject> {
        if bytes > self.max_bytes {
            return Err(Reject::too_large(format!("{bytes} bytes, more than {}", self.max_bytes)));
        }
        Ok(())
    }

    /// Refuses a picture by its width and height.
    ///
    /// # Errors
    /// [`RejectReason::TooLarge`], or [`RejectReason::Corrupt`] for a picture without pixels.
    pub fn check_picture(&self, width: u32, height: u32) -> Result<(), Reject> {
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 {
            return Err(Reject::corrupt(format!("{width} x {height} pixels")));
        }
        if pixels > self.max_pixels {
            return Err(Reject::too_large(format!("{width} x {height} pixels, more than {} in all", self.max_pixels)));
        }
        if width.max(height) > self.max_side {
            return Err(Reject::too_large(format!("{width} x {height} pixels, a side longer than {}", self.max_side)));
        }
        Ok(())
    }
}

/// What a picture lost on its way to the network, as it does in Pillow's `convert("RGB")`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Losses {
    /// A pixel is not opaque: its alpha is below the highest, or it has the transparent colour. RGB shows the colour
    /// that is stored behind it.
    pub alpha_dropped: bool,
    /// A pixel of 16-bit gray is brighter than 255 of 65,535, and became white.
    pub saturated: bool,
    /// Exif data say that the picture is not stored upright, and it was taken as it is stored.
    pub orientation_ignored: bool,
}
