//! Archives: what they hold, where in them it lies, and how it is read.

mod columns;
mod contents;
mod form;
mod index;
mod labels;
mod names;
mod packed;
mod page_header;
mod pages;
mod parquet;
mod ranges;
mod tar;
mod zip;

pub(crate) use contents::Wanted;
pub use contents::{Index, Indexed, Indexes, NoIndexes};
pub(crate) use form::{FETCH, Form, Packing};
pub(crate) use index::index_of;
pub(crate) use packed::{NotUnpacked, Unpacked};
pub use pages::Pages;
pub(crate) use zip::member as zip_member;
