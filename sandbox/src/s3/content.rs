//! The bytes of objects: in memory, in a file, simulated, or several of these one after the other.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::stream;
use md5::{Digest as _, Md5};
use s3s::dto::StreamingBlob;
use tempfile::{NamedTempFile, TempDir, TempPath};

/// How much of a file or of simulated bytes is held at once while it streams.
const CHUNK_BYTES: usize = 256 << 10;

/// Bytes of an object or of a part; cheap to clone, never changed.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Held in memory.
    Memory(Bytes),
    /// A range of a file.
    File {
        file: Arc<SpilledFile>,
        range: Range<u64>,
    },
    /// `head`, then zeros up to `size_bytes`; nothing but the head is stored.
    Synthetic { head: Bytes, size_bytes: u64 },
    /// Several, one after the other; none of them is itself a sequence.
    Sequence {
        pieces: Arc<[Content]>,
        size_bytes: u64,
    },
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { range, .. } => range.end - range.start,
            Self::Synthetic { size_bytes, .. } | Self::Sequence { size_bytes, .. } => *size_bytes,
        }
    }

    /// Joins parts. Simulated neighbours merge, so that an object copied in parts is described as its source is.
    pub(super) fn sequence(parts: impl IntoIterator<Item = Content>) -> Self {
        let mut pieces: Vec<Content> = Vec::new();
        for part in parts {
            match part {
                Self::Sequence { pieces: inner, .. } => {
                    for piece in inner.iter() {
                        push_merged(&mut pieces, piece.clone());
                    }
                }
                piece => push_merged(&mut pieces, piece),
            }
        }
        match pieces.len() {
            0 => Self::Memory(Bytes::new()),
            1 => pieces.remove(0),
            _ => Self::Sequence {
                size_bytes: pieces.iter().map(Self::len).sum(),
                pieces: pieces.into(),
            },
        }
    }

    /// A part of it; `range` lies within its length.
    pub(super) fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Memory(bytes) => {
                Self::Memory(bytes.slice(to_usize(range.start)..to_usize(range.end)))
            }
            Self::File { file, range: whole } => Self::File {
                file: Arc::clone(file),
                range: whole.start + range.start..whole.start + range.end,
            },
            Self::Synthetic { head, .. } => {
                let head_bytes = head.len() as u64;
                Self::Synthetic {
                    head: head.slice(
                        to_usize(range.start.min(head_bytes))..to_usize(range.end.min(head_bytes)),
                    ),
                    size_bytes: range.end - range.start,
                }
            }
            Self::Sequence { pieces, .. } => {
                let mut offset = 0;
                let mut slices = Vec::new();
                for piece in pieces.iter() {
                    let (start, end) = (offset, offset + piece.len());
                    offset = end;
                    let (from, to) = (range.start.max(start), range.end.min(end));
                    if from < to {
                        slices.push(piece.slice(from - start..to - start));
                    }
                }
                Self::sequence(slices)
            }
        }
    }

    /// Up to `len` bytes from `offset`; fewer at the end, none beyond it.
    pub(super) fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let start = offset.min(self.len());
        let end = start.saturating_add(len as u64).min(self.len());
        match self.slice(start..end) {
            Self::Memory(bytes) => Ok(bytes),
            Self::File { file, range } => file.read(range),
            Self::Synthetic { head, size_bytes } => {
                let mut bytes = BytesMut::with_capacity(to_usize(size_bytes));
                bytes.extend_from_slice(&head);
                bytes.resize(to_usize(size_bytes), 0);
                Ok(bytes.freeze())
            }
            Self::Sequence { pieces, size_bytes } => {
                let mut bytes = BytesMut::with_capacity(to_usize(size_bytes));
                for piece in pieces.iter() {
                    bytes.extend_from_slice(&piece.read(0, usize::MAX)?);
                }
                Ok(bytes.freeze())
            }
        }
    }

    /// Its bytes in chunks, each read when it is asked for.
    pub(super) fn chunks(self) -> impl Iterator<Item = io::Result<Bytes>> + Send + Sync + use<> {
        let chunk_bytes = match &self {
            Self::Memory(bytes) => bytes.len().max(1),
            _ => CHUNK_BYTES,
        };
        (0..self.len())
            .step_by(chunk_bytes)
            .map(move |offset| self.read(offset, chunk_bytes))
    }

    pub(super) fn into_stream(self) -> StreamingBlob {
        StreamingBlob::wrap(stream::iter(self.chunks()))
    }

    /// MD5 as 16 bytes. Simulated content is digested by its description: all of its zeros would take minutes.
    pub(super) fn md5(&self) -> io::Result<[u8; 16]> {
        let mut md5 = Md5::new();
        if self.is_simulated() {
            self.describe(&mut md5)?;
        } else {
            for chunk in self.clone().chunks() {
                md5.update(chunk?);
            }
        }
        Ok(md5.finalize().into())
    }

    /// Whether any of it is simulated, so that checksums of it mean nothing.
    pub(super) fn is_simulated(&self) -> bool {
        match self {
            Self::Memory(_) | Self::File { .. } => false,
            Self::Synthetic { .. } => true,
            Self::Sequence { pieces, .. } => pieces.iter().any(Self::is_simulated),
        }
    }

    fn describe(&self, md5: &mut Md5) -> io::Result<()> {
        match self {
            Self::Memory(_) | Self::File { .. } => {
                for chunk in self.clone().chunks() {
                    md5.update(chunk?);
                }
            }
            Self::Synthetic { head, size_bytes } => {
                md5.update(head);
                md5.update(size_bytes.to_be_bytes());
            }
            Self::Sequence { pieces, .. } => {
                for piece in pieces.iter() {
                    piece.describe(md5)?;
                }
            }
        }
        Ok(())
    }
}

