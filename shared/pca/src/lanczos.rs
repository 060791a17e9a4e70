//! Principal components of features too many for a matrix of all by all: block Lanczos with full reorthogonalisation
//! and Rayleigh-Ritz (Golub and Underwood 1977, "The block Lanczos method for computing eigenvalues"; Saad 2011,
//! "Numerical Methods for Large Eigenvalue Problems", chapter 6).
//!
//! The covariance `C = X^T X / (n - 1)` of centred (and scaled) rows `X` [n, d] is only ever multiplied by a block of b
//! orthonormal vectors `Q_j` [d, b]: each shard adds its `X_s^T (X_s Q_j)` [d, b], which is one pass over all rows.
//! What is new in `C Q_j` beside all blocks so far, made orthonormal, is the next block. Within the basis `B = [Q_0 ...
//! Q_j]` [d, m] the covariance is `T = B^T C B` [m, m], and the eigenvectors of `T`, turned back by `B`, are the best
//! that the basis has: the Ritz vectors. How far one of them is from an eigenvector of `C` its residual says,
//! `|C v - theta v|`, which is known without another pass: only the last block's products reach out of the basis.

use nalgebra::{DMatrix, DVector};

use crate::dense::{add_product, as_faer, as_faer_mut, orthonormal_columns, transpose_times};
use crate::eigen::SymmetricEigen;
use crate::encoding::{Encoding, Reader, Writer};
use crate::panels::Panels;
use crate::pca::{FitOptions, Pca, fix_signs};
use crate::pca_fit::PcaFit;
use crate::random::uniform_block;
use crate::sweep::{Rows, Step, Sweep};
use crate::{ColumnMoments, Components, Error, Sum, components};

/// The residual of a component that is good enough, relative to its variance. The variance's own error is of the
/// square of it, by the gap to the next one, and the direction's of itself by that gap.
pub const TOLERANCE: f64 = 1e-6;

/// Vectors in a block beyond the components that are wanted: the last ones of those converge sooner for it.
const BEYOND: usize = 10;

/// The most vectors in a block: one of 62,720 features takes 64 MB then.
const WIDEST_BLOCK: usize = 128;

/// Bytes of the largest basis.
const BASIS_BYTES: usize = 768 << 20;

/// What the vectors of the first block are drawn by, and those that complete a basis.
const START_SEED: u64 = 0;
const OTHER_SEED: u64 = 1;

/// What is shorter than this, relative to the largest variance, is rounding.
const NEGLIGIBLE: f64 = 1e-12;

/// The state of a fit by block Lanczos.
#[derive(Debug, Clone, PartialEq)]
pub struct Lanczos {
    components: Components,
    center: bool,
    count: u64,
    mean: DVector<f64>,
    scale: Option<DVector<f64>>,
    total_variance: f64,
    /// The orthonormal vectors that this pass multiplies by [d, b].
    block: DMatrix<f64>,
    /// The covariance within all blocks before this one [m, m].
    within: DMatrix<f64>,
    /// The largest residual of a wanted component, relative to its variance, as the pass before left it.
    residual: Option<f64>,
}

/// What a pass adds up: the scatter of the rows times the block [d, b].
#[derive(Debug, Clone, PartialEq)]
pub struct Product(DMatrix<f64>);

impl Lanczos {
    /// The state of the first pass over rows with these column moments.
    ///
    /// # Errors
    /// As [`Pca::fit`], and [`Error::BasisTooLarge`] for more components than such a fit can hold.
    pub fn start(columns: &ColumnMoments, options: &FitOptions) -> Result<Self, Error> {
        if columns.count() < 2 {
            return Err(Error::TooFewRows { count: columns.count() });
        }
        columns.check_finite()?;
        let variances = columns.variances();
        let dimensions = columns.dimensions();
        let wanted = components::wanted(options.components, columns.count(), dimensions)?;
        let width = block_width(wanted, dimensions);
        wanted.map_or(Ok(()), |wanted| Self::check_components(wanted, dimensions))?;
        let scale = options.standardize.then(|| columns.scale());
        let total_variance = match options.standardize {
            // A standardised feature has the variance 1, a constant one 0.
            true => variances.iter().filter(|variance| **variance > 0.0).count() as f64,
            false => variances.sum(),
        };
        Ok(Self {
            components: options.components,
            center: options.center,
            count: columns.count(),
            mean: columns.mean().clone(),
            scale,
            total_variance,
            block: orthonormal_columns(uniform_block(START_SEED, dimensions, width), NEGLIGIBLE),
            within: DMatrix::zeros(0, 0),
            residual: None,
        })
    }

