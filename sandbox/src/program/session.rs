//! A sandbox with the gate deployed, and an operator's clients of it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use time::OffsetDateTime;
use workflow::policy::ModerationPolicy;

use super::arguments::Options;
use super::settings::settings;
use crate::account::Account;
use crate::aws::{Aws, AwsConfig};
use crate::clock::Clock;
use crate::lambda::LogSink;
use crate::rekognition;
use crate::rng::SharedRng;
use crate::server::Server;
use crate::stack::functions::{Folder, Programs};
use crate::stack::{Function, Stack, StackOptions};

/// Objects larger than this many bytes are kept on disk.
const SPILL_BYTES: usize = 8 << 20;

/// Clients as any user of the sandbox has them: over its socket.
#[derive(Debug)]
pub(super) struct Operator {
    /// Buckets.
    pub(super) s3: aws_sdk_s3::Client,
    /// Executions.
    pub(super) sfn: aws_sdk_sfn::Client,
}

/// A sandbox that is up.
pub(super) struct Session {
    /// The services.
    pub(super) aws: Aws,
    /// What is deployed.
    pub(super) stack: Stack,
    /// Clients.
    pub(super) operator: Operator,
    /// Where the endpoint is.
    pub(super) endpoint_url: String,
    server: Server,
    /// Unpacked archives live as long as this.
    _programs: Programs,
}

impl Session {
    /// Starts the services at a port (0: any that is free) and deploys the gate into them.
    ///
    /// # Errors
    /// When an option is not usable, the port is taken, or the gate cannot be deployed.
    pub(super) async fn start(
        options: &Options,
        speed: f64,
        port: u16,
        labels: &Path,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let policy = policy(options.policy.as_deref())?;
        let programs = programs(options.functions.as_deref())?;
        let clock = Clock::new(now(), speed);
        let config = AwsConfig {
            account_concurrency: usize::try_from(options.concurrency)?,
            rekognition: rekognition::Config {
                max_open_jobs: usize::try_from(options.job_limit)?,
                job_duration: options.job_seconds,
                labels_dir: Some(labels.to_owned()),
            },
            spill_bytes: SPILL_BYTES,
            ..AwsConfig::default()
        };
        let aws = Aws::new(
            Account::default(),
            clock,
            SharedRng::seeded(options.seed),
            &config,
        );
        aws.lambda.set_log_sink(LogSink::Folder(logs.to_owned()));
        let server = Server::start(aws.clone(), port)
            .await
            .with_context(|| format!("the endpoint cannot listen at port {port} of 127.0.0.1"))?;
        let endpoint_url = server.endpoint_url();
        let stack = Stack::new(
            &aws.account,
            StackOptions {
                endpoint_url: Some(endpoint_url.clone()),
                max_jobs: options.max_jobs,
                max_video_minutes_a_day: options.max_video_minutes_a_day,
                policy,
                ..StackOptions::default()
            },
        );
        stack
            .deploy(&aws, |function| programs.code(function))
            .await
            .context("the gate cannot be deployed")?;
        let settings = settings(&aws.account, &endpoint_url, &stack);
        let lookup = |name: &str| {
            let setting = settings.iter().find(|(known, _)| *known == name);
            setting.map(|(_, value)| value.clone())
        };
        let clients = workflow::aws::Aws::from_vars(lookup)?;
        Ok(Self {
            operator: Operator {
                s3: clients.s3(),
                sfn: clients.sfn(),
            },
            aws,
            stack,
            endpoint_url,
            server,
            _programs: programs,
        })
    }

    /// An object of the ledger bucket; None if there is none of that key.
    ///
    /// # Errors
    /// When the sandbox does not answer as it should.
    pub(super) async fn ledger_object(&self, key: &str) -> anyhow::Result<Option<Vec<u8>>> {
        use aws_sdk_s3::error::ProvideErrorMetadata as _;
        let get = self
            .operator
            .s3
            .get_object()
            .bucket(&self.stack.ledger_bucket)
            .key(key);
        let context = || format!("GetObject of {key} in the ledger bucket");
        match get.send().await {
            Ok(object) => Ok(Some(
                object.body.collect().await.with_context(context)?.to_vec(),
            )),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(None),
            Err(error) => Err(error).with_context(context),
        }
    }

    /// Whether the events of that many uploads were ingested, and S3's test event before them.
    pub(super) fn ingested(&self, uploads: u64) -> bool {
        let stats = self.aws.lambda.stats();
        let name = self.stack.function_name(Function::IngestTrigger);
        stats
            .functions
            .get(&name)
            .is_some_and(|ingest| ingest.running == 0 && ingest.invocations > uploads)
    }

    /// Stops the functions' processes, then the endpoint.
    pub(super) async fn shut_down(self) {
        self.aws.lambda.shut_down().await;
        self.server.shut_down().await;
    }
}

/// The policy's text, checked: the gate would wait for a usable one.
fn policy(file: Option<&Path>) -> anyhow::Result<String> {
    let Some(file) = file else {
        return Ok(workflow::policy::DEFAULT_POLICY.to_owned());
    };
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("--policy {} cannot be read", file.display()))?;
    ModerationPolicy::parse(text.as_bytes())
        .with_context(|| format!("--policy {}", file.display()))?;
    Ok(text)
}

fn programs(folder: Option<&Path>) -> anyhow::Result<Programs> {
    match folder {
        Some(folder) => {
            let folder = Folder::open(folder, &search_path()).context("--functions")?;
            Ok(Programs::Folder(folder))
        }
        None => Ok(Programs::BuiltIn(std::env::current_exe().context(
            "the built-in functions are this very program, which cannot be found",
        )?)),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "where programs are is the machine's to say"
)]
fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default()
}

/// The one look at the machine's clock: from here on time passes as tokio says.
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// Waits for Ctrl-C, or for SIGTERM where there is such a thing.
///
/// # Errors
/// When the signals cannot be waited for.
pub(super) async fn interrupted() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_the_gate_would_refuse_is_refused_here() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.json");
        std::fs::write(&file, workflow::policy::DEFAULT_POLICY).unwrap();
        assert_eq!(
            policy(Some(&file)).unwrap(),
            workflow::policy::DEFAULT_POLICY
        );
        std::fs::write(&file, r#"{"version": 1, "defualt": {}}"#).unwrap();
        let error = format!("{:#}", policy(Some(&file)).unwrap_err());
        assert!(
            error.contains("policy.json") && error.contains("defualt"),
            "{error}"
        );
        assert!(policy(Some(&folder.path().join("none"))).is_err());
    }
}
