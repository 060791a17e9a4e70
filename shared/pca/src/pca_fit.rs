use nalgebra::DVector;

use crate::encoding::{Encoding, Reader, Writer};
use crate::{Error, Pca};

/// Components that were found by passes, and how well.
#[derive(Debug, Clone, PartialEq)]
pub struct PcaFit {
    /// The model.
    pub pca: Pca,
    /// Passes over the rows, without the one for mean and variances.
    pub passes: u64,
    /// Of each component `[k]` the residual relative to the component's variance; none where the components are those
    /// of the covariance itself.
    pub residuals: Option<DVector<f64>>,
}

/// Rows, whether to centre, total variance, passes, d, mean `[d]`, scale `[d]` or nothing after its length, loadings,
/// k, variances `[k]`, residuals `[k]` or nothing after their number.
impl Encoding for PcaFit {
    fn to_bytes(&self) -> Vec<u8> {
        let pca = &self.pca;
        let mut words = Writer::with_capacity(16 + 2 * pca.mean.len() + pca.loadings.len() + 2 * pca.components());
        words.count(pca.count);
        words.count(u64::from(pca.center));
        words.numbers(&[pca.total_variance]);
        words.count(self.passes);
        words.count(pca.mean.len() as u64);
        words.numbers(pca.mean.as_slice());
        words.optional(pca.scale.as_ref());
        words.matrix(&pca.loadings);
        words.count(pca.components() as u64);
        words.numbers(pca.explained_variance.as_slice());
        words.optional(self.residuals.as_ref());
        words.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut words = Reader::new(bytes)?;
        let (count, center, total_variance, passes) =
            (words.count()?, words.count()? != 0, words.number()?, words.count()?);
        let dimensions = words.length()?;
        let (mean, scale, loadings) = (words.vector(dimensions)?, words.optional()?, words.matrix()?);
        let components = words.length()?;
        let (explained_variance, residuals) = (words.vector(components)?, words.optional()?);
        if loadings.shape() != (dimensions, components) {
            let (rows, columns) = loadings.shape();
            let problem = format!("{rows} x {columns} loadings where {dimensions} x {components} belong");
            return Err(Error::Encoding(problem));
        }
        let pca = Pca { count, center, mean, scale, loadings, explained_variance, total_variance };
        words.finish(Self { pca, passes, residuals })
    }
}
