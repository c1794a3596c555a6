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
        if let Some(folder) = named {
            std::fs::create_dir_all(folder).with_context(|| {
                format!(
                    "{} cannot be made: choose another --log-dir",
                    folder.display()
                )
            })?;
            return Ok(Self::Named(folder.to_owned()));
        }
        let folder = tempfile::Builder::new().prefix("reelgate-logs-").tempdir();
        Ok(Self::Temporary(
            folder.context("no folder for logs can be made")?,
        ))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Named(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }

    /// Whether nothing was logged.
    pub(super) fn is_empty(&self) -> bool {
        std::fs::read_dir(self.path()).is_ok_and(|mut files| files.next().is_none())
    }

    /// Keeps it beyond this run.
    pub(super) fn keep(self) -> PathBuf {
        match self {
            Self::Named(folder) => folder,
            Self::Temporary(folder) => folder.keep(),
        }
    }
}
