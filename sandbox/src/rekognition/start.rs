//! StartContentModeration, and what a job does from then on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use workflow::preflight::{Finding, Media, Preflight, READ_LEN_MAX, Step};

use super::Rekognition;
use super::error::{invalid_s3_object, limit_exceeded, parameter_mismatch, video_too_large};
use super::labels::{self, Script};
use super::members::{Members, Text, Violations};
use super::state::{Channel, Job, Outcome, RETENTION, Used};
use crate::journal::Entry;
use crate::s3::ObjectInfo;
use crate::wire::ApiError;

/// "10 GB" (Rekognition developer guide, Guidelines and quotas), read as binary: whether it is, no source tells.
const VIDEO_BYTES_MAX: u64 = 10 << 30;

/// MinConfidence of a request that has none (API reference, StartContentModeration).
const MIN_CONFIDENCE_DEFAULT: f32 = 50.0;

/// A job without a given duration takes this fraction of the video's, but not less than [`JOB_DURATION_MIN`].
const JOB_DURATION_RATIO: f64 = 0.5;
const JOB_DURATION_MIN: Duration = Duration::from_secs(2);

/// StatusMessage for what cannot be decoded. The wording is a real one (aws-samples/amazon-rekognition-video-analyzer#46);
/// which others there are, no source tells.
const UNSUPPORTED: &str = "Unsupported codec/format.";

/// What the service model says of the request's texts (API reference, StartContentModeration).
const BUCKET: Text = Text {
    len: (3, 255),
    pattern: Some((r"[0-9A-Za-z\.\-_]*", |text| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    })),
};
const KEY: Text = Text::up_to(1024);
const VERSION: Text = Text::up_to(1024);
const REQUEST_TOKEN: Text = Text {
    len: (1, 64),
    pattern: Some(("^[a-zA-Z0-9-_]+$", |text| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !text.is_empty() && text.bytes().all(allowed)
    })),
};
const JOB_TAG: Text = Text {
    len: (1, 1024),
    pattern: Some((r"[a-zA-Z0-9_.\-:+=\/]+", |text| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-:+=/".contains(&byte);
        !text.is_empty() && text.bytes().all(allowed)
    })),
};
const TOPIC_ARN: Text = Text {
    len: (0, usize::MAX),
    pattern: Some((r"(^arn:aws:sns:.*:\w{12}:.+$)", is_topic_arn)),
};
const ROLE_ARN: Text = Text {
    len: (0, usize::MAX),
    pattern: Some((
        r"arn:aws:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
        is_role_arn,
    )),
};

fn is_topic_arn(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("arn:aws:sns:") else {
        return false;
    };
    // A region, the account's 12 word characters, a name; a region and a name may hold colons too.
    rest.match_indices(':').any(|(index, _)| {
        let after = &rest[index + 1..];
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        after.len() > 13
            && after.as_bytes()[..12].iter().all(|byte| word(*byte))
            && after.as_bytes()[12] == b':'
    })
}

fn is_role_arn(text: &str) -> bool {
    let Some((account, role)) = text
        .strip_prefix("arn:aws:iam::")
        .and_then(|rest| rest.split_once(":role"))
    else {
        return false;
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte);
    account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && !role.is_empty()
        && role.bytes().all(allowed)
}

/// A request whose members satisfy the model.
struct Start {
    bucket: String,
    key: String,
    version: Option<String>,
    min_confidence: f32,
    token: Option<String>,
    tag: Option<String>,
    channel: Option<Channel>,
}

impl Start {
    fn parse(request: &Value) -> Result<Self, ApiError> {
        let mut violations = Violations::default();
        let members = Members::of_request(
            "StartContentModeration",
            request,
            &[
                "Video",
                "MinConfidence",
                "ClientRequestToken",
                "NotificationChannel",
                "JobTag",
            ],
        )?;
        let mut start = Self {
            bucket: String::new(),
            key: String::new(),
            version: None,
            min_confidence: members
                .float("MinConfidence", (0.0, 100.0), &mut violations)?
                .unwrap_or(MIN_CONFIDENCE_DEFAULT),
            token: members.text("ClientRequestToken", &REQUEST_TOKEN, &mut violations)?,
            tag: members.text("JobTag", &JOB_TAG, &mut violations)?,
            channel: None,
        };
        let video = members.structure("Video", &["S3Object"])?;
        if video.is_none() {
            members.missing("Video", &mut violations);
        }
        let object = match &video {
            Some(video) => video.structure("S3Object", &["Bucket", "Name", "Version"])?,
            None => None,
        };
        if let Some(object) = &object {
            let texts = [("Bucket", &BUCKET), ("Name", &KEY)];
            let [bucket, key] = texts.map(|(name, text)| object.text(name, text, &mut violations));
            start.bucket = bucket?.unwrap_or_default();
            start.key = key?.unwrap_or_default();
            start.version = object.text("Version", &VERSION, &mut violations)?;
        }
        let channel = ["SNSTopicArn", "RoleArn"];
        if let Some(channel) = members.structure("NotificationChannel", &channel)? {
            let topic_arn = channel.required_text("SNSTopicArn", &TOPIC_ARN, &mut violations)?;
            let role_arn = channel.required_text("RoleArn", &ROLE_ARN, &mut violations)?;
            start.channel = Some(Channel {
                topic_arn,
                role_arn,
            });
        }
        violations.into_result()?;
        if start.bucket.is_empty() || start.key.is_empty() {
            // The model lets S3Object, Bucket and Name be absent; the service does not.
            return Err(ApiError::client(
                "InvalidParameterException",
                "Request has invalid parameters",
            ));
        }
        Ok(start)
    }

