//! Bodies in `aws-chunked` encoding, which the SDKs send to sign chunks or to put a checksum behind the body (Amazon S3
//! API reference, Signature calculations: transferring payload in multiple chunks). Chunk signatures are not verified.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;

use crate::wire::{Body, BoxError};

/// A chunk's size line or all trailers may take this much, generously.
const META_MAX_BYTES: usize = 16 << 10;

/// Trailing headers, filled in when the body has ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Trailers(Arc<Mutex<HeaderMap>>);

impl Trailers {
    pub(super) fn get(&self) -> HeaderMap {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The payload of an `aws-chunked` body.
pub(super) struct ChunkedBody {
    inner: Body,
    buffer: BytesMut,
    state: State,
    trailers: Trailers,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// `<hex size>[;chunk-signature=…]\r\n` comes next.
    Size,
    /// So many bytes of the chunk are still to come.
    Data(usize),
    /// `\r\n` comes next.
    DataEnd,
    /// `name:value` lines until the end of the body.
    Trailers,
    Done,
}

/// What the buffer has to offer.
enum Step {
    Data(Bytes),
    MoreNeeded,
    Done,
}

impl ChunkedBody {
    pub(super) fn new(inner: Body, trailers: Trailers) -> Self {
        Self {
            inner,
            buffer: BytesMut::new(),
            state: State::Size,
            trailers,
        }
    }

    fn step(&mut self) -> Result<Step, BoxError> {
        loop {
            match self.state {
                State::Size => {
                    let Some(line) = self.take_line()? else {
                        return Ok(Step::MoreNeeded);
                    };
                    self.state = match chunk_size(&line)? {
                        0 => State::Trailers,
                        size => State::Data(size),
                    };
                }
                State::Data(left) => {
                    if self.buffer.is_empty() {
                        return Ok(Step::MoreNeeded);
                    }
                    let data = self.buffer.split_to(left.min(self.buffer.len())).freeze();
                    self.state = match left - data.len() {
                        0 => State::DataEnd,
                        left => State::Data(left),
                    };
                    return Ok(Step::Data(data));
                }
                State::DataEnd => {
                    if self.buffer.len() < 2 {
                        return Ok(Step::MoreNeeded);
                    }
                    if &self.buffer[..2] != b"\r\n" {
                        return Err("an aws-chunked chunk is longer than its size".into());
                    }
                    self.buffer.advance(2);
                    self.state = State::Size;
                }
                State::Trailers if self.buffer.len() > META_MAX_BYTES => {
                    return Err("aws-chunked trailers are too long".into());
                }
                State::Trailers => return Ok(Step::MoreNeeded),
                State::Done => return Ok(Step::Done),
            }
        }
    }

    fn take_line(&mut self) -> Result<Option<Bytes>, BoxError> {
        match self.buffer.windows(2).position(|pair| pair == b"\r\n") {
            Some(end) => {
                let line = self.buffer.split_to(end).freeze();
                self.buffer.advance(2);
                Ok(Some(line))
            }
            None if self.buffer.len() > META_MAX_BYTES => {
                Err("an aws-chunked chunk has no size line".into())
            }
            None => Ok(None),
        }
    }

    /// The body below has ended: only the trailers may still be pending.
    fn end(&mut self) -> Result<(), BoxError> {
        if !matches!(self.state, State::Trailers) {
            return Err("the aws-chunked body ended early".into());
        }
        let text = std::str::from_utf8(&self.buffer)?;
        let mut trailers = self
            .trailers
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for line in text.lines().filter(|line| !line.is_empty()) {
            let (name, value) = line
                .split_once(':')
                .ok_or("an aws-chunked trailer has no colon")?;
            trailers.insert(
                HeaderName::from_bytes(name.trim().as_bytes())?,
                HeaderValue::from_str(value.trim())?,
            );
        }
        self.state = State::Done;
        Ok(())
    }
}

fn chunk_size(line: &[u8]) -> Result<usize, BoxError> {
    let line = std::str::from_utf8(line)?;
    let size = line.split(';').next().unwrap_or_default();
    Ok(usize::from_str_radix(size, 16)?)
}

impl http_body::Body for ChunkedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            match self.step() {
                Ok(Step::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Step::Done) => return Poll::Ready(None),
                Ok(Step::MoreNeeded) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            match ready!(http_body::Body::poll_frame(Pin::new(&mut self.inner), cx)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    if let Err(error) = self.end() {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// Decodes `encoded`, cut into frames of `frame_bytes`.
    async fn decode(encoded: &[u8], frame_bytes: usize) -> Result<(Vec<u8>, HeaderMap), BoxError> {
        let frames: Vec<Result<_, BoxError>> = encoded
            .chunks(frame_bytes)
            .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
            .collect();
        let body = StreamBody::new(stream::iter(frames)).boxed();
        let trailers = Trailers::default();
        let payload = ChunkedBody::new(body, trailers.clone()).collect().await?;
        Ok((payload.to_bytes().to_vec(), trailers.get()))
    }

    #[tokio::test]
    async fn chunks_decode_however_they_are_cut() {
        let signed = b"5;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\nhello\r\n\
                       0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
        let unsigned = b"5\r\nhello\r\n1\r\n!\r\n0\r\nx-amz-checksum-crc32:1Q8UYA==\r\n\r\n";
        for frame_bytes in 1..unsigned.len() {
            assert_eq!(decode(signed, frame_bytes).await.unwrap().0, b"hello");
            let (payload, trailers) = decode(unsigned, frame_bytes).await.unwrap();
            assert_eq!(payload, b"hello!");
            assert_eq!(trailers["x-amz-checksum-crc32"], "1Q8UYA==");
        }
    }

    #[tokio::test]
    async fn a_body_that_ends_early_or_runs_over_is_an_error() {
        for bad in [
            &b"5\r\nhel"[..],
            b"5\r\nhello\r\n",
            b"2\r\nhello\r\n0\r\n\r\n",
            b"x\r\n",
        ] {
            assert!(decode(bad, 3).await.is_err());
        }
    }
}
