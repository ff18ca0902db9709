//! HTTP by hand: a load generator must cost less than what it measures.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The status of one GET, `None` when nobody answers.
pub(crate) fn get_blocking(port: u16, path: &str) -> Option<u16> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// A connection that posts one body after another.
pub(crate) struct Poster {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Poster {
    pub(crate) async fn connect(port: u16) -> Result<Poster> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Poster { stream, buffer: Vec::with_capacity(4096) })
    }

    /// A request that can be sent again and again.
    pub(crate) fn request(port: u16, path: &str, body: &str) -> Vec<u8> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost:{port}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body.as_bytes()].concat()
    }

    /// Sends it and waits for the whole answer; any status but 2xx is an error.
    pub(crate) async fn post(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            let Some(head_end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&self.buffer[..head_end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if self.buffer.len() >= head_end + 4 + length {
                if !head.starts_with("http/1.1 2") {
                    bail!("the server answered {}", head.lines().next().unwrap_or_default());
                }
                return Ok(());
            }
        }
    }
}
