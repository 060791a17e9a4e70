//! Which numbers fill the network: digests of the files that hold them and of the model that they make up.

use crate::assemble::{WeightFiles, assemble};
use crate::layers::{WeightFile, weight_files};
use crate::{MODEL_NAME, MODEL_SHA256, Result, sha256_hex};

/// One set of weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edition {
    /// Its files, in the order of the network's layers.
    pub files: Vec<WeightFile>,
    /// SHA-256 of the assembled ONNX file, lower-case hex.
    pub model_sha256: String,
}

impl Edition {
    /// Google's weights, trained on ImageNet.
    pub fn published() -> Self {
        Self { files: weight_files().collect(), model_sha256: MODEL_SHA256.into() }
    }

    /// The edition that these files make up.
    ///
    /// # Errors
    /// Those of [`assemble`].
    pub fn of(files: &WeightFiles) -> Result<Self> {
        let model_sha256 = sha256_hex(&assemble(files)?);
        let files = weight_files().map(|file| WeightFile { sha256: sha256_hex(&files[file.name]).into(), ..file });
        Ok(Self { files: files.collect(), model_sha256 })
    }

    /// The file name under which a cache keeps the model.
    pub(crate) fn model_file(&self) -> String {
        format!("{MODEL_NAME}-{}.onnx", &self.model_sha256[..12])
    }
}
