//! Datasets: which images an input gives, what they are called, how their bytes are read, and what is left out.
//!
//! A [`Source`] is one form that a dataset may have; everything above it sees [`Item`]s and knows no format. The one
//! that there is so far is [`Files`]: images in a folder or below a prefix of a bucket.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use pomona_dataset::{Files, Source};
//! use pomona_run::Options;
//!
//! # let folder = tempfile::tempdir()?;
//! # std::fs::create_dir(folder.path().join("pear"))?;
//! # std::fs::write(folder.path().join("pear/1.jpg"), "a picture")?;
//! # std::fs::write(folder.path().join("notes.txt"), "not a picture")?;
//! let store = pomona_store::LocalStore::open(folder.path())?;
//! let source = Files::new(&store);
//! let listed = source.list(&Options::default(), &|| {}).await?;
//! assert_eq!((listed.items[0].id.as_str(), &*listed.items[0].label), ("pear/1.jpg", "pear"));
//! assert_eq!(listed.left_out.other_files, 1);
//! let read = source.read(&[&listed.items[0]]).await?;
//! assert_eq!(read[0].as_deref().unwrap(), b"a picture");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod classes;
mod error;
mod files;
mod item;
mod odd_labels;
mod sample;
mod selection;
mod source;

pub use classes::{Class, number};
pub use error::{Error, name_of_store_error};
pub use files::Files;
pub use item::{Content, Item, Rejected};
pub use odd_labels::{Names, OddLabels};
pub use selection::LeftOut;
pub use source::{Listed, Source};
