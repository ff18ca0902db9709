//! Taking the port, on every address that the host's name stands for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::config::{self, StartError};

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

/// Listens on with sockets that were another process's.
pub(crate) fn adopt(sockets: Vec<OwnedFd>) -> std::io::Result<Vec<TcpListener>> {
    let adopt = |socket: OwnedFd| {
        let listener = std::net::TcpListener::from(socket);
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    sockets.into_iter().map(adopt).collect()
}

/// The port that they listen on.
pub(crate) fn port(listeners: &[TcpListener]) -> Option<u16> {
    listeners.first()?.local_addr().ok().map(|address| address.port())
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
