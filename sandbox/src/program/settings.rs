//! What a client needs to know to use the sandbox.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::account::Account;
use crate::stack::{Function, Stack};

/// Settings of the AWS SDKs and CLI, and the names of the stack, as NAME and value.
///
/// The credentials are not secret: signatures are accepted without being verified.
pub(super) fn settings(
    account: &Account,
    endpoint_url: &str,
    stack: &Stack,
) -> [(&'static str, String); 14] {
    let queue_arns = [
        &stack.ingest_failures_queue_arn,
        &stack.callback_failures_queue_arn,
        &stack.undelivered_results_queue_arn,
    ];
    let queue_urls = queue_arns.map(|arn| {
        let name = arn.rsplit(':').next().unwrap_or(arn);
        format!("{endpoint_url}/{}/{name}", account.id)
    });
    [
        ("AWS_ENDPOINT_URL", endpoint_url.to_owned()),
        ("AWS_REGION", account.region.clone()),
        ("AWS_ACCESS_KEY_ID", "operator".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "operator".to_owned()),
        ("RAW_BUCKET", stack.raw_bucket.clone()),
        ("APPROVED_BUCKET", stack.approved_bucket.clone()),
        ("LEDGER_BUCKET", stack.ledger_bucket.clone()),
        ("STATE_MACHINE_ARN", stack.state_machine_arn.clone()),
        ("ACTIVITY_ARN", stack.activity_arn.clone()),
        ("RAW_UPLOADS_TOPIC_ARN", stack.raw_uploads_topic_arn.clone()),
        (
            "MODERATION_RESULTS_TOPIC_ARN",
            stack.moderation_results_topic_arn.clone(),
        ),
        ("DECISIONS_TOPIC_ARN", stack.decisions_topic_arn.clone()),
        (
            "RECONCILER_FUNCTION_NAME",
            stack.function_name(Function::Reconciler),
        ),
        // With commas: the file is read by shells, and a space would end the value.
        ("DEAD_LETTER_QUEUE_URLS", queue_urls.join(",")),
    ]
}

/// One `NAME=value` a line.
pub(super) fn lines(settings: &[(&'static str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in settings {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}={value}");
    }
    text
}

/// Writes the file as a whole: whoever sees it sees all of it.
///
/// # Errors
/// When the folder cannot be written to.
pub(super) fn write(path: &Path, settings: &[(&'static str, String)]) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    io::Write::write_all(&mut file, lines(settings).as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::StackOptions;

    #[test]
    fn the_file_holds_every_name_once() {
        let account = Account::default();
        let stack = Stack::new(&account, StackOptions::default());
        let settings = settings(&account, "http://127.0.0.1:4566", &stack);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        write(&path, &settings).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            text,
            "AWS_ENDPOINT_URL=http://127.0.0.1:4566\n\
             AWS_REGION=us-east-1\n\
             AWS_ACCESS_KEY_ID=operator\n\
             AWS_SECRET_ACCESS_KEY=operator\n\
             RAW_BUCKET=reelgate-raw\n\
             APPROVED_BUCKET=reelgate-approved\n\
             LEDGER_BUCKET=reelgate-ledger\n\
             STATE_MACHINE_ARN=arn:aws:states:us-east-1:123456789012:stateMachine:reelgate-video-ingest\n\
             ACTIVITY_ARN=arn:aws:states:us-east-1:123456789012:activity:reelgate-moderate\n\
             RAW_UPLOADS_TOPIC_ARN=arn:aws:sns:us-east-1:123456789012:reelgate-raw-uploads\n\
             MODERATION_RESULTS_TOPIC_ARN=arn:aws:sns:us-east-1:123456789012:reelgate-moderation-results\n\
             DECISIONS_TOPIC_ARN=arn:aws:sns:us-east-1:123456789012:reelgate-decisions\n\
             RECONCILER_FUNCTION_NAME=reelgate-reconciler\n\
             DEAD_LETTER_QUEUE_URLS=http://127.0.0.1:4566/123456789012/reelgate-ingest-failures,\
             http://127.0.0.1:4566/123456789012/reelgate-callback-failures,\
             http://127.0.0.1:4566/123456789012/reelgate-undelivered-results\n"
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write(&folder.path().join("none/env"), &[]).is_err());
    }
}
