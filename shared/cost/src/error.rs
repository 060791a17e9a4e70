//! Why there is no estimate.

/// Why a cost cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The table of prices is damaged.
    #[error("the price table prices.json cannot be used: {0}")]
    Prices(String),
    /// A region without prices.
    #[error("there are no list prices for the region `{region}`; choose one of {known}")]
    Region {
        /// The region.
        region: String,
        /// The regions that have prices.
        known: String,
    },
    /// A workload that makes no sense.
    #[error("`{option}` {problem}")]
    Workload {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}
