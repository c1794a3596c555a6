//! The services behind sockets of the loopback interface: one listener for the AWS APIs, one for the Runtime API.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::aws::Aws;
use crate::wire::{Request, Response};

/// The listeners, until it is dropped.
pub struct Server {
    aws: Aws,
    address: SocketAddr,
    listeners: [JoinHandle<()>; 2],
}

impl Server {
    /// Listens on `port` of 127.0.0.1 (0: any that is free), and on any port for the Runtime API.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(aws: Aws, port: u16) -> std::io::Result<Self> {
        let api = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = api.local_addr()?;
        let runtime_api = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        aws.lambda.set_runtime_api(runtime_api.local_addr()?);
        let (services, lambda) = (aws.clone(), Arc::clone(&aws.lambda));
        let listeners = [
            tokio::spawn(accept(api, move |request| {
                let services = services.clone();
                async move { services.handle(request).await }
            })),
            tokio::spawn(accept(runtime_api, move |request| {
                Arc::clone(&lambda).handle_runtime_api(request)
            })),
        ];
        Ok(Self {
            aws,
            address,
            listeners,
        })
    }

    /// Where the AWS APIs are.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL: what AWS_ENDPOINT_URL is set to.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Server {
    /// Takes no more connections, and ends all functions.
    pub async fn shut_down(self) {
        self.aws.lambda.shut_down().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
        self.aws.lambda.end_environments();
    }
}

async fn accept<F, A>(listener: TcpListener, handle: F)
where
    F: Fn(Request) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response> + Send,
{
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, for example: others must close first.
                tracing::warn!(%error, "connection not accepted");
                tokio::task::yield_now().await;
                continue;
            }
        };
        // Small answers must not wait for one another; a failure costs latency only.
        let _ = stream.set_nodelay(true);
        let handle = handle.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: http::Request<Incoming>| {
                let answer = handle(request.map(|body| body.map_err(Into::into).boxed()));
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            // A client that goes away drops the answer that it waited for, as an aborted poll needs it.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
    }
}
