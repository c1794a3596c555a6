//! Which files are uploaded, under which keys.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::expected::{self, Expected};
use super::outcome::Verdict;

/// Largest object of one PutObject (S3 user guide, "Uploading objects").
const PUT_BYTES_MAX: u64 = 5 << 30;

/// A file on its way through the gate.
#[derive(Debug, Clone)]
pub(super) struct Video {
    /// Key in the raw bucket: the file's name.
    pub(super) key: String,
    /// The file.
    pub(super) path: PathBuf,
    /// Its size.
    pub(super) size_bytes: u64,
    /// What is expected of it; None for anything but samples.
    pub(super) expected: Option<Expected>,
}

impl Video {
    fn new(path: PathBuf, expected: Option<Expected>) -> anyhow::Result<Self> {
        let metadata = std::fs::metadata(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        if !metadata.is_file() {
            bail!("{} is not a file: name video files", path.display());
        }
        if metadata.len() > PUT_BYTES_MAX {
            bail!(
                "{} is larger than the 5 GiB that one PutObject takes: upload it in parts to `sandbox serve`, as `aws s3 cp` does",
                path.display()
            );
        }
        let key = path
            .file_name()
            .and_then(|name| name.to_str())
            .with_context(|| {
                format!(
                    "{} has a name that is not UTF-8, as keys of S3 are",
                    path.display()
                )
            })?
            .to_owned();
        Ok(Self {
            key,
            size_bytes: metadata.len(),
            path,
            expected,
        })
    }

    /// The outcome that its upload alone decides: the gate starts no execution for an object without bytes.
    pub(super) fn decided(&self) -> Option<(Verdict, &'static str)> {
        (self.size_bytes == 0).then_some((Verdict::Ignored, "an empty object is no video"))
    }
}

/// The labels file that belongs to a video: `<stem>.labels.json` beside it.
pub(super) fn labels_path(video: &Path) -> PathBuf {
    video.with_extension("labels.json")
}

/// The files that were named, or the samples if none was.
///
/// # Errors
/// When a file cannot be read, or two of them would be the same object.
pub(super) fn videos(files: &[PathBuf]) -> anyhow::Result<Vec<Video>> {
    if files.is_empty() {
        let (folder, expected) = expected::samples()?;
        return expected
            .into_iter()
            .map(|(name, expected)| Video::new(folder.join(name), Some(expected)))
            .collect();
    }
    let mut seen: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut videos = Vec::with_capacity(files.len());
    for path in files {
        let video = Video::new(path.clone(), None)?;
        if let Some(other) = seen.insert(video.key.clone(), path.clone()) {
            bail!(
                "{} and {} would be the same object {}: rename one of them",
                other.display(),
                path.display(),
                video.key
            );
        }
        videos.push(video);
    }
    Ok(videos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_beside_the_video() {
        assert_eq!(
            labels_path(Path::new("a/clip.mp4")),
            Path::new("a/clip.labels.json")
        );
        assert_eq!(
            labels_path(Path::new("a/x ..clean.mp4")),
            Path::new("a/x ..clean.labels.json")
        );
    }

    #[test]
    fn keys_are_file_names_and_must_differ() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/clip.mp4", "b/clip.mp4", "b/empty.mp4"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, if name.ends_with("clip.mp4") { "x" } else { "" }).unwrap();
        }
        let path = |name: &str| folder.path().join(name);
        let found = videos(&[path("a/clip.mp4"), path("b/empty.mp4")]).unwrap();
        assert_eq!(found[0].key, "clip.mp4");
        assert!(found[0].decided().is_none() && found[1].decided().is_some());
        let error = videos(&[path("a/clip.mp4"), path("b/clip.mp4")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("would be the same object clip.mp4"),
            "{error}"
        );
        let error = videos(&[path("a")]).unwrap_err().to_string();
        assert!(error.contains("is not a file"), "{error}");
        let error = format!("{:#}", videos(&[path("none.mp4")]).unwrap_err());
        assert!(error.contains("none.mp4 cannot be read"), "{error}");
    }
}
