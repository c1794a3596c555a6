//! The services behind sockets of the loopback interface: one listener for the AWS APIs, one for the Runtime API.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::aws::Aws;
use crate::wire::{Request, Response};

/// How long open requests may take to end once the server shuts down: long polls would take forever. Real time.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// How long the listener rests after it could not accept, for example for want of file descriptors. Real time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An [`Aws`] that listens. Dropping it stops listening at once; [`Self::shut_down`] ends it in order.
pub struct Server {
    aws: Aws,
    address: SocketAddr,
    runtime_api_address: SocketAddr,
    closing: watch::Sender<bool>,
    listeners: [JoinHandle<()>; 2],
}

impl Server {
    /// Listens on the loopback interface alone: for the AWS APIs on `port` (0 = any free one), for the Runtime API on
    /// any free one, which the Lambda service is told.
    ///
    /// A client that hangs up ends the handling of its request: its future is dropped, as far as it came.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(aws: Aws, port: u16) -> io::Result<Self> {
        let apis = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let runtime_api = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, runtime_api_address) = (apis.local_addr()?, runtime_api.local_addr()?);
        aws.lambda.set_runtime_api(runtime_api_address);
        let closing = watch::Sender::new(false);
        let lambda = Arc::clone(&aws.lambda);
        let any_aws = aws.clone();
        let handle_api = move |request| {
            let aws = any_aws.clone();
            async move { aws.handle(request).await }
        };
        let handle_runtime_api = move |request| Arc::clone(&lambda).handle_runtime_api(request);
        let listeners = [
            tokio::spawn(listen(apis, closing.subscribe(), handle_api)),
            tokio::spawn(listen(runtime_api, closing.subscribe(), handle_runtime_api)),
        ];
        Ok(Self {
            aws,
            address,
            runtime_api_address,
            closing,
            listeners,
        })
    }

    /// Where the AWS APIs listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to give an SDK or the CLI as AWS_ENDPOINT_URL.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the Runtime API listens.
    #[must_use]
    pub fn runtime_api_address(&self) -> SocketAddr {
        self.runtime_api_address
    }

    /// Ends the functions' processes while the APIs still answer them, then the listeners and open connections.
    pub async fn shut_down(mut self) {
        self.aws.lambda.shut_down().await;
        self.closing.send_replace(true);
        for listener in &mut self.listeners {
            // A listener that panicked has ended too.
            drop(listener.await);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
    }
}

/// Accepts connections until told to close, then lets open requests end for a while.
async fn listen<H, F>(listener: TcpListener, mut closing: watch::Receiver<bool>, handle: H)
where
    H: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, closing.clone(), handle.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = told_to_close(&mut closing) => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // Dropping the set aborts what is left.
    drop(tokio::time::timeout(DRAIN_MAX, drained).await);
}

async fn serve<H, F>(stream: TcpStream, mut closing: watch::Receiver<bool>, handle: H)
where
    H: Fn(Request) -> F,
    F: Future<Output = Response>,
{
    // Small answers must not wait for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "could not set TCP_NODELAY");
    }
    let service = service_fn(|request: http::Request<Incoming>| {
        let answer = handle(request.map(|body| body.map_err(Into::into).boxed()));
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // A client may keep its connection idle as long as it likes.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told_to_close(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients that hang up in the middle are part of the normal course.
        tracing::debug!(%error, "a connection broke");
    }
}

/// Until the server shuts down, or is dropped.
async fn told_to_close(closing: &mut watch::Receiver<bool>) {
    drop(closing.wait_for(|closing| *closing).await);
}
