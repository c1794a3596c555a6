//! Checksums of objects (Amazon S3 User Guide, Checking object integrity).

use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::Checksum as _;
use s3s::crypto::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
use s3s::dto;
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::content::Content;
use super::errors::{invalid_request, not_implemented};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::Crc32,
    Algorithm::Crc32c,
    Algorithm::Crc64Nvme,
    Algorithm::Sha1,
    Algorithm::Sha256,
];

impl Algorithm {
    /// As in `x-amz-checksum-algorithm`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    fn header(self) -> HeaderName {
        HeaderName::from_static(match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        })
    }

    /// # Errors
    /// `InvalidRequest` for a name that is none.
    pub(super) fn parse(name: &str) -> S3Result<Self> {
        ALGORITHMS
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                invalid_request(
                    "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
                     [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
                )
            })
    }

    pub(super) fn hasher(self) -> ChecksumHasher {
        let mut hasher = ChecksumHasher::default();
        match self {
            Self::Crc32 => hasher.crc32 = Some(Crc32::new()),
            Self::Crc32c => hasher.crc32c = Some(Crc32c::new()),
            Self::Crc64Nvme => hasher.crc64nvme = Some(Crc64Nvme::new()),
            Self::Sha1 => hasher.sha1 = Some(Sha1::new()),
            Self::Sha256 => hasher.sha256 = Some(Sha256::new()),
        }
        hasher
    }

    /// The base64 digest of what the hasher of this algorithm has seen.
    pub(super) fn finish(self, hasher: ChecksumHasher) -> String {
        let sums = hasher.finalize();
        match self {
            Self::Crc32 => sums.checksum_crc32,
            Self::Crc32c => sums.checksum_crc32c,
            Self::Crc64Nvme => sums.checksum_crc64nvme,
            Self::Sha1 => sums.checksum_sha1,
            Self::Sha256 => sums.checksum_sha256,
        }
        .unwrap_or_default()
    }

    /// Whether multipart uploads checksum the whole object rather than its parts' checksums unless they ask
    /// otherwise: only CRC64NVME has no composite form.
    pub(super) fn default_kind(self) -> Kind {
        match self {
            Self::Crc64Nvme => Kind::FullObject,
            _ => Kind::Composite,
        }
    }
}

/// What a checksum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    FullObject,
    /// The checksum of the parts' checksums.
    Composite,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FullObject => dto::ChecksumType::FULL_OBJECT,
            Self::Composite => dto::ChecksumType::COMPOSITE,
        }
    }

    pub(super) fn parse(name: &str) -> S3Result<Self> {
        match name {
            dto::ChecksumType::FULL_OBJECT => Ok(Self::FullObject),
            dto::ChecksumType::COMPOSITE => Ok(Self::Composite),
            _ => Err(not_implemented(&format!("x-amz-checksum-type {name}"))),
        }
    }
}

/// A checksum that is stored with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    pub(super) kind: Kind,
    /// Base64; a composite one ends in `-` and the number of parts.
    pub(super) value: String,
}

impl Checksum {
    /// Of the whole content; None if that is simulated.
    pub(super) fn of(algorithm: Algorithm, content: &Content) -> io::Result<Option<Self>> {
        if content.is_simulated() {
            return Ok(None);
        }
        let mut hasher = algorithm.hasher();
        for chunk in content.clone().chunks() {
            hasher.update(&chunk?);
        }
        Ok(Some(Self {
            algorithm,
            kind: Kind::FullObject,
            value: algorithm.finish(hasher),
        }))
    }

    /// Of the parts' own checksums; None if one of them is not known.
    pub(super) fn composite<'a>(
        algorithm: Algorithm,
        parts: impl IntoIterator<Item = Option<&'a Checksum>>,
    ) -> Option<Self> {
        let mut hasher = algorithm.hasher();
        let mut count = 0;
        for part in parts {
            hasher.update(&BASE64_STANDARD.decode(&part?.value).ok()?);
            count += 1;
        }
        Some(Self {
            algorithm,
            kind: Kind::Composite,
            value: format!("{}-{count}", algorithm.finish(hasher)),
        })
    }

    /// Its value, if it is of the algorithm.
    pub(super) fn value_of(this: Option<&Self>, algorithm: Algorithm) -> Option<String> {
        this.filter(|sum| sum.algorithm == algorithm)
            .map(|sum| sum.value.clone())
    }
}

