//! Datasets: which images an input gives, what they are called, how their bytes are read, and what is left out.
//!
//! A [`Source`] is one form that a dataset may have; everything above it sees [`Item`]s and knows no format. The one
//! that there is so far is [`Images`]: files in a folder or below a prefix of a bucket, and there the
//! members of archives and the rows of tables.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! use pomona_dataset::{Images, Source};
//! use pomona_run::Options;
//!
//! # let folder = tempfile::tempdir()?;
//! # std::fs::create_dir(folder.path().join("pear"))?;
//! # std::fs::write(folder.path().join("pear/1.jpg"), "a picture")?;
//! # std::fs::write(folder.path().join("notes.txt"), "not a picture")?;
//! let store = pomona_store::LocalStore::open(folder.path())?;
//! let source = Images::new(&store);
//! let listed = source.list(&Options::default(), &|| {}).await?;
//! assert_eq!((listed.items[0].id.as_str(), &*listed.items[0].label), ("pear/1.jpg", "pear"));
//! assert_eq!(listed.left_out.other_files, 1);
//! let items = [&listed.items[0]];
//! let read = source.reader(&items).read(&items).await?;
//! assert_eq!(read[0].as_deref().unwrap(), b"a picture");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod classes;
mod error;
mod images;
mod input;
mod item;
mod neighbours;
mod odd_labels;
mod reader;
mod sample;
mod selection;
mod source;
pub mod tables;

pub use archive::{Index, Indexed, Indexes, NoIndexes, Pages};
pub use classes::{Class, number};
pub use error::{Error, name_of_store_error};
pub use images::Images;
pub use input::{parted, parted_bucket};
pub use item::{Content, Item, Member, Place, Rejected, archived};
pub use neighbours::heads;
pub use odd_labels::{Names, OddLabels};
pub use selection::LeftOut;
pub use source::{Listed, Reader, Source};