    /// Whether a fit can hold so many components of `dimensions` features.
    ///
    /// # Errors
    /// [`Error::BasisTooLarge`].
    pub fn check_components(components: usize, dimensions: usize) -> Result<(), Error> {
        let most = largest_basis(dimensions).saturating_sub(block_width(Some(components), dimensions));
        if components > most {
            return Err(Error::BasisTooLarge { components, most });
        }
        Ok(())
    }

    fn dimensions(&self) -> usize {
        self.mean.len()
    }
}

/// Vectors in a block.
fn block_width(wanted: Option<usize>, dimensions: usize) -> usize {
    wanted.map_or(WIDEST_BLOCK, |wanted| wanted + BEYOND).min(WIDEST_BLOCK).min(dimensions)
}

/// Vectors of the largest basis of `dimensions` features.
fn largest_basis(dimensions: usize) -> usize {
    BASIS_BYTES / size_of::<f64>() / dimensions.max(1)
}

impl Sweep for Lanczos {
    type Sum = Product;
    type Model = PcaFit;
    const LOOKS_BACK: bool = true;

    fn partial(&self, rows: &Rows<'_>) -> Result<Product, Error> {
        if rows.features.ncols() != self.dimensions() {
            return Err(Error::Dimensions { expected: self.dimensions(), actual: rows.features.ncols() });
        }
        let factors = self.scale.as_ref().map(|scale| scale.map(f64::recip));
        let rows = Panels { rows: rows.features, mean: &self.mean, factors: factors.as_ref() };
        Ok(Product(scatter_times(&rows, &self.block)))
    }

    fn step(states: &[Self], Product(sum): Product) -> Result<Step<Self, PcaFit>, Error> {
        let (state, basis) = (&states[states.len() - 1], Basis::of(states));
        let product = sum / (state.count - 1) as f64;
        let within = basis.extend(&state.within, &product);
        let eigen = SymmetricEigen::new(within.clone())?;
        let beyond = basis.without(product);
        let negligible = NEGLIGIBLE * eigen.values.max();
        let next = basis.without(orthonormal_columns(beyond.clone(), negligible));
        // Once more: what is short beside its own products is still a little inside the basis after the first time.
        let next = orthonormal_columns(next, 0.5);

        let is_exhausted = next.ncols() == 0;
        let variances = eigen.values.map(|variance| variance.max(0.0));
        let Some(components) = state.components(&variances, is_exhausted)? else {
            return state.go_on(&basis, next, within, None);
        };
        let vectors = eigen.vectors(components.min(basis.size()));
        let residuals = relative_residuals(&variances, &vectors, &beyond);
        let residual = residuals.max();
        if residual > TOLERANCE && !is_exhausted {
            return state.go_on(&basis, next, within, Some(residual));
        }
        let mut loadings = basis.complete(basis.times(&vectors), components);
        fix_signs(&mut loadings);
        let at = |i: usize| variances.get(i).copied().unwrap_or(0.0);
        Ok(Step::Done(PcaFit {
            pca: Pca {
                count: state.count,
                center: state.center,
                mean: state.mean.clone(),
                scale: state.scale.clone(),
                loadings,
                explained_variance: DVector::from_fn(components, |i, _| at(i)),
                total_variance: state.total_variance,
            },
            passes: states.len() as u64,
            residuals: Some(residuals.resize_vertically(components, 0.0)),
        }))
    }

