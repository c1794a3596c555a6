//! Where the functions' logs go: one file a function, every line as the function wrote it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use tempfile::TempDir;

/// A folder with the functions' logs.
#[derive(Debug)]
pub(super) struct Logs {
    folder: PathBuf,
    files: Mutex<BTreeMap<String, File>>,
}

impl Logs {
    /// Logs in a folder, which is made if there is none.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn new(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| {
            format!(
                "{} cannot be made: choose another --log-dir",
                folder.display()
            )
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            files: Mutex::default(),
        })
    }

    /// Appends a line to `<function>.log`. What cannot be written is told on standard error: logs stop no function.
    pub(super) fn line(&self, function: &str, line: &str) {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = self.write(&mut files, function, line) {
            tracing::warn!(function, %error, "a line of its log is lost");
        }
    }

    fn write(
        &self,
        files: &mut BTreeMap<String, File>,
        function: &str,
        line: &str,
    ) -> std::io::Result<()> {
        if !files.contains_key(function) {
            let path = self.folder.join(format!("{function}.log"));
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            files.insert(function.to_owned(), file);
        }
        match files.get_mut(function) {
            Some(file) => writeln!(file, "{line}"),
            None => Ok(()),
        }
    }
}

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
    /// When no temporary folder can be made.
    pub(super) fn new(named: Option<&Path>) -> anyhow::Result<Self> {
        Ok(match named {
            Some(folder) => Self::Named(folder.to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_has_a_file_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs");
        let logs = Logs::new(&path).unwrap();
        logs.line("a", "one");
        logs.line("b", "two");
        logs.line("a", "three");
        assert_eq!(
            std::fs::read_to_string(path.join("a.log")).unwrap(),
            "one\nthree\n"
        );
        assert_eq!(
            std::fs::read_to_string(path.join("b.log")).unwrap(),
            "two\n"
        );
    }
}
