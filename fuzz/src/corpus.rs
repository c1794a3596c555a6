//! The files that mutation begins with.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// Inputs of one target, in the order of their names.
#[derive(Debug)]
pub struct Corpus {
    seeds: Vec<Seed>,
}

/// One file of a corpus.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The file's name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Corpus {
    /// The files of folders of this repository.
    ///
    /// # Errors
    /// When a folder cannot be read, or there is no file in any.
    pub fn read(folders: &[&str]) -> anyhow::Result<Self> {
        let mut seeds = Vec::new();
        for folder in folders {
            let folder = root().join(folder);
            let entries = fs::read_dir(&folder)
                .with_context(|| format!("{} cannot be read", folder.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.is_file() {
                    seeds.push(Seed::read(&path)?);
                }
            }
        }
        ensure!(!seeds.is_empty(), "no file in {folders:?}");
        // The order of a folder's entries is chance.
        seeds.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { seeds })
    }

    /// All of them; never empty.
    #[must_use]
    pub fn seeds(&self) -> &[Seed] {
        &self.seeds
    }
}

impl Seed {
    /// One file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            name: name.into_owned(),
            bytes,
        })
    }
}

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
