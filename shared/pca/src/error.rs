use pomona_terms::NoComponents;

/// What can be wrong with moments, options or rows.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Moments or rows of different widths met.
    #[error("{actual} features per row where {expected} are expected; use one model for the whole dataset")]
    Dimensions {
        /// The width that was there first.
        expected: usize,
        /// The width that was given.
        actual: usize,
    },
    /// The number of rows left the range of 64 bits.
    #[error("the merged moments count more rows than 64 bits hold; the moments are damaged, compute them anew")]
    CountOverflow,
    /// Bytes that are not moments.
    #[error("not moments: {0}; delete the object and compute it anew")]
    Encoding(String),
    /// A variance needs two rows.
    #[error("principal components need at least 2 rows, got {count}; add images")]
    TooFewRows {
        /// Rows that the moments stand for.
        count: u64,
    },
    /// Rows without any feature.
    #[error("principal components need at least 1 feature per row, got none")]
    NoFeatures,
    /// NaN or infinity in the moments.
    #[error("feature {feature} is not finite in the moments; look for NaN or infinity in the features")]
    NotFinite {
        /// Index of the first such feature.
        feature: usize,
    },
    /// More components than the data has, or none.
    #[error("components {requested}: {count} rows of {dimensions} features allow 1 to {limit}")]
    ComponentsOutOfRange {
        /// The number that was asked for.
        requested: usize,
        /// Rows that the moments stand for.
        count: u64,
        /// Features per row.
        dimensions: usize,
        /// min(count - 1, dimensions).
        limit: usize,
    },
    /// A share of variance that is none.
    #[error(transparent)]
    Components(NoComponents),
    /// More components than a fit by passes can hold.
    #[error("components {components}: of features so many a fit by passes holds at most {most}; ask for fewer")]
    BasisTooLarge {
        /// The number that was asked for.
        components: usize,
        /// The largest that can be.
        most: usize,
    },
    /// A basis that is as large as it may be, and still not all that was asked for.
    #[error(
        "components {components}: they are not all found within {vectors} directions, and a fit by passes holds at \
         most {most}; ask for fewer, or for a smaller share of the variance"
    )]
    NotWithinBasis {
        /// Directions in the basis.
        vectors: usize,
        /// The most that there can be.
        most: usize,
        /// What was asked for.
        components: pomona_terms::Components,
    },
    /// The eigensolver gave up.
    #[error("the eigenvalues of the {dimensions} x {dimensions} covariance did not converge; check the features")]
    NoConvergence {
        /// Features per row.
        dimensions: usize,
    },
    /// A weight of the penalty that is none.
    #[error("regularization {0}: must be a finite number from 0; 0 holds nothing down")]
    Regularization(f64),
    /// A fit that may not begin.
    #[error("max_iterations 0: a classifier needs at least 1")]
    NoIterations,
    /// Rows of one class, or of none.
    #[error("a classifier needs rows of at least 2 classes, got rows of {present} of {classes}; add labelled images")]
    TooFewClasses {
        /// Classes that have rows.
        present: usize,
        /// Classes that there are.
        classes: usize,
    },
    /// More classes by features than a fit can hold.
    #[error(
        "a classifier of {classes} classes by {dimensions} features has more than {most} weights; classify on \
         components, or by fewer labels"
    )]
    TooManyWeights {
        /// Classes.
        classes: usize,
        /// Features of each row.
        dimensions: usize,
        /// Weights that a fit can hold.
        most: usize,
    },
    /// A row of a class that there is not.
    #[error("class {class}: there are {classes} classes, numbered from 0; label the rows anew")]
    ClassOutOfRange {
        /// The row's class.
        class: u32,
        /// Classes that there are.
        classes: usize,
    },
    /// Another number of classes than rows.
    #[error("{classes} classes for {rows} rows; give each row the number of its class")]
    ClassesOfOtherRows {
        /// Rows of features.
        rows: usize,
        /// Classes beside them.
        classes: usize,
    },
    /// A model whose parts disagree in size.
    #[error("the model is inconsistent: {0}; fit it anew")]
    InconsistentModel(String),
}
