//! Requests of any service off the wire: whatever comes, one is answered, and a refusal has a code.

use std::future::Future;
use std::time::Duration;

use http::StatusCode;
use sandbox::account::Account;
use sandbox::aws::{Aws, AwsConfig};
use sandbox::clock::Clock;
use sandbox::rng::SharedRng;
use sandbox::wire::{self, Request};
use serde::Deserialize;
use serde_json::Value;
use time::macros::datetime;

use super::{Outcome, Target, must};

pub(super) const TARGET: Target = Target {
    name: "wire",
    what: "requests to the sandbox: headers, queries, JSON, XML, forms, aws-chunked bodies, patterns",
    folders: &["fuzz/corpus/wire"],
    words: &[
        "%",
        "%00",
        "%2F",
        "+",
        "&",
        "=",
        "?",
        "?versions",
        "?uploads",
        "?tagging",
        "?uploadId=x&partNumber=1",
        "?versionId=null",
        "/../",
        "bytes=0-",
        "bytes=-1",
        "bytes=5-2",
        "\"\"",
        "*",
        "0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "x-amz-copy-source",
        "x-amz-tagging",
        "content-length",
        "aws-chunked",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "<Tag>",
        "</",
        "&#0;",
        "anything-but",
        "numeric",
        "exists",
        "prefix",
        "rate(1 minute)",
    ],
    check,
};

/// The longest that anything waits for: a long poll takes a minute.
const PATIENCE: Duration = Duration::from_mins(15);

/// A session's requests; more take time and find nothing.
const REQUESTS_MAX: usize = 12;

#[derive(Debug, Deserialize)]
struct Session {
    requests: Vec<Sent>,
}

/// One request, as a file can hold it.
#[derive(Debug, Deserialize)]
struct Sent {
    service: String,
    method: String,
    path: String,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

fn check(input: &[u8]) -> Outcome {
    let Ok(session) = serde_json::from_slice::<Session>(input) else {
        return Outcome::Refused;
    };
    let any_done = in_simulated_time(async {
        let lab = Lab::new();
        lab.furnish().await;
        let mut any_done = false;
        for sent in session.requests.iter().take(REQUESTS_MAX) {
            any_done |= lab.answers(sent).await;
        }
        // What was set off comes to its end.
        tokio::time::sleep(PATIENCE).await;
        any_done
    });
    if any_done {
        Outcome::Accepted
    } else {
        Outcome::Refused
    }
}

/// Runs a future on a clock of its own, which moves when everything waits.
pub(super) fn in_simulated_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    must(runtime, "a runtime").block_on(future)
}

/// An AWS in process.
pub(super) struct Lab {
    pub(super) aws: Aws,
}

impl Lab {
    pub(super) fn new() -> Self {
        let clock = Clock::new(datetime!(2026-11-01 12:00 UTC), 1.0);
        let (account, rng) = (Account::default(), SharedRng::seeded(1));
        let aws = Aws::new(account, clock, rng, &AwsConfig::default());
        Self { aws }
    }

    /// Something of everything, for requests to be about.
    async fn furnish(&self) {
        self.aws.sfn.create_activity("work");
        self.aws.sns.create_topic("topic");
        for (path, body) in [("/raw", ""), ("/raw/clip.mp4", "0123456789")] {
            let sent = Sent {
                service: "s3".to_owned(),
                method: "PUT".to_owned(),
                path: path.to_owned(),
                headers: std::collections::BTreeMap::new(),
                body: body.to_owned(),
            };
            assert!(self.answers(&sent).await, "{path} is not made");
        }
    }

    /// An AWS JSON operation that may be refused; its answer either way.
    pub(super) async fn json(&self, service: &str, target: &str, content: &Value) -> Value {
        let request = request(
            service,
            "POST",
            "/",
            [("x-amz-target", target)],
            content.to_string(),
        );
        let Some(request) = request else {
            panic!("{target} is no request");
        };
        let (_, body) = self.answer(request).await;
        must(serde_json::from_str(&body), "an answer in JSON")
    }

    /// Whether a request is done. One that is not has a code; one that no client could send is none.
    async fn answers(&self, sent: &Sent) -> bool {
        let headers = sent
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let request = request(
            &sent.service,
            &sent.method,
            &sent.path,
            headers,
            sent.body.clone(),
        );
        let Some(request) = request else {
            return false;
        };
        let (status, body) = self.answer(request).await;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return true;
        }
        assert!(
            status != StatusCode::INTERNAL_SERVER_ERROR,
            "{sent:?}: {body}"
        );
        let has_code = body.is_empty() && sent.method == "HEAD"
            || body.contains("<Code>")
            || body.contains("\"__type\"")
            || body.contains("Message\"");
        assert!(has_code, "{status} without a code for {sent:?}: {body}");
        false
    }

    async fn answer(&self, request: Request) -> (StatusCode, String) {
        let answer = async {
            let (parts, body) = self.aws.handle(request).await.into_parts();
            let body = must(wire::collect(body).await, "a body");
            (parts.status, String::from_utf8_lossy(&body).into_owned())
        };
        must(tokio::time::timeout(PATIENCE, answer).await, "no answer")
    }
}

/// A request to a service; None if HTTP does not allow it.
fn request<'a>(
    service: &str,
    method: &str,
    path: &str,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    content: String,
) -> Option<Request> {
    let credential = format!("AKIDEXAMPLE/20261101/us-east-1/{service}/aws4_request");
    let mut request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:4566")
        .header(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host"),
        );
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(wire::body(content)).ok()
}