/// What a request says about the checksum of its body.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) algorithm: Algorithm,
    /// From a header; one in a trailer comes later.
    pub(super) value: Option<String>,
    /// Whether the client asked for this algorithm; otherwise it is S3's own choice.
    pub(super) explicit: bool,
}

impl Claim {
    /// From `x-amz-checksum-*`, else the announced trailer, else `x-amz-sdk-checksum-algorithm`. Without any, S3
    /// itself takes a CRC64NVME (Amazon S3 User Guide, Checking object integrity for data uploads).
    ///
    /// # Errors
    /// `InvalidRequest` for more than one checksum, or an algorithm that is none.
    pub(super) fn of(headers: &HeaderMap) -> S3Result<Self> {
        let mut sent = ALGORITHMS.into_iter().filter_map(|algorithm| {
            let value = headers.get(algorithm.header())?.to_str().ok()?;
            Some((algorithm, value.to_owned()))
        });
        if let Some((algorithm, value)) = sent.next() {
            if sent.next().is_some() {
                return Err(invalid_request(
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
                ));
            }
            return Ok(Self {
                algorithm,
                value: Some(value),
                explicit: true,
            });
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let announced = text("x-amz-trailer").and_then(|names| {
            ALGORITHMS.into_iter().find(|algorithm| {
                names.split(',').any(|name| {
                    name.trim()
                        .eq_ignore_ascii_case(algorithm.header().as_str())
                })
            })
        });
        let named = match (announced, text("x-amz-sdk-checksum-algorithm")) {
            (Some(algorithm), _) => Some(algorithm),
            (None, Some(name)) => Some(Algorithm::parse(name)?),
            (None, None) => None,
        };
        Ok(Self {
            algorithm: named.unwrap_or(Algorithm::Crc64Nvme),
            value: None,
            explicit: named.is_some(),
        })
    }

    /// # Errors
    /// `BadDigest` if the header or the trailer says another checksum than the body has.
    pub(super) fn verify(&self, computed: &str, trailers: Option<&HeaderMap>) -> S3Result<()> {
        let trailing = trailers
            .and_then(|trailers| trailers.get(self.algorithm.header()))
            .and_then(|value| value.to_str().ok());
        match self.value.as_deref().or(trailing) {
            Some(claimed) if claimed != computed => Err(S3Error::with_message(
                S3ErrorCode::BadDigest,
                format!(
                    "The {} you specified did not match the calculated checksum.",
                    self.algorithm.name()
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// Sets the one of an output's five checksum fields that an optional checksum belongs in.
macro_rules! set_checksum {
    ($output:expr, $checksum:expr) => {{
        use $crate::s3::checksum::{Algorithm, Checksum};
        let checksum = $checksum;
        $output.checksum_crc32 = Checksum::value_of(checksum, Algorithm::Crc32);
        $output.checksum_crc32c = Checksum::value_of(checksum, Algorithm::Crc32c);
        $output.checksum_crc64nvme = Checksum::value_of(checksum, Algorithm::Crc64Nvme);
        $output.checksum_sha1 = Checksum::value_of(checksum, Algorithm::Sha1);
        $output.checksum_sha256 = Checksum::value_of(checksum, Algorithm::Sha256);
    }};
}

/// Whether each of an input's five checksum fields that is given is that of an optional checksum.
macro_rules! checksum_agrees {
    ($input:expr, $checksum:expr) => {{
        use $crate::s3::checksum::{Algorithm, Checksum};
        let checksum = $checksum;
        [
            (Algorithm::Crc32, &$input.checksum_crc32),
            (Algorithm::Crc32c, &$input.checksum_crc32c),
            (Algorithm::Crc64Nvme, &$input.checksum_crc64nvme),
            (Algorithm::Sha1, &$input.checksum_sha1),
            (Algorithm::Sha256, &$input.checksum_sha256),
        ]
        .into_iter()
        .all(|(algorithm, claimed)| {
            claimed.is_none() || *claimed == Checksum::value_of(checksum, algorithm)
        })
    }};
}

pub(super) use {checksum_agrees, set_checksum};
