//! The name of a run: a UTC timestamp and eight hex digits, so that names sort by time.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SubsecRound, Utc};
use serde::{Deserialize, Serialize};

use crate::{chance, clock, names};

/// A run's name, for instance `20260131T120000Z-0123abcd`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// A new name for a run that starts now on this machine.
    pub fn now() -> Self {
        Self::new(clock::now(), &chance::draw().to_string())
    }

    /// The name of the run that started at `started` under the name `seed`: the same for every retry.
    pub fn new(started: DateTime<Utc>, seed: &str) -> Self {
        let digest = names::digest(seed.as_bytes());
        let timestamp = started.trunc_subsecs(0).format("%Y%m%dT%H%M%SZ");
        Self(format!("{timestamp}-{}", &digest[..8]))
    }

    /// When the run started, to the second; sorts by time.
    pub fn timestamp(&self) -> &str {
        self.0.split_once('-').map_or(&self.0, |(timestamp, _)| timestamp)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A word that is not a run's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no run id; one looks like 20260131T120000Z-0123abcd")]
pub struct NoRunId(String);

impl FromStr for RunId {
    type Err = NoRunId;

    fn from_str(text: &str) -> Result<Self, NoRunId> {
        let is_name = text.split_once('-').is_some_and(|(timestamp, seed)| {
            timestamp.len() == 16
                && timestamp.bytes().all(|byte| byte.is_ascii_digit() || byte == b'T' || byte == b'Z')
                && seed.len() == 8
                && seed.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        if is_name { Ok(Self(text.to_owned())) } else { Err(NoRunId(text.to_owned())) }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_is_a_timestamp_and_eight_digits_and_retries_agree() {
        let started = DateTime::parse_from_rfc3339("2026-01-31T12:00:00.75Z").unwrap().to_utc();
        let run = RunId::new(started, "execution");
        assert!(run.as_str().starts_with("20260131T120000Z-"));
        assert_eq!(run.as_str().len(), 25);
        assert_eq!(run, RunId::new(started, "execution"));
        assert_ne!(run, RunId::new(started, "another"));
        assert_ne!(RunId::now(), RunId::now());
    }

    #[test]
    fn a_run_id_reads_back_and_anything_else_is_refused() {
        let run = RunId::now();
        assert_eq!(run.as_str().parse(), Ok(run.clone()));
        for text in ["", "latest", "../20260131T120000Z-0123abcd", "20260131T120000Z-0123abcg", "2026-01-31"] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
        }
    }
}
