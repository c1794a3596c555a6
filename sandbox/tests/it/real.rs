//! A deployed gate whose functions are real processes, and the wire between them and the services. Time is real here, at
//! 60 times the pace; every wait is for a condition.

use std::sync::{Arc, Mutex};

use sandbox::account::Account;
use sandbox::aws::{Aws, AwsConfig};
use sandbox::clock::Clock;
use sandbox::lambda::{LogLine, LogSink};
use sandbox::rng::SharedRng;
use sandbox::server::Server;
use sandbox::stack::functions::Programs;
use sandbox::stack::in_process::InProcess;
use sandbox::stack::{Stack, StackOptions};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::support::sdk_config;
use crate::world::World;

const SPEED: f64 = 60.0;

/// The gate with its functions as processes of the sandbox's own program.
pub(crate) struct Real {
    pub(crate) world: World,
    /// All that the services answered to the functions.
    pub(crate) answers: Recording,
    server: Server,
    log: UnboundedReceiver<LogLine>,
}

impl Real {
    pub(crate) async fn with(config: &AwsConfig, options: StackOptions) -> Self {
        let clock = Clock::new(time::OffsetDateTime::now_utc(), SPEED);
        let aws = Aws::new(Account::default(), clock, SharedRng::seeded(1), config);
        let (sender, log) = tokio::sync::mpsc::unbounded_channel();
        aws.lambda.set_log_sink(LogSink::Channel(sender));
        let server = Server::start(aws.clone(), 0).await.unwrap();
        let answers = Recording::default();
        let stack = Stack::new(
            &aws.account,
            StackOptions {
                endpoint_url: Some(tap(&server, &answers).await),
                ..options
            },
        );
        let programs = Programs::BuiltIn(env!("CARGO_BIN_EXE_sandbox").into());
        stack
            .deploy(&aws, |function| programs.code(function))
            .await
            .unwrap();
        let sdk = sdk_config(&aws);
        let world = World {
            s3: aws_sdk_s3::Client::new(&sdk),
            sfn: aws_sdk_sfn::Client::new(&sdk),
            steps: InProcess::new(&aws, &stack).unwrap(),
            aws,
            stack,
        };
        Self {
            world,
            answers,
            server,
            log,
        }
    }

    /// Ends all processes; returns what they wrote.
    pub(crate) async fn shut_down(mut self) -> Vec<LogLine> {
        self.server.shut_down().await;
        assert_eq!(self.world.aws.lambda.environment_ids(), [""; 0]);
        let mut lines = Vec::new();
        while let Ok(line) = self.log.try_recv() {
            lines.push(line);
        }
        lines
    }
}

/// Bytes that went over connections.
#[derive(Clone, Default)]
pub(crate) struct Recording(Arc<Mutex<Vec<u8>>>);

impl Recording {
    /// How often a text was seen.
    pub(crate) fn count(&self, text: &str) -> usize {
        let bytes = self.0.lock().unwrap();
        String::from_utf8_lossy(&bytes).matches(text).count()
    }
}

/// An endpoint in front of the server's that records what the server answers.
async fn tap(server: &Server, answers: &Recording) -> String {
    let (address, answers) = (server.address(), answers.clone());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let service = TcpStream::connect(address).await.unwrap();
            client.set_nodelay(true).unwrap();
            service.set_nodelay(true).unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_service, to_service) = service.into_split();
            tokio::spawn(copy(from_client, to_service, Recording::default()));
            tokio::spawn(copy(from_service, to_client, answers.clone()));
        }
    });
    url
}

/// Copies and records until either side closes.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    recording: Recording,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        recording.0.lock().unwrap().extend(&buffer[..length]);
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}
