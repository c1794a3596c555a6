//! A folder whose videos are uploaded as soon as they are complete.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use aws_sdk_s3::primitives::ByteStream;

use super::labels::file_name;
use super::session::Session;
use super::table::printable;
use super::videos::labels_path;

/// How often the folder is looked at, in real time.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a file looked like: a file that changes is not complete, and one that changed after its upload is a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Looks {
    size_bytes: u64,
    modified: SystemTime,
}

#[derive(Debug)]
struct Seen {
    looks: Looks,
    uploaded: bool,
}

/// A folder that videos are dropped in.
#[derive(Debug)]
pub(super) struct DropFolder {
    path: PathBuf,
    /// Where the moderation service looks for labels; None if the user named a folder of their own.
    labels: Option<PathBuf>,
    seen: BTreeMap<String, Seen>,
}

impl DropFolder {
    /// A folder, and where to put the labels files found in it.
    pub(super) fn new(path: PathBuf, labels: Option<PathBuf>) -> Self {
        Self {
            path,
            labels,
            seen: BTreeMap::new(),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Uploads what is dropped, until dropped itself. A file that cannot be uploaded is told and left until it changes.
    ///
    /// # Errors
    /// When the folder cannot be read any more.
    pub(super) async fn watch(&mut self, session: &Session) -> anyhow::Result<()> {
        loop {
            for name in self.complete()? {
                let told = match self.upload(session, &name).await {
                    Ok(version_id) => {
                        format!("uploaded {} as version {version_id}", printable(&name))
                    }
                    Err(error) => format!("{} was not uploaded: {error:#}", printable(&name)),
                };
                let mut stdout = std::io::stdout();
                // Serving goes on without a reader.
                let _ = writeln!(stdout, "{told}").and_then(|()| stdout.flush());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Names of files that look as they did the last time and were not uploaded yet; they count as uploaded from now on.
    fn complete(&mut self) -> anyhow::Result<Vec<String>> {
        let context = || format!("the folder {} cannot be read", self.path.display());
        let mut now: BTreeMap<String, Looks> = BTreeMap::new();
        for entry in std::fs::read_dir(&self.path).with_context(context)? {
            let entry = entry.with_context(context)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            // A file may be gone or renamed by now.
            let Ok(metadata) = std::fs::metadata(entry.path()) else {
                continue;
            };
            if metadata.is_file() && is_video(&name) {
                let modified = metadata.modified().with_context(context)?;
                let size_bytes = metadata.len();
                now.insert(
                    name,
                    Looks {
                        size_bytes,
                        modified,
                    },
                );
            }
        }
        let mut complete = Vec::new();
        self.seen.retain(|name, _| now.contains_key(name));
        for (name, looks) in now {
            match self.seen.get_mut(&name) {
                Some(seen) if seen.looks == looks => {
                    if !seen.uploaded {
                        seen.uploaded = true;
                        complete.push(name);
                    }
                }
                _ => {
                    let uploaded = false;
                    self.seen.insert(name, Seen { looks, uploaded });
                }
            }
        }
        Ok(complete)
    }

    async fn upload(&self, session: &Session, name: &str) -> anyhow::Result<String> {
        let path = self.path.join(name);
        let beside = labels_path(&path);
        if let Some(labels) = &self.labels
            && beside.is_file()
        {
            std::fs::copy(&beside, labels.join(file_name(name)))
                .with_context(|| format!("{} cannot be copied", beside.display()))?;
        }
        let body = ByteStream::from_path(&path).await?;
        let put = session
            .operator
            .s3
            .put_object()
            .bucket(&session.stack.raw_bucket)
            .key(name);
        let put = put.body(body).send().await?;
        Ok(put.version_id.unwrap_or_default())
    }
}

/// Whether a file may be meant as a video: not hidden, no labels, and not one that a browser or rsync is still writing.
fn is_video(name: &str) -> bool {
    const UNFINISHED: [&str; 5] = [".labels.json", ".part", ".partial", ".crdownload", ".tmp"];
    !name.starts_with('.') && !UNFINISHED.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_complete_once_it_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clip.mp4");
        let mut drops = DropFolder::new(folder.path().to_owned(), None);
        std::fs::write(&file, "1").unwrap();
        assert!(drops.complete().unwrap().is_empty());
        std::fs::write(&file, "12").unwrap();
        assert!(drops.complete().unwrap().is_empty());
        assert_eq!(drops.complete().unwrap(), ["clip.mp4"]);
        assert!(drops.complete().unwrap().is_empty());
        std::fs::write(&file, "another version").unwrap();
        assert!(drops.complete().unwrap().is_empty());
        assert_eq!(drops.complete().unwrap(), ["clip.mp4"]);
    }

    #[test]
    fn what_is_no_complete_video_is_left() {
        for name in [
            ".clip.mp4.x7",
            "clip.labels.json",
            "clip.mp4.part",
            "clip.mp4.crdownload",
        ] {
            assert!(!is_video(name), "{name}");
        }
        assert!(is_video("a b+c%20 🎬 ..clean.mp4"));
    }

    #[test]
    fn a_folder_that_went_away_is_an_error() {
        let mut drops = DropFolder::new(PathBuf::from("/nowhere/at/all"), None);
        assert!(
            drops
                .complete()
                .unwrap_err()
                .to_string()
                .contains("cannot be read")
        );
    }
}
