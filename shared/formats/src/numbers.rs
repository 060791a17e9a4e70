//! The numbers in a file of moments: all of them, or where else they are.
//!
//! The moments of d features are d (d + 3) / 2 numbers of 8 bytes, however few images are behind them; the features of
//! n images are n d numbers of 4 bytes, and are stored anyway. So a part of fewer images than features leaves its
//! moments out, and whoever merges it makes them of its features, as extraction would: [`Moments::of`] gives the same
//! bits for the same rows. Of features too many for a covariance nobody makes moments.

use ndarray::ArrayView2;
use pomona_pca::{COVARIANCE_FEATURES, Encoding, Moments};

use crate::error::Error;

/// What a file of moments says of features.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// Their moments.
    Stored(Moments),
    /// Only how many there are of each image: their moments are those of the part's features file.
    InFeatures {
        /// Features of an image.
        width: u64,
    },
}

impl Numbers {
    /// What a part of these features `[n, d]` stores.
    pub fn of_part(features: ArrayView2<'_, f32>) -> Self {
        if features.nrows() < features.ncols() || features.ncols() > COVARIANCE_FEATURES {
            Self::InFeatures { width: features.ncols() as u64 }
        } else {
            Self::Stored(Moments::of(features))
        }
    }

    /// As bytes: what [`Moments::to_bytes`] writes, which is 16 bytes at least, or the width as a little-endian `u64`.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Stored(moments) => moments.to_bytes(),
            Self::InFeatures { width } => width.to_le_bytes().to_vec(),
        }
    }

    /// From the bytes of [`Numbers::to_bytes`].
    ///
    /// # Errors
    /// As [`Moments::from_bytes`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        match <[u8; size_of::<u64>()]>::try_from(bytes) {
            Ok(width) => Ok(Self::InFeatures { width: u64::from_le_bytes(width) }),
            Err(_) => Ok(Self::Stored(Moments::from_bytes(bytes)?)),
        }
    }
}