    fn distance(&self) -> Option<f64> {
        self.residual.map(|residual| residual / TOLERANCE)
    }
}

impl Lanczos {
    /// The number of components to keep, if the variances of the basis tell it: they are never larger than those of the
    /// covariance.
    fn components(&self, variances: &DVector<f64>, is_exhausted: bool) -> Result<Option<usize>, Error> {
        match components::wanted(self.components, self.count, self.dimensions())? {
            Some(wanted) if wanted <= variances.len() || is_exhausted => Ok(Some(wanted)),
            Some(_) => Ok(None),
            None => {
                let found = components::fewest_for_share(self.components, variances.as_slice(), self.total_variance);
                // What rounding may leave of a share near 1.
                let all = is_exhausted.then(|| components::limit(self.count, variances.len()));
                Ok(found.or(all))
            }
        }
    }

    fn go_on(
        &self,
        basis: &Basis<'_>,
        block: DMatrix<f64>,
        within: DMatrix<f64>,
        residual: Option<f64>,
    ) -> Result<Step<Self, PcaFit>, Error> {
        let most = largest_basis(self.dimensions());
        if basis.size() + block.ncols() > most {
            return Err(Error::NotWithinBasis { vectors: basis.size(), most, components: self.components });
        }
        Ok(Step::Next(Self { block, within, residual, ..self.clone() }))
    }
}

/// The blocks of all passes so far: orthonormal columns [d, m].
struct Basis<'a> {
    blocks: Vec<&'a DMatrix<f64>>,
}

impl<'a> Basis<'a> {
    fn of(states: &'a [Lanczos]) -> Self {
        Self { blocks: states.iter().map(|state| &state.block).collect() }
    }

    /// m.
    fn size(&self) -> usize {
        self.blocks.iter().map(|block| block.ncols()).sum()
    }

    /// The blocks, each with the place of its first vector.
    fn placed(&self) -> impl Iterator<Item = (usize, &DMatrix<f64>)> {
        self.blocks.iter().scan(0, |end, block| {
            let first = *end;
            *end += block.ncols();
            Some((first, *block))
        })
    }

    /// The covariance within the basis [m, m], of that within all blocks but the last, and the last one's `product`.
    fn extend(&self, within: &DMatrix<f64>, product: &DMatrix<f64>) -> DMatrix<f64> {
        let (before, size) = (within.nrows(), self.size());
        let mut extended = within.clone().resize(size, size, 0.0);
        for (first, block) in self.placed() {
            let with_last = transpose_times(block, product);
            extended.view_mut((before, first), (size - before, block.ncols())).tr_copy_from(&with_last);
            extended.view_mut((first, before), with_last.shape()).copy_from(&with_last);
        }
        extended
    }

    /// `vectors` [d, b] without their parts in the basis; twice, because once leaves rounding errors that are large
    /// beside what is short (Giraud, Langou and Rozloznik 2005).
    fn without(&self, mut vectors: DMatrix<f64>) -> DMatrix<f64> {
        for _ in 0..2 {
            for block in &self.blocks {
                let inside = transpose_times(block, &vectors);
                add_product(as_faer_mut(&mut vectors), -1.0, as_faer(block), as_faer(&inside));
            }
        }
        vectors
    }

    /// The basis times `coordinates` [m, k].
    fn times(&self, coordinates: &DMatrix<f64>) -> DMatrix<f64> {
        let mut vectors = DMatrix::zeros(self.blocks[0].nrows(), coordinates.ncols());
        for (first, block) in self.placed() {
            let rows = as_faer(coordinates).subrows(first, block.ncols());
            add_product(as_faer_mut(&mut vectors), 1.0, as_faer(block), rows);
        }
        vectors
    }

