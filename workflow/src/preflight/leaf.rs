//! The few boxes whose contents matter. Each takes the body (without header), possibly cut off, and reads what is there.

use super::boxes::{array_at, u16_at, u32_at, u64_at};
use super::codec::FourCc;

/// Sample entries and data references looked at per track; no real file has more than a handful.
const ENTRIES_MAX: usize = 64;

/// A time scale and a duration in it (`mvhd`, `mdhd`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Timing {
    /// Units a second.
    pub(super) timescale: u32,
    /// None if 0 or all ones, which both mean "not known".
    pub(super) duration: Option<u64>,
}

impl Timing {
    /// `duration` units in milliseconds; None without a time scale.
    pub(super) fn to_ms(self, duration: u64) -> Option<u64> {
        let ms = (u128::from(duration) * 1000).checked_div(u128::from(self.timescale))?;
        Some(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    /// The duration in milliseconds, if the file says so.
    pub(super) fn duration_ms(self) -> Option<u64> {
        self.to_ms(self.duration?)
    }
}

/// `mvhd` and `mdhd` begin alike: version, two dates, time scale, duration (ISO/IEC 14496-12, 8.2.2 and 8.4.2).
pub(super) fn timing(body: &[u8]) -> Option<Timing> {
    let (timescale, duration) = match body.first()? {
        0 => (u32_at(body, 12)?, known_u32(u32_at(body, 16)?)),
        1 => (u32_at(body, 20)?, known_u64(u64_at(body, 24)?)),
        _ => return None,
    };
    Some(Timing {
        timescale,
        duration,
    })
}

/// `mehd`: the whole duration of a fragmented file, in the movie's time scale (8.8.2).
pub(super) fn fragment_duration(body: &[u8]) -> Option<u64> {
    match body.first()? {
        0 => known_u32(u32_at(body, 4)?),
        1 => known_u64(u64_at(body, 4)?),
        _ => None,
    }
}

fn known_u32(duration: u32) -> Option<u64> {
    (duration != 0 && duration != u32::MAX).then_some(u64::from(duration))
}

fn known_u64(duration: u64) -> Option<u64> {
    (duration != 0 && duration != u64::MAX).then_some(duration)
}

/// `hdlr`: the kind of a track (8.4.3).
pub(super) fn handler(body: &[u8]) -> Option<FourCc> {
    array_at(body, 8).map(FourCc)
}

/// One entry of `stsd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SampleEntry {
    pub(super) kind: FourCc,
    /// 1-based index into the data references.
    pub(super) data_reference: u16,
    /// Of a visual sample entry; of another kind meaningless.
    pub(super) width: u16,
    pub(super) height: u16,
}

/// `stsd`: how samples are encoded (8.5.2, 12.1.3), and whether all entries were read.
pub(super) fn sample_entries(body: &[u8]) -> (Vec<SampleEntry>, bool) {
    let promised = u32_at(body, 4).unwrap_or(0) as usize;
    let entries: Vec<_> = entries(body)
        .take(promised.min(ENTRIES_MAX))
        .filter_map(|(kind, entry)| {
            Some(SampleEntry {
                kind,
                data_reference: u16_at(entry, 6)?,
                width: u16_at(entry, 24).unwrap_or(0),
                height: u16_at(entry, 26).unwrap_or(0),
            })
        })
        .collect();
    let complete = !entries.is_empty() && entries.len() == promised;
    (entries, complete)
}

/// `dref`: for each entry, whether the data is certainly in another file (8.7.2). An entry without the self-contained flag
/// and without a location, which careless writers leave, is not certain.
pub(super) fn external_references(body: &[u8]) -> Vec<bool> {
    entries(body)
        .take(ENTRIES_MAX)
        .map(|(_, entry)| {
            let self_contained = entry.get(3).is_none_or(|flags| flags & 1 == 1);
            let located = entry
                .get(4..)
                .is_some_and(|location| location.iter().any(|byte| *byte != 0));
            !self_contained && located
        })
        .collect()
}

/// `stts`: the duration of the first samples, in the media's time scale (8.6.1).
pub(super) fn first_sample_delta(body: &[u8]) -> Option<u32> {
    let entries = u32_at(body, 4)?;
    (entries > 0)
        .then(|| u32_at(body, 12))?
        .filter(|delta| *delta > 0)
}

/// The entries of a list box: version, flags and count, then small boxes. Stops where one does not add up.
fn entries(body: &[u8]) -> impl Iterator<Item = (FourCc, &[u8])> {
    let mut rest = body.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let size = usize::try_from(u32_at(rest, 0)?).ok()?;
        let kind = FourCc(array_at(rest, 4)?);
        // The last entry may be cut off: codec configuration can be long, and only its head matters.
        let entry = rest.get(8..size.min(rest.len()))?;
        rest = rest.get(size..).unwrap_or_default();
        Some((kind, entry))
    })
}
