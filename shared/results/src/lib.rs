//! What a run came to: which run is the newest one, what its checks say, its page, its tables, the images that are like
//! a given one, and whether all files are what was written.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let output = pomona_store::testing::MemoryStore::new("results", Default::default());
//! assert_eq!(pomona_results::latest::read(&output).await?, None);
//! # Ok::<(), pomona_formats::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod classification;
pub mod html;
pub mod inspect;
pub mod latest;
pub mod processing;
pub mod search;
pub mod tables;
pub mod validation;
pub mod verify;
