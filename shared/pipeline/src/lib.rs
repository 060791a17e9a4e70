//! The stages that turn a dataset of images into features, principal components and validated tables.
//!
//! A run passes through [`plan`], [`extract`], [`merge`] (the stage `combine`), [`reduce`], [`project`] and [`report`]. Each stage takes
//! names and counters, reads and writes everything else through a [`Store`](pomona_store::Store), and may be repeated at any time: what exists is not made
//! again, and what is made again is the same, byte for byte. [`local`] runs them in one process; on AWS a state machine calls the same
//! functions.
//!
//! [`pomona_run::layout`] knows where every file lies and [`pomona_run::names`] what it is called: names are contents, so they answer the question whether work
//! was done already.

pub mod compute;
mod damages;
pub mod digests;
mod earlier;
pub mod error;
pub mod expiry;
pub mod extract;
pub mod fragments;
mod history;
mod html;
pub mod inspect;
mod json;
pub mod latest;
mod limit;
pub mod listing;
pub mod local;
pub mod lock;
pub mod losses;
mod memory;
pub mod merge;
mod model_file;
mod moments_file;
pub mod odd_labels;
pub mod open;
pub mod output;
mod part;
pub mod plan;
pub mod planned;
pub mod project;
mod provenance;
pub mod recipe;
pub mod reduce;
mod refusal;
mod rejects;
pub mod report;
pub mod sample;
pub mod search;
pub mod selection;
mod tables;
pub mod validation;
mod watched;

pub use error::Error;