    /// The video as the results and the notification name it.
    fn video(&self) -> Value {
        let mut object = json!({"Bucket": self.bucket, "Name": self.key});
        if let Some(version) = &self.version {
            object["Version"] = version.as_str().into();
        }
        json!({"S3Object": object})
    }
}

impl Rekognition {
    /// Starts a job, or names the one that was started with the same token and parameters in the last 7 days: "The job is
    /// not performed again and Amazon Rekognition Video does not send a completion status" (developer guide, "Calling
    /// Amazon Rekognition Video operations").
    ///
    /// Wrong, corrupt and foreign files are accepted here and fail later; what S3 does not give, and what is too large, is
    /// refused at once.
    pub(super) fn start_content_moderation(
        self: &Arc<Self>,
        request: &Value,
    ) -> Result<Value, ApiError> {
        let start = Start::parse(request)?;
        let now = Instant::now();
        // Held to the end, so that two requests at once neither exceed the limit nor share a token.
        let mut state = self.state();
        state.expire(now);
        if let Some(token) = &start.token
            && let Some(used) = state.used_token(token)
        {
            return if used.request == *request {
                Ok(json!({"JobId": used.job_id}))
            } else {
                Err(parameter_mismatch(token))
            };
        }
        let info = self
            .s3
            .head(&start.bucket, &start.key, start.version.as_deref())
            .map_err(|_| invalid_s3_object())?;
        if info.size_bytes > VIDEO_BYTES_MAX {
            return Err(video_too_large(info.size_bytes, VIDEO_BYTES_MAX));
        }
        if state.open >= state.max_open_jobs {
            let (open, max) = (state.open, state.max_open_jobs);
            return Err(limit_exceeded(open, &self.account.id, max));
        }
        let (mut outcome, duration) = self.outcome(&start, &info)?;
        state.started += 1;
        let number = state.started;
        if state.faults.fail_jobs.contains(&number) {
            outcome = Outcome::Failed {
                message: "Internal error".to_owned(),
            };
        }
        let found = state.faults.found_lengths_ms.get(&number);
        if let (Some(length_ms), Outcome::Succeeded { metadata, .. }) = (found, &mut outcome) {
            metadata["DurationMillis"] = (*length_ms).into();
        }
        let job_id = self.rng.hex(32);
        let job = Job {
            number,
            video: start.video(),
            min_confidence: start.min_confidence,
            channel: start.channel,
            tag: start.tag,
            outcome: Arc::new(outcome),
            ended: false,
        };
        state.open_job(job_id.clone(), job);
        if let Some(token) = start.token {
            let used = Used {
                request: request.clone(),
                job_id: job_id.clone(),
            };
            state.use_token(token, used, now + self.clock.scaled(RETENTION));
        }
        let tag = state.job(&job_id).and_then(|job| job.tag.clone());
        drop(state);
        self.journal.note(&Entry::JobStarted {
            number,
            job_id: &job_id,
            tag: tag.as_deref().unwrap_or_default(),
            version_id: start.version.as_deref().unwrap_or_default(),
        });
        let service = Arc::clone(self);
        let started = job_id.clone();
        tokio::spawn(async move {
            service.clock.sleep(duration).await;
            service.end(&started);
        });
        Ok(json!({"JobId": job_id}))
    }

    /// What will come of the job, and how long it takes.
    fn outcome(&self, start: &Start, info: &ObjectInfo) -> Result<(Outcome, Duration), ApiError> {
        let media = self.inspect(start, info.size_bytes)?;
        let script = self.script(&start.key, info).unwrap_or_else(|why| {
            tracing::warn!(bucket = start.bucket, key = start.key, why, "bad labels");
            Script {
                fail: Some(why),
                ..Script::default()
            }
        });
        let duration = script.job_duration.or(self.job_duration);
        let duration = duration.unwrap_or_else(|| own_duration(media.as_ref()));
        let outcome = match (script.fail, media) {
            (Some(message), _) => Outcome::Failed { message },
            (None, None) => Outcome::Failed {
                message: UNSUPPORTED.to_owned(),
            },
            (None, Some(media)) => Outcome::Succeeded {
                metadata: metadata(&media),
                model_version: script.model_version,
                detections: script.detections,
            },
        };
        Ok((outcome, duration))
    }