    /// `vectors` and as many more, orthonormal to the basis, as there are less than `count`: rows that span fewer
    /// dimensions have no variance in any other.
    fn complete(&self, vectors: DMatrix<f64>, count: usize) -> DMatrix<f64> {
        let missing = count - vectors.ncols();
        if missing == 0 {
            return vectors;
        }
        // Those of the start lie in the basis.
        let others = uniform_block(OTHER_SEED, vectors.nrows(), missing);
        let more = orthonormal_columns(self.without(others), NEGLIGIBLE);
        let first = vectors.ncols();
        let mut all = vectors.resize_horizontally(count, 0.0);
        all.columns_mut(first, more.ncols()).copy_from(&more);
        all
    }
}

/// `|C v - theta v| / theta` of each Ritz vector, whose coordinates in the basis are `vectors` [m, k]: the basis holds
/// all of `C v` but `beyond` [d, b], what the last block's products reach out of it, times v's last coordinates.
fn relative_residuals(variances: &DVector<f64>, vectors: &DMatrix<f64>, beyond: &DMatrix<f64>) -> DVector<f64> {
    let inner = transpose_times(beyond, beyond);
    let last = vectors.rows(vectors.nrows() - inner.nrows(), inner.nrows());
    let shortest = NEGLIGIBLE * variances.max();
    DVector::from_fn(vectors.ncols(), |i, _| {
        let square = last.column(i).dot(&(&inner * last.column(i)));
        if square > 0.0 { square.sqrt() / variances[i].max(shortest) } else { 0.0 }
    })
}

/// `X^T (X Q)` [d, b] of the rows `X` [n, d], for `Q` [d, b].
fn scatter_times(rows: &Panels<'_>, block: &DMatrix<f64>) -> DMatrix<f64> {
    let mut projected = DMatrix::zeros(rows.rows.nrows(), block.ncols());
    rows.for_each(|first, panel| {
        let block = as_faer(block).subrows(first, panel.nrows());
        add_product(as_faer_mut(&mut projected), 1.0, panel.transpose(), block);
    });
    let mut product = DMatrix::zeros(rows.rows.ncols(), block.ncols());
    rows.for_each(|first, panel| {
        let sum = as_faer_mut(&mut product).subrows_mut(first, panel.nrows());
        add_product(sum, 1.0, panel, as_faer(&projected));
    });
    product
}

impl Sum for Product {
    fn merge(mut self, later: &Self) -> Result<Self, Error> {
        if self.0.shape() != later.0.shape() {
            return Err(Error::Dimensions { expected: self.0.nrows(), actual: later.0.nrows() });
        }
        self.0 += &later.0;
        Ok(self)
    }
}

/// The product [d, b] as a matrix.
impl Encoding for Product {
    fn to_bytes(&self) -> Vec<u8> {
        let mut words = Writer::with_capacity(2 + self.0.len());
        words.matrix(&self.0);
        words.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut words = Reader::new(bytes)?;
        let product = words.matrix()?;
        words.finish(Self(product))
    }
}

/// Rows, components (a kind and a number), whether to centre, total
/// variance, residual (0 if unknown), d, mean `[d]`, scale `[d]` or nothing after its length, block, covariance within.
impl Encoding for Lanczos {
    fn to_bytes(&self) -> Vec<u8> {
        let mut words = Writer::with_capacity(16 + 2 * self.dimensions() + self.block.len() + self.within.len());
        words.count(self.count);
        words.components(self.components);
        words.count(u64::from(self.center));
        words.numbers(&[self.total_variance, self.residual.unwrap_or(0.0)]);
        words.count(self.dimensions() as u64);
        words.numbers(self.mean.as_slice());
        words.optional(self.scale.as_ref());
        words.matrix(&self.block);
        words.matrix(&self.within);
        words.finish()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut words = Reader::new(bytes)?;
        let (count, components) = (words.count()?, words.components()?);
        let (center, total_variance, residual) = (words.count()? != 0, words.number()?, words.number()?);
        let dimensions = words.length()?;
        let (mean, scale) = (words.vector(dimensions)?, words.optional()?);
        let (block, within) = (words.matrix()?, words.matrix()?);
        let residual = (residual > 0.0).then_some(residual);
        words.finish(Self { components, center, count, mean, scale, total_variance, block, within, residual })
    }
}
