//! A sandbox that stays up.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;
use tempfile::TempDir;

use super::arguments::{Options, Serve};
use super::drop_folder::DropFolder;
use super::logs::LogFolder;
use super::session::{Session, interrupted};
use super::settings::{self, settings};

/// Runs until Ctrl-C or SIGTERM.
///
/// # Errors
/// When the sandbox cannot run.
pub(super) async fn serve(options: &Options, serve: &Serve) -> anyhow::Result<()> {
    let (folder, _temporary) = drop_folder(serve)?;
    let gathered = tempfile::tempdir().context("no folder for labels can be made")?;
    let labels = options.labels.as_deref().unwrap_or(gathered.path());
    let logs = LogFolder::new(options.log_dir.as_deref())?;
    let speed = options.speed.unwrap_or(1.0);
    // Before the first line of output: whoever reads that may already send the signal.
    let mut interrupted = std::pin::pin!(interrupted());
    let session = tokio::select! {
        session = Session::start(options, speed, serve.port, labels, logs.path()) => session?,
        signal = &mut interrupted => return signal.context("signals cannot be waited for"),
    };
    let mut drops = DropFolder::new(
        folder,
        options.labels.is_none().then(|| gathered.path().to_owned()),
    );
    let told = announce(&session, serve, &drops, &logs, speed);
    let result = match told {
        Ok(()) => tokio::select! {
            result = drops.watch(&session) => result,
            signal = &mut interrupted => signal.context("signals cannot be waited for"),
        },
        Err(error) => Err(error),
    };
    session.shut_down().await;
    result
}

fn drop_folder(serve: &Serve) -> anyhow::Result<(PathBuf, Option<TempDir>)> {
    if let Some(folder) = &serve.drop {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("--drop {} cannot be made", folder.display()))?;
        return Ok((folder.clone(), None));
    }
    let folder = tempfile::Builder::new()
        .prefix("reelgate-drop-")
        .tempdir()
        .context("no folder to drop videos in can be made")?;
    Ok((folder.path().to_owned(), Some(folder)))
}

/// Tells how to use the sandbox, now that it is ready.
fn announce(
    session: &Session,
    serve: &Serve,
    drops: &DropFolder,
    logs: &LogFolder,
    speed: f64,
) -> anyhow::Result<()> {
    let settings = settings(&session.aws.account, &session.endpoint_url, &session.stack);
    let mut text = format!(
        "The gate is up at {} (speed {speed}).\n\n",
        session.endpoint_url
    );
    for (name, value) in &settings {
        let _ = writeln!(text, "export {name}={value}");
    }
    let _ = write!(
        text,
        "\nTry, with these set:\n  \
         aws s3 cp clip.mp4 s3://{raw}/\n  \
         aws stepfunctions list-executions --state-machine-arn {machine}\n  \
         aws s3 ls s3://{approved}/\n\
         or drop videos in {drop}\n\
         The functions' logs are in {logs}\n\
         Ctrl-C ends it.\n",
        raw = session.stack.raw_bucket,
        approved = session.stack.approved_bucket,
        machine = session.stack.state_machine_arn,
        drop = drops.path().display(),
        logs = logs.path().display(),
    );
    if let Some(path) = &serve.env_file {
        settings::write(path, &settings)
            .with_context(|| format!("--env-file {} cannot be written", path.display()))?;
        let _ = writeln!(text, "The settings are in {}", path.display());
    }
    let mut stdout = std::io::stdout();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context("standard output is closed")
}
