//! What AWS charges: list prices of us-east-1 in dollars, without free tiers, as of 2026.
//!
//! Left out, since the simulation does not have it: storage, logs, metrics and alarms, keys of one's own.

use sandbox::sim::Usage;

/// A GB-second of an arm64 function (AWS Lambda pricing; the first 7.5 billion a month).
pub(crate) const ARM64_GB_SECOND: f64 = 0.000_013_333_4;

/// A GB-second of an x86 function (AWS Lambda pricing), which the seed's design has.
pub(crate) const X86_GB_SECOND: f64 = 0.000_016_666_7;

/// An invocation (AWS Lambda pricing).
const INVOCATION: f64 = 0.20e-6;

/// A PUT, COPY, POST or LIST request (Amazon S3 pricing, S3 Standard).
const S3_WRITE: f64 = 0.005e-3;

/// A GET, HEAD or other request; DELETE is free (Amazon S3 pricing, S3 Standard).
const S3_READ: f64 = 0.000_4e-3;

/// A state transition (AWS Step Functions pricing, standard workflows). Calls of its API are not charged for.
const TRANSITION: f64 = 0.025e-3;

/// A message that is published; its delivery to functions is free (Amazon SNS pricing, standard topics).
const PUBLISH: f64 = 0.50e-6;

/// A minute of video that is moderated (Amazon Rekognition pricing, stored video; read in secondary sources only).
const VIDEO_MINUTE: f64 = 0.10;

/// A bill in dollars.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Costs {
    pub(crate) compute: f64,
    pub(crate) invocations: f64,
    pub(crate) s3: f64,
    pub(crate) transitions: f64,
    pub(crate) messages: f64,
    pub(crate) scans: f64,
}

impl Costs {
    /// What a usage costs, with the price of a GB-second of its functions' processors.
    pub(crate) fn of(usage: &Usage, gb_second: f64) -> Self {
        let requests = usage
            .calls
            .iter()
            .filter(|((service, _), _)| service == "s3");
        Self {
            compute: usage.gb_seconds() * gb_second,
            invocations: count(usage.invocations()) * INVOCATION,
            s3: requests
                .map(|((_, operation), calls)| count(*calls) * s3_request(operation))
                .sum(),
            transitions: count(usage.transitions) * TRANSITION,
            messages: count(usage.published) * PUBLISH,
            scans: usage.scanned.as_secs_f64() / 60.0 * VIDEO_MINUTE,
        }
    }

    /// Functions alone.
    pub(crate) fn lambda(&self) -> f64 {
        self.compute + self.invocations
    }

    /// All but the scans, which every design pays for.
    pub(crate) fn without_scans(&self) -> f64 {
        self.lambda() + self.s3 + self.transitions + self.messages
    }
}

/// The price of a request by the name that the sandbox counts it under.
fn s3_request(operation: &str) -> f64 {
    let (method, resource) = operation.split_once(' ').unwrap_or((operation, ""));
    let lists =
        resource == "bucket" || resource == "bucket?versions" || resource == "bucket?uploads";
    match method {
        "PUT" | "POST" => S3_WRITE,
        "GET" if lists => S3_WRITE,
        "DELETE" => 0.0,
        _ => S3_READ,
    }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use sandbox::sim::Metered;
    use sandbox::stack::invocation::Bill;

    use super::*;

    #[track_caller]
    fn check(actual: f64, expect: f64) {
        assert!((actual / expect - 1.0).abs() < 1e-9, "{actual} {expect}");
    }

    /// The seed's idle month, worked out by hand: 43,200 minutes of 60 s at 128 MB.
    #[test]
    fn an_idle_month_of_the_seed_costs_more_than_five_dollars() {
        let usage = Usage {
            functions: vec![Metered {
                name: "worker",
                memory_mb: 128,
                bill: Bill {
                    invocations: 43_200,
                    duration_ms: 43_200 * 60_000,
                },
            }],
            calls: BTreeMap::new(),
            transitions: 0,
            published: 0,
            scanned: Duration::ZERO,
        };
        check(usage.gb_seconds(), 324_000.0);
        let costs = Costs::of(&usage, X86_GB_SECOND);
        check(costs.compute, 5.400_010_8);
        check(costs.lambda(), 5.400_010_8 + 0.008_64);
    }

    #[test]
    fn requests_are_charged_for_by_class() {
        for (operation, price) in [
            ("PUT object", S3_WRITE),
            ("PUT object (copy)", S3_WRITE),
            ("POST object?uploads", S3_WRITE),
            ("GET bucket", S3_WRITE),
            ("GET bucket?versions", S3_WRITE),
            ("GET object", S3_READ),
            ("HEAD object", S3_READ),
            ("GET object?tagging", S3_READ),
        ] {
            check(s3_request(operation), price);
        }
        assert!(s3_request("DELETE object").abs() < f64::EPSILON);
    }
}