/// Appends a piece; zeros after simulated bytes only lengthen them.
fn push_merged(pieces: &mut Vec<Content>, piece: Content) {
    if piece.len() == 0 {
        return;
    }
    if let (
        Some(Content::Synthetic { size_bytes, .. }),
        Content::Synthetic {
            head,
            size_bytes: more_bytes,
        },
    ) = (pieces.last_mut(), &piece)
        && head.is_empty()
    {
        *size_bytes += more_bytes;
        return;
    }
    pieces.push(piece);
}

/// Sizes of what is in memory fit in memory.
fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A file that goes away with the last object that uses it.
#[derive(Debug)]
pub(super) struct SpilledFile {
    path: TempPath,
    /// The directory outlives its files.
    _dir: Arc<TempDir>,
}

impl SpilledFile {
    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(range.start))?;
        let mut bytes = vec![0; to_usize(range.end - range.start)];
        file.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Where contents too large for memory go.
#[derive(Debug)]
pub(super) struct Spill {
    /// Contents larger than this are kept on disk.
    limit_bytes: usize,
    /// Made when first needed, so that a simulation never touches the disk.
    dir: Mutex<Option<Arc<TempDir>>>,
}

impl Spill {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            dir: Mutex::new(None),
        }
    }

    pub(super) fn sink(&self) -> Sink<'_> {
        Sink {
            spill: self,
            memory: BytesMut::new(),
            file: None,
            md5: Md5::new(),
            len: 0,
        }
    }

    fn file(&self) -> io::Result<(NamedTempFile, Arc<TempDir>)> {
        let mut dir = self.dir.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = match &mut *dir {
            Some(dir) => dir,
            none => none.insert(Arc::new(TempDir::with_prefix("sandbox-s3-")?)),
        };
        Ok((NamedTempFile::new_in(dir.path())?, Arc::clone(dir)))
    }
}

/// Takes a body chunk by chunk, in memory until it is too large.
pub(super) struct Sink<'a> {
    spill: &'a Spill,
    memory: BytesMut,
    file: Option<(NamedTempFile, Arc<TempDir>)>,
    md5: Md5,
    len: u64,
}

impl Sink<'_> {
    pub(super) fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.md5.update(chunk);
        self.len += chunk.len() as u64;
        if self.file.is_none() && self.memory.len() + chunk.len() > self.spill.limit_bytes {
            let (mut file, dir) = self.spill.file()?;
            file.write_all(&self.memory)?;
            self.memory = BytesMut::new();
            self.file = Some((file, dir));
        }
        if let Some((file, _)) = &mut self.file {
            return file.write_all(chunk);
        }
        self.memory.extend_from_slice(chunk);
        Ok(())
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The content and its MD5.
    pub(super) fn finish(self) -> (Content, [u8; 16]) {
        let md5 = self.md5.finalize().into();
        let content = match self.file {
            Some((file, dir)) => Content::File {
                file: Arc::new(SpilledFile {
                    path: file.into_temp_path(),
                    _dir: dir,
                }),
                range: 0..self.len,
            },
            None => Content::Memory(self.memory.freeze()),
        };
        (content, md5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spilled(bytes: &[u8]) -> Content {
        let spill = Spill::new(0);
        let mut sink = spill.sink();
        sink.write(bytes).unwrap();
        sink.finish().0
    }

    #[track_caller]
    fn check(content: &Content, expect: &[u8]) {
        assert_eq!(content.len(), expect.len() as u64);
        assert_eq!(content.read(0, usize::MAX).unwrap(), expect);
        let chunks: Vec<u8> = content
            .clone()
            .chunks()
            .flat_map(|chunk| chunk.unwrap())
            .collect();
        assert_eq!(chunks, expect);
    }

    #[test]
    fn every_kind_reads_slices_and_joins_alike() {
        let whole = b"head\0\0\0\0\0\0";
        let kinds = [
            Content::Memory(Bytes::from_static(whole)),
            spilled(whole),
            Content::Synthetic {
                head: Bytes::from_static(b"head"),
                size_bytes: 10,
            },
            Content::sequence([
                Content::Memory(Bytes::from_static(b"he")),
                spilled(b"ad"),
                Content::Synthetic {
                    head: Bytes::new(),
                    size_bytes: 6,
                },
            ]),
        ];
        for content in &kinds {
            check(content, whole);
            for start in 0..=10 {
                for end in start..=10 {
                    check(&content.slice(start as u64..end as u64), &whole[start..end]);
                }
            }
            check(
                &Content::sequence([
                    content.slice(0..3),
                    content.slice(3..7),
                    content.slice(7..10),
                ]),
                whole,
            );
        }
    }

    #[test]
    fn simulated_content_cut_up_and_joined_is_the_same_content() {
        let content = Content::Synthetic {
            head: Bytes::from_static(b"ftyp"),
            size_bytes: 12 << 30,
        };
        let joined = Content::sequence([
            content.slice(0..5 << 30),
            content.slice(5 << 30..10 << 30),
            content.slice(10 << 30..12 << 30),
        ]);
        assert_eq!(joined.md5().unwrap(), content.md5().unwrap());
        assert_eq!(joined.read(2, 4).unwrap(), &b"yp\0\0"[..]);
    }

    #[test]
    fn a_spilled_file_goes_away_with_its_last_user() {
        let content = spilled(b"bytes");
        let Content::File { file, .. } = &content else {
            panic!("not spilled");
        };
        let path = file.path.to_path_buf();
        let part = content.slice(1..2);
        drop(content);
        assert!(path.exists());
        drop(part);
        assert!(!path.exists());
    }
}
