//! Connections: where the server listens, and one task for each that comes in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::access::Visitor;
use crate::app::App;
use crate::config::{self, StartError};

/// Connections at a time, further ones wait in the kernel: the Socket.IO limit and room for REST besides.
const CONNECTIONS_MAX: usize = 11_000;

/// A client that has not sent its request's head by then is let go.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest request head, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long written bytes may stay unacknowledged before the kernel gives the connection up.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// How long open requests get to finish at shutdown.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Waiting connections that the kernel holds: a whole team's dashboards after a restart.
const BACKLOG: i32 = 1024;

/// Listens on `host`. `localhost` means both loopback addresses, as far as the machine has them, on the same port.
pub(crate) async fn bind(host: &str, port: u16) -> Result<Vec<TcpListener>, StartError> {
    if host.eq_ignore_ascii_case("localhost") {
        return bind_localhost(port);
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((bare, port)).await;
    let addresses: Vec<_> = found.map_err(|source| StartError::Host { host: host.to_owned(), source })?.collect();
    let Some(first) = addresses.first() else {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(StartError::Host { host: host.to_owned(), source });
    };
    Ok(vec![bind_to(*first)?])
}

fn bind_localhost(port: u16) -> Result<Vec<TcpListener>, StartError> {
    let v4 = bind_to(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let port = match &v4 {
        Ok(listener) => listener.local_addr().map_or(port, |address| address.port()),
        Err(_) => port,
    };
    let v6 = bind_to(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port));
    match (v4, v6) {
        (Ok(v4), Ok(v6)) => Ok(vec![v4, v6]),
        // A machine without one of the two families, or a container without IPv6.
        (Ok(one), Err(other)) | (Err(other), Ok(one)) if is_absent(&other) => Ok(vec![one]),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn is_absent(error: &StartError) -> bool {
    matches!(error, StartError::Listen { source, .. } if matches!(
        source.kind(),
        std::io::ErrorKind::AddrNotAvailable | std::io::ErrorKind::Unsupported
    ) || source.raw_os_error() == Some(97))
}

fn bind_to(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || -> std::io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restart must not wait for the old connections' TIME_WAIT; two live listeners still exclude each other.
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(address.ip() != IpAddr::V6(Ipv6Addr::UNSPECIFIED))?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    listen().map_err(|source| StartError::Listen {
        address: config::shown(&address.ip().to_string(), address.port()),
        source,
    })
}

/// Accepts until the server stops, then lets open requests finish.
pub(crate) async fn serve(listener: TcpListener, router: Router, app: Arc<App>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            () = app.stopped.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let accepted = tokio::select! {
            () = app.stopped.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let serving = connection(stream, peer, router.clone(), Arc::clone(&app));
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

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, app: Arc<App>) {
    let socket = SockRef::from(&stream);
    // Small frames must leave at once, and a peer that is gone must be noticed.
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
    let Ok(local) = stream.local_addr() else { return };
    let visitor = Visitor::new(peer, local);
    let stopped = app.stopped.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        app.requests.fetch_add(1, Relaxed);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(visitor.clone());
        router.clone().oneshot(request)
    });
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
