//! TLS on the port, for those who put no proxy before it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ServerConfig, version};
use tokio_rustls::server::TlsStream;

use crate::config::{StartError, TlsFiles};

/// How long a client has for its first byte, and then for the handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(15);

/// The first byte of a TLS handshake; no HTTP method begins with it.
const HANDSHAKE: u8 = 0x16;

/// What a client is told that speaks HTTP where TLS is expected.
const PLAIN_REFUSED: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\nconnection: close\r\n\
    content-length: 49\r\n\r\nThis monitor speaks TLS; ask for it with https://\n";

/// The certificate and its key, ready to serve.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
}

/// A connection whose first byte was looked at.
pub(super) enum Accepted {
    /// It speaks TLS.
    Secure(Box<TlsStream<TcpStream>>),
    /// It does not, and comes from this machine: hooks and commands need no certificate to reach their monitor.
    Plain(TcpStream),
}

impl Tls {
    /// Reads the files. They are looked at once: a new certificate needs a restart.
    pub(crate) fn load(files: &TlsFiles) -> Result<Tls, StartError> {
        let wrong =
            |file: &std::path::Path, reason: String| StartError::Tls { file: file.display().to_string(), reason };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
            .and_then(Iterator::collect)
            .map_err(|error| wrong(&files.certificate, reason(&error)))?;
        if chain.is_empty() {
            return Err(wrong(&files.certificate, "it holds no certificate in PEM".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, reason(&error)))?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map(|builder| builder.with_no_client_auth())
            .and_then(|builder| builder.with_single_cert(chain, key));
        let mut config = config.map_err(|error| wrong(&files.certificate, format!("with that key: {error}")))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    pub(super) async fn accept(&self, mut stream: TcpStream, peer: SocketAddr) -> std::io::Result<Accepted> {
        let mut first = [0];
        if within(stream.peek(&mut first)).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if first[0] == HANDSHAKE {
            let stream = within(self.acceptor.accept(stream)).await?;
            return Ok(Accepted::Secure(Box::new(stream)));
        }
        if peer.ip().to_canonical().is_loopback() {
            return Ok(Accepted::Plain(stream));
        }
        within(stream.write_all(PLAIN_REFUSED)).await?;
        Err(std::io::Error::other("it speaks no TLS"))
    }
}

async fn within<T>(work: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
    tokio::time::timeout(HANDSHAKE_MAX, work).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

fn reason(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it holds no private key in PEM".to_owned(),
        other => other.to_string(),
    }
}
