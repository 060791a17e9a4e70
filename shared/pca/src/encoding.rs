//! Moments as bytes, little-endian: dimensions (u64), count (u64), mean (d x f64), scatter (d (d + 1) / 2 x f64,
//! the packed upper triangle). 6.6 MB for 1280 dimensions.

use nalgebra::DVector;

use crate::{Error, Moments, triangle};

const NUMBER_BYTES: usize = size_of::<f64>();

impl Moments {
    /// These moments as bytes; [`Moments::from_bytes`] restores every bit.
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers = self.mean.len() + self.scatter.len();
        let mut bytes = Vec::with_capacity((2 + numbers) * NUMBER_BYTES);
        bytes.extend((self.dimensions() as u64).to_le_bytes());
        bytes.extend(self.count.to_le_bytes());
        for number in self.mean.iter().chain(&self.scatter) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Moments from the bytes of [`Moments::to_bytes`].
    ///
    /// # Errors
    /// [`Error::Encoding`] where the length is not what the header says (checked before any allocation) or a
    /// number is not finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (words, []) = bytes.as_chunks::<NUMBER_BYTES>() else {
            return Err(Error::Encoding(format!("{} bytes are no whole number of 8-byte words", bytes.len())));
        };
        let [dimensions, count, numbers @ ..] = words else {
            return Err(Error::Encoding(format!("{} bytes are shorter than the header of 16", bytes.len())));
        };
        let dimensions = u64::from_le_bytes(*dimensions);
        let (mean, scatter) = split_numbers(numbers, dimensions).ok_or_else(|| {
            Error::Encoding(format!("{} bytes do not hold the {dimensions} dimensions of the header", bytes.len()))
        })?;
        Ok(Self {
            count: u64::from_le_bytes(*count),
            mean: DVector::from_vec(finite_numbers(mean)?),
            scatter: finite_numbers(scatter)?,
        })
    }
}

type Words<'a> = &'a [[u8; NUMBER_BYTES]];

/// Mean and scatter, if there are exactly as many numbers as they need.
fn split_numbers(numbers: Words<'_>, dimensions: u64) -> Option<(Words<'_>, Words<'_>)> {
    let dimensions = usize::try_from(dimensions).ok()?;
    let (mean, scatter) = numbers.split_at_checked(dimensions)?;
    (scatter.len() == triangle::packed_len(dimensions)?).then_some((mean, scatter))
}

fn finite_numbers(words: Words<'_>) -> Result<Vec<f64>, Error> {
    let numbers: Vec<f64> = words.iter().map(|word| f64::from_le_bytes(*word)).collect();
    match numbers.iter().find(|number| !number.is_finite()) {
        Some(number) => Err(Error::Encoding(format!("holds {number} where a finite number belongs"))),
        None => Ok(numbers),
    }
}
