//! Where weight files come from.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::client::{self, Client};
use crate::layers::WeightFile;
use crate::npy::ELEMENT_BYTES;
use crate::{Error, Result, sha256_hex};

/// More than any `.npy` header of these files takes.
const HEADER_ALLOWANCE: usize = 4096;

/// A place that has the published `.npy` files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `http://` or `https://` base URL: a file's name is appended after one slash.
    Url(String),
    /// A folder that holds the files.
    Folder(PathBuf),
}

impl Source {
    /// The two places on the web that publish the files: a commit that cannot change, then the branch that can.
    pub fn published() -> Vec<Source> {
        const BASES: [&str; 2] = [
            "https://raw.githubusercontent.com/ibelem/test-data/d9f1537096b0fcbbef0889b540bf8ce6c8833969/models/mobilenetv2_nhwc/weights",
            "https://raw.githubusercontent.com/webmachinelearning/test-data/main/models/mobilenetv2_nhwc/weights",
        ];
        BASES.map(|base| Source::Url(base.into())).to_vec()
    }

    /// The host to ask, where there is one.
    pub(crate) fn host(&self) -> Option<String> {
        match self {
            Source::Url(base) => client::host(base),
            Source::Folder(_) => None,
        }
    }

    /// One file, read once and checked by its digest.
    pub(crate) fn read(&self, file: &WeightFile, client: &Client) -> Result<Vec<u8>> {
        let (location, bytes) = match self {
            Source::Url(base) => {
                let url = format!("{}/{}", base.trim_end_matches('/'), file.name);
                let most = file.elements * ELEMENT_BYTES + HEADER_ALLOWANCE;
                let bytes = client.get(&url, most as u64)?;
                (url, bytes)
            }
            Source::Folder(folder) => {
                let path = folder.join(file.name);
                let bytes = std::fs::read(&path).map_err(|reason| Error::ReadWeights { path: path.clone(), reason })?;
                (path.display().to_string(), bytes)
            }
        };
        let found = sha256_hex(&bytes);
        if found != file.sha256 {
            return Err(Error::WrongWeights { location, found, expected: file.sha256.clone().into_owned() });
        }
        Ok(bytes)
    }

    /// Whether another try may end better: the network can fail and recover, and a cut transfer may only show in the
    /// digest; a folder stays as it is.
    pub(crate) fn may_recover_from(&self, failure: &Error) -> bool {
        match failure {
            Error::Download { reason, .. } => client::may_pass(reason),
            Error::WrongWeights { .. } => matches!(self, Source::Url(_)),
            _ => false,
        }
    }
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |problem| Err(Error::BadSource { text: text.into(), problem });
        match text.split_once("://") {
            Some(("http" | "https", host)) if !host.trim_start_matches('/').is_empty() => Ok(Source::Url(text.into())),
            Some(("http" | "https", _)) => bad("the URL names no host"),
            Some(_) => bad("neither http nor https"),
            None if text.is_empty() => bad("is empty"),
            None => Ok(Source::Folder(text.into())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Url(base) => formatter.write_str(base),
            Source::Folder(folder) => folder.display().fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_web_address_or_a_folder() {
        assert_eq!("https://mirror.test/w/".parse::<Source>().unwrap(), Source::Url("https://mirror.test/w/".into()));
        assert_eq!("weights/npy".parse::<Source>().unwrap(), Source::Folder("weights/npy".into()));
        for bad in ["", "ftp://mirror.test/w", "s3://bucket/w", "https://"] {
            let message = bad.parse::<Source>().unwrap_err().to_string();
            assert!(message.contains("give an http:// or https:// URL or a folder"), "{message}");
        }
    }
}
