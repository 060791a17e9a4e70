//! Archives: what they hold, where in them it lies, and how it is read.

mod contents;
mod form;
mod index;
mod labels;
mod names;
mod packed;
mod tar;
mod zip;

pub use contents::{Index, Indexed, Indexes, NoIndexes};
pub(crate) use form::{FETCH, Form, Packing};
pub(crate) use index::index_of;
pub(crate) use packed::{NotUnpacked, Unpacked};
pub(crate) use zip::member as zip_member;
