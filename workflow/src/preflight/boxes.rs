//! The header of a box.

use super::codec::FourCc;

/// Longest header: size, type and a 64-bit size.
pub(super) const HEADER_LEN_MAX: u64 = 16;

/// Shortest header: size and type.
pub(super) const HEADER_LEN_MIN: u64 = 8;

/// Type and extent of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: FourCc,
    /// Offset of the first byte after the header.
    pub(super) body: u64,
    /// Offset of the first byte after the box; may lie beyond the parent or the file.
    pub(super) end: u64,
}

impl Header {
    /// The header at `offset`, from the bytes there (as many of the first [`HEADER_LEN_MAX`] as the parent has). A size
    /// of 0 reaches to the parent's end. None if the size is smaller than the header.
    pub(super) fn parse(bytes: &[u8], offset: u64, parent_end: u64) -> Option<Self> {
        let size = u32_at(bytes, 0)?;
        let kind = FourCc(array_at(bytes, 4)?);
        let (len, size) = match size {
            0 => (HEADER_LEN_MIN, parent_end.checked_sub(offset)?),
            1 => (HEADER_LEN_MAX, u64_at(bytes, 8)?),
            _ => (HEADER_LEN_MIN, u64::from(size)),
        };
        (size >= len).then(|| Self {
            kind,
            body: offset.saturating_add(len),
            end: offset.saturating_add(size),
        })
    }
}

/// `N` bytes at `offset`, if there are so many.
pub(super) fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

/// Big-endian.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_be_bytes)
}

/// Big-endian.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_be_bytes)
}

/// Big-endian.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_be_bytes)
}
