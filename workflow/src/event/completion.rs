//! Rekognition's message that a job has ended.

use serde_json::Value;

use super::{EventError, Fields, shown, sns_messages};

const REMEDY: &str = "let Rekognition, and nothing else, publish to this topic";

/// What Rekognition says about a job that ended. It is a hint to look, never the truth: the record has that.
///
/// Amazon Rekognition developer guide, "Reference: Video analysis results notification". The `API` field is not read:
/// the guide shows `LABEL_DETECTION` where real messages carry the operation's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The job.
    pub job_id: String,
    /// How it ended.
    pub status: JobStatus,
    /// The `JobTag` of Start, which this project sets to the execution's name.
    pub job_tag: Option<String>,
    /// `Timestamp`, when Rekognition wrote the message.
    pub sent_ms: Option<i64>,
    /// `Video.S3ObjectName`, not URL-encoded (unlike S3's events).
    pub key: Option<String>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobStatus {
    /// `SUCCEEDED`.
    Succeeded,
    /// `FAILED`.
    Failed,
    /// `ERROR`, listed by the developer guide.
    Error,
    /// A status that the developer guide does not list.
    Other(String),
}

/// Every completion message of a Lambda event.
#[must_use]
pub fn completions(event: &Value) -> Vec<Result<Completion, EventError>> {
    sns_messages(event)
        .into_iter()
        .map(|message| parse_completion(message?.message))
        .collect()
}

/// Reads one completion message; fields that are not known are ignored.
///
/// # Errors
/// When it is not JSON, or has no `JobId` or `Status`.
pub fn parse_completion(message: &str) -> Result<Completion, EventError> {
    let value: Value = serde_json::from_str(message).map_err(|_| {
        EventError::new(
            "Sns.Message",
            format!("is {}, which is not JSON", shown(message)),
            REMEDY,
        )
    })?;
    let fields = Fields::new(&value, "", REMEDY);
    let status = match fields.required("Status")? {
        "SUCCEEDED" => JobStatus::Succeeded,
        "FAILED" => JobStatus::Failed,
        "ERROR" => JobStatus::Error,
        other => JobStatus::Other(other.to_owned()),
    };
    Ok(Completion {
        job_id: fields.required("JobId")?.to_owned(),
        status,
        job_tag: fields.optional("JobTag")?.map(str::to_owned),
        sent_ms: value["Timestamp"].as_i64(),
        key: value["Video"]["S3ObjectName"].as_str().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// A public capture of a real message (a sibling operation of the same service).
    const REAL: &str = r#"{"JobId":"f40f6c76f87f5c9aeea9a50b3d53688a4174711f9b1f20392c044e21f71c5e4d","Status":"SUCCEEDED","API":"StartFaceDetection","JobTag":"jobtag-1515751503","Timestamp":1515733532180,"Video":{"S3ObjectName":"DT inside back door_20180109_080816.mp4","S3Bucket":"vsaas-rekog-test"}}"#;

    #[test]
    fn a_real_message_is_read() {
        assert_eq!(
            parse_completion(REAL).unwrap(),
            Completion {
                job_id: "f40f6c76f87f5c9aeea9a50b3d53688a4174711f9b1f20392c044e21f71c5e4d".into(),
                status: JobStatus::Succeeded,
                job_tag: Some("jobtag-1515751503".into()),
                sent_ms: Some(1_515_733_532_180),
                key: Some("DT inside back door_20180109_080816.mp4".into()),
            }
        );
    }

    #[test]
    fn statuses_apis_and_fields_that_are_new_are_no_reason_to_fail() {
        let status = |text: &str| {
            parse_completion(
                &json!({"JobId": "j", "Status": text, "API": "LABEL_DETECTION", "Message": "", "ErrorCode": 7})
                    .to_string(),
            )
            .unwrap()
            .status
        };
        assert_eq!(status("FAILED"), JobStatus::Failed);
        assert_eq!(status("ERROR"), JobStatus::Error);
        assert_eq!(status("PAUSED"), JobStatus::Other("PAUSED".into()));
    }

    #[test]
    fn errors_name_the_field() {
        let error = |message: &str| parse_completion(message).unwrap_err().to_string();
        assert_eq!(
            error(r#"{"Status":"FAILED"}"#),
            format!("JobId is missing: {REMEDY}")
        );
        assert_eq!(
            error(r#"{"JobId":7,"Status":"FAILED"}"#),
            format!("JobId is a number, not a string: {REMEDY}")
        );
        assert_eq!(
            error("hello"),
            format!("Sns.Message is \"hello\", which is not JSON: {REMEDY}")
        );
    }

    #[test]
    fn one_bad_message_does_not_hide_the_next() {
        let event = json!({"Records": [
            {"EventSource": "aws:sns", "Sns": {"Message": "{}"}},
            {"EventSource": "aws:sns", "Sns": {"Message": REAL}},
        ]});
        let read = completions(&event);
        assert!(read[0].is_err());
        assert!(read[1].is_ok());
    }

    proptest! {
        #[test]
        fn no_message_panics(message in "(?s).{0,200}") {
            let _ = parse_completion(&message);
        }
    }
}
