use crate::encoding::{Encoding, Reader, Writer};
use crate::moments::Moments;
use crate::pca_fit::PcaFit;
use crate::sweep::{Rows, Step, Sweep};
use crate::{Error, FitOptions, Pca};

/// The sweep that finds components by the covariance, in one pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Covariance(pub FitOptions);

impl Sweep for Covariance {
    type Sum = Moments;
    type Model = PcaFit;

    fn partial(&self, rows: &Rows<'_>) -> Result<Moments, Error> {
        Ok(Moments::of(rows.features))
    }

    fn step(states: &[Self], sum: Moments) -> Result<Step<Self, PcaFit>, Error> {
        let Self(options) = &states[states.len() - 1];
        Ok(Step::Done(PcaFit { pca: Pca::fit(&sum, options)?, passes: 1, residuals: None }))
    }
}

/// Components (a kind and a number), whether to centre, whether to standardise.
impl Encoding for Covariance {
    fn to_bytes(&self) -> Vec<u8> {
        let Self(FitOptions { components, center, standardize }) = self;
        let mut words = Writer::with_capacity(4);
        words.components(*components);
        words.count(u64::from(*center));
        words.count(u64::from(*standardize));
        words.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut words = Reader::new(bytes)?;
        let components = words.components()?;
        let (center, standardize) = (words.count()? != 0, words.count()? != 0);
        words.finish(Self(FitOptions { components, center, standardize }))
    }
}
