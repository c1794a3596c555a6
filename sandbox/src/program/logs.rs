//! Where the functions' logs go: one file a function, every line as the function wrote it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tempfile::TempDir;

/// The folder of the logs: the user's, or one that is deleted unless it is worth looking at.
#[derive(Debug)]
pub(super) enum LogFolder {
    /// Named by the user.
    Named(PathBuf),
    /// Made for this run.
    Temporary(TempDir),
}

impl LogFolder {
    /// The named folder, or a new one.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(named: Option<&Path>) -> anyhow::Result<Self> {
        Ok(match named {
            Some(folder) => {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("--log-dir {} cannot be made", folder.display()))?;
                Self::Named(folder.to_owned())
            }
            None => {
                let builder = tempfile::Builder::new().prefix("reelgate-logs-").tempdir();
                Self::Temporary(builder.context("no folder for logs can be made")?)
            }
        })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Named(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }

    /// Keeps it beyond this run.
    pub(super) fn keep(self) -> PathBuf {
        match self {
            Self::Named(folder) => folder,
            Self::Temporary(folder) => folder.keep(),
        }
    }
}
