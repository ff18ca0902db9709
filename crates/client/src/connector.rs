//! The way to the server: TCP, or whatever byte stream the program brings.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A byte stream to a server.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

type Opening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Io>>> + Send>>;

/// Opens a byte stream to a host and port, once for each attempt to connect.
///
/// This crate brings no TLS. A program that has it, with its own trust anchors, gives a connector and may then use
/// `https` and `wss` addresses:
///
/// ```ignore
/// let tls = tokio_rustls::TlsConnector::from(Arc::new(tls_config));
/// let connector = Connector::secure(move |host, port| {
///     let tls = tls.clone();
///     async move {
///         let name = ServerName::try_from(host.clone()).map_err(std::io::Error::other)?;
///         tls.connect(name, TcpStream::connect((host, port)).await?).await
///     }
/// });
/// ```
#[derive(Clone)]
pub struct Connector {
    open: Arc<dyn Fn(String, u16) -> Opening + Send + Sync>,
    is_secure: bool,
}

impl Connector {
    /// TCP, without delay for small packets.
    pub fn tcp() -> Self {
        Self::plain(|host, port| async move {
            let stream = TcpStream::connect((host, port)).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
    }

    /// A stream that is not encrypted, through a proxy or a Unix socket for instance; for `http` and `ws` addresses.
    pub fn plain<F, S>(open: impl Fn(String, u16) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: Io + 'static,
    {
        Self::new(open, false)
    }

    /// A stream that is encrypted and whose other end is known to be the host; for `https` and `wss` addresses, too.
    pub fn secure<F, S>(open: impl Fn(String, u16) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: Io + 'static,
    {
        Self::new(open, true)
    }

    fn new<F, S>(open: impl Fn(String, u16) -> F + Send + Sync + 'static, is_secure: bool) -> Self
    where
        F: Future<Output = io::Result<S>> + Send + 'static,
        S: Io + 'static,
    {
        let open = move |host, port| -> Opening {
            let opening = open(host, port);
            Box::pin(async move { opening.await.map(|stream| Box::new(stream) as Box<dyn Io>) })
        };
        Self { open: Arc::new(open), is_secure }
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }

    pub(crate) async fn open(&self, host: &str, port: u16) -> io::Result<Box<dyn Io>> {
        (self.open)(host.to_owned(), port).await
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").field("is_secure", &self.is_secure).finish_non_exhaustive()
    }
}
