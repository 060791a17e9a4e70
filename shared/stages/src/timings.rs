//! report/timings.csv: how long each stage of a run took.
//!
//! A report may be called twice, at once or hours apart, and its files must be the same then: each vouches for the
//! others. So the first one settles what the times are, and these are the only times in the files.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use pomona_formats::Error as FileError;
use pomona_formats::tables::{self, CsvTable};
use pomona_run::stage::{Stage, Timing};
use pomona_store::{Error as StoreError, Store};

use crate::error::Error;

/// The times at `key`: those that were settled before, or else these, to the millisecond.
///
/// # Errors
/// Those of the store, and [`FileError::Inconsistent`] where the file holds something else.
pub(crate) async fn settle(output: &dyn Store, key: &str, timings: &[Timing]) -> Result<(Vec<Timing>, Bytes), Error> {
    let mine = to_csv(key, timings)?;
    let bytes = match output.create(key, mine.clone()).await {
        Ok(()) => mine,
        Err(StoreError::AlreadyExists { .. }) => output.get(key).await?.bytes,
        Err(error) => return Err(error.into()),
    };
    Ok((tables::from_csv(key, &bytes, Stage::ALL.len())?, bytes))
}

fn to_csv(key: &str, timings: &[Timing]) -> Result<Bytes, FileError> {
    let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let mut csv = CsvTable::new(key, ["stage", "started", "finished", "seconds", "items"])?;
    for timing in timings {
        csv.row([
            timing.stage.to_string(),
            time(timing.started),
            time(timing.finished),
            format!("{:.3}", timing.seconds()),
            timing.items.to_string(),
        ])?;
    }
    csv.finish()
}