    /// The labels of an object: its metadata entry `labels`, else its file in the labels folder, else none.
    fn script(&self, key: &str, info: &ObjectInfo) -> Result<Script, String> {
        if let Some(text) = info.metadata.get("labels") {
            return labels::from_metadata(text);
        }
        let path = self
            .labels_dir
            .as_ref()
            .and_then(|folder| labels::path_in(folder, key));
        let Some(path) = path else {
            return Ok(Script::default());
        };
        std::fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| labels::from_json(&bytes))
            .map_err(|why| format!("labels file {}: {why}", path.display()))
    }

    /// Reads the video; None if it cannot be moderated.
    fn inspect(&self, start: &Start, size_bytes: u64) -> Result<Option<Media>, ApiError> {
        let mut preflight = Preflight::new(size_bytes);
        loop {
            match preflight.next() {
                Step::Done(Finding::Acceptable(media)) => return Ok(Some(media)),
                Step::Done(_) => return Ok(None),
                Step::Read { offset, len } => {
                    debug_assert!(len <= READ_LEN_MAX);
                    let version = start.version.as_deref();
                    let bytes = self
                        .s3
                        .read(&start.bucket, &start.key, version, offset, len)
                        .map_err(|_| invalid_s3_object())?;
                    preflight.feed(offset, &bytes);
                }
            }
        }
    }

    /// The job ends: its results can be had, and the topic is told.
    fn end(&self, job_id: &str) {
        let keep_until = Instant::now() + self.clock.scaled(RETENTION);
        let mut state = self.state();
        let Some(job) = state.end_job(job_id, keep_until) else {
            return;
        };
        let number = job.number;
        let succeeded = matches!(*job.outcome, Outcome::Succeeded { .. });
        let (channel, tag) = (job.channel.clone(), job.tag.clone());
        let message = notification(job_id, job, self.clock.now_ms()).to_string();
        let times = if state.faults.lose_notifications.contains(&number) {
            0
        } else if state.faults.repeat_notifications.contains(&number) {
            2
        } else {
            1
        };
        drop(state);
        self.journal.note(&Entry::JobEnded {
            number,
            tag: tag.as_deref().unwrap_or_default(),
            succeeded,
            told: times,
        });
        let Some(Channel {
            topic_arn,
            role_arn,
        }) = channel
        else {
            return;
        };
        for _ in 0..times {
            // A topic or role that does not work is nowhere reported, on AWS either (developer guide,
            // "Troubleshooting Amazon Rekognition Video").
            let published =
                self.sns
                    .publish_as(&role_arn, &topic_arn, None, &message, &BTreeMap::new());
            if let Err(error) = published {
                tracing::warn!(job_id, topic_arn, %error, "a job's end cannot be told");
            }
        }
    }
}

/// The completion status (developer guide, "Reference: Video analysis results notification"). The name of the object is
/// not URL-encoded, unlike in S3's events, and `API` is the operation's name: both as in real messages.
fn notification(job_id: &str, job: &Job, now_ms: i64) -> Value {
    let status = match *job.outcome {
        Outcome::Succeeded { .. } => "SUCCEEDED",
        Outcome::Failed { .. } => "FAILED",
    };
    let object = &job.video["S3Object"];
    let mut message = json!({
        "JobId": job_id,
        "Status": status,
        "API": "StartContentModeration",
        "Timestamp": now_ms,
        "Video": {"S3ObjectName": object["Name"], "S3Bucket": object["Bucket"]},
    });
    if let Some(tag) = &job.tag {
        message["JobTag"] = tag.as_str().into();
    }
    message
}

/// VideoMetadata (API reference). `Codec` and `Format` as real responses have them, for MP4 and MOV alike. What the file
/// does not say is left out.
fn metadata(media: &Media) -> Value {
    let mut metadata = json!({
        "Codec": "h264",
        "Format": "QuickTime / MOV",
        "FrameHeight": media.height,
        "FrameWidth": media.width,
        "ColorRange": "LIMITED",
    });
    if let Some(duration_ms) = media.duration_ms {
        metadata["DurationMillis"] = duration_ms.into();
    }
    if let Some(rate) = media.frames_per_second {
        metadata["FrameRate"] = rate.into();
    }
    metadata
}

fn own_duration(media: Option<&Media>) -> Duration {
    let video = media.and_then(|media| media.duration_ms).unwrap_or(0);
    Duration::from_millis(video)
        .mul_f64(JOB_DURATION_RATIO)
        .max(JOB_DURATION_MIN)
}
