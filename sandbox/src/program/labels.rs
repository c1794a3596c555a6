//! Labels files, gathered in the one folder where the emulated moderation service looks for them.

use std::path::Path;

use anyhow::Context as _;
use tempfile::TempDir;

use super::videos::{Video, labels_path};

/// Name of the labels file of an object in that folder.
pub(super) fn file_name(key: &str) -> String {
    format!("{key}.labels.json")
}

/// A folder with the labels of all videos: those beside the video, else those of `folder`.
///
/// # Errors
/// When a file cannot be copied.
pub(super) fn gather(videos: &[Video], folder: Option<&Path>) -> anyhow::Result<TempDir> {
    let gathered = tempfile::tempdir().context("no folder for labels can be made")?;
    for video in videos {
        let name = file_name(&video.key);
        let beside = Some(labels_path(&video.path));
        let sources = [beside, folder.map(|folder| folder.join(&name))];
        if let Some(source) = sources
            .into_iter()
            .flatten()
            .find(|source| source.is_file())
        {
            std::fs::copy(&source, gathered.path().join(&name))
                .with_context(|| format!("{} cannot be copied", source.display()))?;
        }
    }
    Ok(gathered)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::program::videos::videos;

    #[test]
    fn labels_beside_the_video_go_before_those_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let labels = folder.path().join("labels");
        fs::create_dir(&labels).unwrap();
        for (name, text) in [
            ("a.mp4", "x"),
            ("b.mp4", "x"),
            ("c.mp4", "x"),
            ("a.labels.json", "beside"),
            ("labels/a.mp4.labels.json", "folder"),
            ("labels/b.mp4.labels.json", "folder"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let files = ["a.mp4", "b.mp4", "c.mp4"].map(|name| folder.path().join(name));
        let gathered = gather(&videos(&files).unwrap(), Some(&labels)).unwrap();
        let read = |key| fs::read_to_string(gathered.path().join(file_name(key))).ok();
        assert_eq!(read("a.mp4").as_deref(), Some("beside"));
        assert_eq!(read("b.mp4").as_deref(), Some("folder"));
        assert_eq!(read("c.mp4"), None);
    }
}
