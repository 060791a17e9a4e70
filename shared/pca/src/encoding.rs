//! Sums, states and models as bytes: words of 8 bytes, little-endian, each a whole number or a finite `f64`.
//!
//! [`Moments`] of d features are d, count, mean `[d]` and scatter `[d (d + 1) / 2]`, the packed upper triangle: 6.6 MB
//! for d = 1280. The other types say it where they are.

use nalgebra::{DMatrix, DVector};

use crate::{Components, Error, Moments, triangle};

const WORD: usize = size_of::<f64>();

/// A type that files keep: every bit of it comes back.
pub trait Encoding: Sized {
    /// The value as bytes.
    fn to_bytes(&self) -> Vec<u8>;

    /// The value from what [`Encoding::to_bytes`] gave.
    ///
    /// # Errors
    /// [`Error::Encoding`] where the length is not what the bytes say of themselves (checked before any allocation) or
    /// a number is not finite.
    fn from_bytes(bytes: &[u8]) -> Result<Self, Error>;
}

impl Encoding for Moments {
    fn to_bytes(&self) -> Vec<u8> {
        let mut words = Writer::with_capacity(2 + self.mean.len() + self.scatter.len());
        words.count(self.dimensions() as u64);
        words.count(self.count);
        words.numbers(self.mean.as_slice());
        words.numbers(&self.scatter);
        words.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut words = Reader::new(bytes)?;
        let dimensions = words.length()?;
        let count = words.count()?;
        let mean = words.vector(dimensions)?;
        let packed = triangle::packed_len(dimensions).ok_or_else(too_long)?;
        let scatter = words.numbers(packed)?;
        words.finish(Self { count, mean, scatter })
    }
}

/// Bytes in the making.
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub fn with_capacity(words: usize) -> Self {
        Self(Vec::with_capacity(words * WORD))
    }

    pub fn count(&mut self, count: u64) {
        self.0.extend_from_slice(&count.to_le_bytes());
    }

    pub fn numbers(&mut self, numbers: &[f64]) {
        for number in numbers {
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// A vector that may be absent, after its length or 0.
    pub fn optional(&mut self, vector: Option<&DVector<f64>>) {
        let numbers = vector.map_or(&[][..], |vector| vector.as_slice());
        self.count(numbers.len() as u64);
        self.numbers(numbers);
    }

    /// How many components: a kind (0 default, 1 a number, 2 a share), and the number or share.
    pub fn components(&mut self, components: Components) {
        let (kind, value) = match components {
            Components::Default => (0, 0.0),
            Components::Count(count) => (1, count as f64),
            Components::VarianceShare(share) => (2, share),
        };
        self.count(kind);
        self.numbers(&[value]);
    }

    /// A matrix after its numbers of rows and columns, column by column.
    pub fn matrix(&mut self, matrix: &DMatrix<f64>) {
        self.count(matrix.nrows() as u64);
        self.count(matrix.ncols() as u64);
        self.numbers(matrix.as_slice());
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Bytes that are read word by word.
pub(crate) struct Reader<'a>(&'a [[u8; WORD]]);

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        match bytes.as_chunks() {
            (words, []) => Ok(Self(words)),
            _ => Err(Error::Encoding(format!("{} bytes are no whole number of 8-byte words", bytes.len()))),
        }
    }

    pub fn count(&mut self) -> Result<u64, Error> {
        let (first, rest) = self.0.split_first().ok_or_else(too_short)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*first))
    }

    /// A number of things that memory has room for.
    pub fn length(&mut self) -> Result<usize, Error> {
        usize::try_from(self.count()?).map_err(|_| too_long())
    }

    pub fn numbers(&mut self, length: usize) -> Result<Vec<f64>, Error> {
        let (first, rest) = self.0.split_at_checked(length).ok_or_else(too_short)?;
        self.0 = rest;
        let numbers: Vec<f64> = first.iter().map(|word| f64::from_le_bytes(*word)).collect();
        match numbers.iter().find(|number| !number.is_finite()) {
            Some(number) => Err(Error::Encoding(format!("holds {number} where a finite number belongs"))),
            None => Ok(numbers),
        }
    }

    pub fn number(&mut self) -> Result<f64, Error> {
        Ok(self.numbers(1)?[0])
    }

    pub fn vector(&mut self, length: usize) -> Result<DVector<f64>, Error> {
        Ok(DVector::from_vec(self.numbers(length)?))
    }

    pub fn optional(&mut self) -> Result<Option<DVector<f64>>, Error> {
        let length = self.length()?;
        if length == 0 { Ok(None) } else { self.vector(length).map(Some) }
    }

    pub fn components(&mut self) -> Result<Components, Error> {
        let (kind, value) = (self.count()?, self.number()?);
        Ok(match kind {
            0 => Components::Default,
            1 => Components::Count(value as usize),
            _ => Components::VarianceShare(value),
        })
    }

    pub fn matrix(&mut self) -> Result<DMatrix<f64>, Error> {
        let (rows, columns) = (self.length()?, self.length()?);
        let numbers = self.numbers(rows.checked_mul(columns).ok_or_else(too_long)?)?;
        Ok(DMatrix::from_vec(rows, columns, numbers))
    }

    /// `value`, unless something is left behind it.
    pub fn finish<T>(self, value: T) -> Result<T, Error> {
        match self.0 {
            [] => Ok(value),
            rest => Err(Error::Encoding(format!("{} words follow where nothing belongs", rest.len()))),
        }
    }
}

fn too_short() -> Error {
    Error::Encoding("it ends before what it says of its own length".to_owned())
}

fn too_long() -> Error {
    Error::Encoding("it says to be longer than memory can be".to_owned())
}
