//! The walk over the boxes: forward only, into the containers that lead to what matters, over everything else.

use super::boxes::{HEADER_LEN_MAX, HEADER_LEN_MIN, Header, array_at};
use super::codec::FourCc;
use super::track::{Facts, StandIn, Track};
use super::{Container, Finding, Unsupported, Window, leaf, magic};

/// Bytes of a leaf's body that are looked at. Only `stsd` and `dref` can be longer, and what matters is at their head.
const BODY_LEN_MAX: u64 = 16 << 10;

/// Why the walk stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// It needs a window that begins here.
    Wants(u64),
    /// It is over.
    Found(Finding),
}

/// A container that the walk is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    File,
    Moov,
    Mvex,
    Trak,
    Mdia,
    Minf,
    Dinf,
    Stbl,
}

/// What to do with a box.
enum Visit {
    Enter(Place),
    Read,
    Skip,
}

#[derive(Debug)]
struct Frame {
    place: Place,
    end: u64,
}

/// Where the walk is and what it has learnt. The stack is as deep as [`Place`]s nest: six.
#[derive(Debug)]
pub(super) struct Walk {
    size_bytes: u64,
    pos: u64,
    stack: Vec<Frame>,
    track: Track,
    facts: Facts,
    image_brand: bool,
}

impl Walk {
    pub(super) fn new(size_bytes: u64) -> Self {
        Self {
            size_bytes,
            pos: 0,
            stack: vec![Frame {
                place: Place::File,
                end: size_bytes,
            }],
            track: Track::default(),
            facts: Facts::default(),
            image_brand: false,
        }
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What is certain already, else unknown because of `why`.
    pub(super) fn give_up(&self, why: String) -> Finding {
        match self.facts.fault() {
            Some(reason) => Finding::Unsupported { reason },
            None => self.facts.unknown(why),
        }
    }

    /// Walks on until bytes outside the window are needed or the finding is certain.
    pub(super) fn advance(&mut self, window: &Window) -> Stop {
        loop {
            if let Err(stop) = self.visit_next(window) {
                return stop;
            }
        }
    }

    /// Visits the next box, or leaves a container at its end. Nothing changes unless all the bytes needed are there, so
    /// that a visit can be repeated with the next window.
    fn visit_next(&mut self, window: &Window) -> Result<(), Stop> {
        let Some(&Frame { place, end }) = self.stack.last() else {
            return Err(Stop::Found(self.facts.judge()));
        };
        if end.saturating_sub(self.pos) < HEADER_LEN_MIN {
            return self.leave(window, place, end);
        }
        let header_len = HEADER_LEN_MAX.min(end - self.pos);
        let bytes = self.bytes(window, header_len)?;
        if place == Place::File && self.pos == 0 {
            self.check_first(window)?;
        }
        let Some(header) = Header::parse(bytes, self.pos, end) else {
            let why = format!("a box at {} is smaller than its header", self.pos);
            return Err(Stop::Found(self.give_up(why)));
        };
        let visit = visit(place, header.kind);
        if header.end > end && !(place == Place::File && matches!(visit, Visit::Skip)) {
            let why = format!("the box '{}' is longer than what holds it", header.kind);
            return Err(Stop::Found(self.give_up(why)));
        }
        match visit {
            Visit::Skip => self.pos = header.end,
            Visit::Enter(inner) => {
                self.enter(inner);
                self.stack.push(Frame {
                    place: inner,
                    end: header.end,
                });
                self.pos = header.body;
            }
            Visit::Read => {
                let len = (header.end - header.body).min(BODY_LEN_MAX);
                let head = usize::try_from(header.body - self.pos).unwrap_or(usize::MAX);
                let whole = self.bytes(window, len + (header.body - self.pos))?;
                let body = whole.get(head..).unwrap_or_default();
                self.read(header.kind, body);
                self.pos = header.end;
                self.skip_sample_tables();
            }
        }
        Ok(())
    }

    /// `len` bytes where the walk is.
    fn bytes<'w>(&self, window: &'w Window, len: u64) -> Result<&'w [u8], Stop> {
        usize::try_from(len)
            .ok()
            .and_then(|len| window.get(self.pos, len))
            .ok_or(Stop::Wants(self.pos))
    }

    /// The first box tells whether this is such a file at all.
    fn check_first(&self, window: &Window) -> Result<(), Stop> {
        let unsupported = |reason| Err(Stop::Found(Finding::Unsupported { reason }));
        let head = &window.bytes;
        if magic::is_avi(head) {
            return Err(Stop::Found(self.give_up("it is an AVI file".to_owned())));
        }
        if array_at(head, 4).is_some_and(|kind| magic::may_come_first(FourCc(kind))) {
            return Ok(());
        }
        if let Some(reason) = magic::foreign(head) {
            return unsupported(reason);
        }
        match Header::parse(head, 0, self.size_bytes) {
            // An unknown box of a sensible name and size: perhaps a vendor's.
            Some(header)
                if header.end <= self.size_bytes
                    && header.kind.0.iter().all(|b| (b' '..=b'~').contains(b)) =>
            {
                Ok(())
            }
            _ => unsupported(Unsupported::NotMedia { looks_like: None }),
        }
    }

    /// Leaves a container at its end (a few bytes too short for a box may be left in it).
    fn leave(&mut self, window: &Window, place: Place, end: u64) -> Result<(), Stop> {
        match place {
            Place::File if self.size_bytes < HEADER_LEN_MIN => {
                let head = self.bytes(window, self.size_bytes)?;
                let reason =
                    magic::foreign(head).unwrap_or(Unsupported::NotMedia { looks_like: None });
                return Err(Stop::Found(Finding::Unsupported { reason }));
            }
            Place::File => return Err(Stop::Found(self.without_index())),
            Place::Moov => return Err(Stop::Found(self.facts.judge())),
            Place::Trak => self.facts.add(std::mem::take(&mut self.track)),
            Place::Mvex | Place::Mdia | Place::Minf | Place::Dinf | Place::Stbl => {}
        }
        self.pos = end;
        self.stack.pop();
        Ok(())
    }

    /// The file ended and no index came.
    fn without_index(&self) -> Finding {
        if self.image_brand {
            return Finding::Unsupported {
                reason: Unsupported::NotMedia {
                    looks_like: Some("a HEIF or AVIF picture"),
                },
            };
        }
        self.give_up("it has no index (moov), or ends before it".to_owned())
    }

    fn enter(&mut self, place: Place) {
        match place {
            Place::Trak => self.track = Track::default(),
            Place::Mvex => self.facts.fragmented = true,
            _ => {}
        }
    }

    /// Takes in the body of a box that matters, as much of it as it has.
    fn read(&mut self, kind: FourCc, body: &[u8]) {
        match &kind.0 {
            b"ftyp" => {
                let brand = body.get(..4).unwrap_or_default();
                self.facts.container = Some(if brand == b"qt  " {
                    Container::QuickTime
                } else {
                    Container::Mp4
                });
                self.image_brand = matches!(brand, b"heic" | b"heix" | b"mif1" | b"avif");
            }
            b"mvhd" => self.facts.movie = leaf::timing(body).unwrap_or_default(),
            b"mehd" => self.facts.fragment_duration = leaf::fragment_duration(body),
            b"cmov" => self.facts.stand_in = Some(StandIn::Compressed),
            b"rmra" => self.facts.stand_in = Some(StandIn::References),
            b"mdhd" => self.track.timing = leaf::timing(body).unwrap_or_default(),
            b"hdlr" => self.track.handler = leaf::handler(body),
            b"dref" => self.track.external = leaf::external_references(body),
            b"stsd" => {
                (self.track.entries, self.track.entries_complete) = leaf::sample_entries(body);
            }
            b"stts" => self.track.first_sample_delta = leaf::first_sample_delta(body),
            _ => {}
        }
    }

    /// Once both boxes of interest are read, the megabytes of sample tables that follow need not even be stepped over
    /// one by one.
    fn skip_sample_tables(&mut self) {
        if let Some(frame) = self.stack.last()
            && frame.place == Place::Stbl
            && !self.track.entries.is_empty()
            && self.track.first_sample_delta.is_some()
        {
            self.pos = frame.end;
        }
    }
}

/// What to do with a box of this type in this place.
fn visit(place: Place, kind: FourCc) -> Visit {
    match (place, &kind.0) {
        (Place::File, b"moov") => Visit::Enter(Place::Moov),
        (Place::Moov, b"mvex") => Visit::Enter(Place::Mvex),
        (Place::Moov, b"trak") => Visit::Enter(Place::Trak),
        (Place::Trak, b"mdia") => Visit::Enter(Place::Mdia),
        (Place::Mdia, b"minf") => Visit::Enter(Place::Minf),
        (Place::Minf, b"dinf") => Visit::Enter(Place::Dinf),
        (Place::Minf, b"stbl") => Visit::Enter(Place::Stbl),
        (Place::File, b"ftyp")
        | (Place::Moov, b"mvhd" | b"cmov" | b"rmra")
        | (Place::Mvex, b"mehd")
        | (Place::Mdia, b"mdhd" | b"hdlr")
        | (Place::Dinf, b"dref")
        | (Place::Stbl, b"stsd" | b"stts") => Visit::Read,
        _ => Visit::Skip,
    }
}
