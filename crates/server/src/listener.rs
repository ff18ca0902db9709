//! Connections: where the server listens, and one task for each that comes in.

mod bind;
mod body;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, Uri};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::access::Visitor;
use crate::api::problem::Problem;
use crate::app::App;
pub(crate) use bind::{adopt, bind, port};
use body::Timed;
pub(crate) use body::is_slow;
pub(crate) use tls::Tls;

/// Connections beyond the live clients' limit that REST, hooks and browsers may hold; further ones wait in the kernel.
const CONNECTIONS_BESIDES: usize = 1_000;

/// A client that has not sent its request's head by then is let go.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest request head, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long written bytes may stay unacknowledged before the kernel gives the connection up.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// How long open requests get to finish at shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// What every connection of a listener is served with.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) router: Router,
    pub(crate) app: Arc<App>,
    pub(crate) tls: Option<Tls>,
}

/// Accepts until it is told to stop, then lets open requests finish.
pub(crate) async fn serve(listener: TcpListener, served: Served, until: CancellationToken) {
    let app = Arc::clone(&served.app);
    let places = Arc::new(Semaphore::new(
        app.config.connections_max.saturating_add(CONNECTIONS_BESIDES).min(Semaphore::MAX_PERMITS),
    ));
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            () = until.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let accepted = tokio::select! {
            () = until.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let serving = connection(stream, peer, served.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others must be served before this one can be.
                warn!("accepting a connection: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
        connections.shutdown().await;
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, served: Served) {
    let socket = SockRef::from(&stream);
    // Small frames must leave at once, and a peer that is gone must be noticed.
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
    let Ok(local) = stream.local_addr() else { return };
    let Some(tls) = served.tls.clone() else {
        return speak(stream, Visitor::new(peer, local, false), served).await;
    };
    match tls.accept(stream, peer).await {
        Ok(tls::Accepted::Secure(stream)) => speak(*stream, Visitor::new(peer, local, true), served).await,
        Ok(tls::Accepted::Plain(stream)) => speak(stream, Visitor::new(peer, local, false), served).await,
        Err(error) => debug!("connection of {peer}: {error}"),
    }
}

/// HTTP/1.1 until the connection ends.
async fn speak<S>(stream: S, visitor: Visitor, served: Served)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Served { router, app, .. } = served;
    let (stopped, peer) = (app.stopped.clone(), visitor.peer);
    let service = service_fn(move |request| answer(request, visitor.clone(), router.clone(), Arc::clone(&app)));
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stopped.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        debug!("connection of {peer}: {error}");
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    visitor: Visitor,
    router: Router,
    app: Arc<App>,
) -> Result<Response, std::convert::Infallible> {
    app.requests.fetch_add(1, Relaxed);
    if head_bytes(&request) > HEAD_BYTES_MAX {
        return Ok(Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head_too_large",
            format!("a request's head has at most {HEAD_BYTES_MAX} bytes"),
        )
        .into_response());
    }
    let mut request = request.map(|body| Body::new(Timed::new(body)));
    match below(&app.config.path_prefix, request.uri()) {
        Below::Root => {}
        Below::Path(uri) => *request.uri_mut() = uri,
        Below::Redirect(to) => return Ok(Redirect::permanent(&to).into_response()),
    }
    request.extensions_mut().insert(visitor);
    router.oneshot(request).await
}

/// About what its head has on the wire. What reads it grows its buffer by doubling, and so takes more than it is told.
fn head_bytes(request: &hyper::Request<Incoming>) -> usize {
    let uri = request.uri().path_and_query().map_or(0, |asked| asked.as_str().len());
    uri + request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}

/// Where an address lies below the path prefix.
#[derive(Debug, PartialEq)]
enum Below {
    /// It has no prefix, or not ours: a proxy may have taken it off, and programs of this machine ask without.
    Root,
    /// The address without it.
    Path(Uri),
    /// It is the prefix without the slash that makes a page's relative addresses right.
    Redirect(String),
}

fn below(prefix: &str, uri: &Uri) -> Below {
    let Some(rest) = uri.path().strip_prefix(prefix).filter(|_| !prefix.is_empty()) else { return Below::Root };
    if rest.is_empty() {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        return Below::Redirect(format!("{prefix}/{query}"));
    }
    if !rest.starts_with('/') {
        return Below::Root;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{rest}{query}").parse().map_or(Below::Root, Below::Path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_prefix_is_taken_off_and_nothing_else_is() {
        let path = |text: &str| below("/monitor", &text.parse().unwrap());
        assert_eq!(path("/monitor/live?q=1"), Below::Path("/live?q=1".parse().unwrap()));
        assert_eq!(path("/monitor/"), Below::Path("/".parse().unwrap()));
        assert_eq!(path("/monitor?q=1"), Below::Redirect("/monitor/?q=1".to_owned()));
        assert_eq!(path("/monitors"), Below::Root);
        assert_eq!(path("/live"), Below::Root);
        assert_eq!(below("", &"/live".parse().unwrap()), Below::Root);
    }
}
