//! The client's side of the HTTP upgrade, for tests, load generators and other Rust programs.

use super::{Error, Reader, Role, Writer, accept_key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt::Write as _;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

/// The longest answer of a server that we read before giving up, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Asks the server at the other end of `stream` for a WebSocket at `path_and_query` and gives its two halves.
///
/// `headers` are added to the request as they are; they must not contain line breaks.
///
/// # Errors
/// The stream failed, or the answer is no valid 101 ([`Error::Handshake`] has its first line).
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    host: &str,
    path_and_query: &str,
    headers: &[(&str, &str)],
    message_bytes_max: usize,
) -> Result<(Reader<ReadHalf<S>>, Writer<WriteHalf<S>>), Error> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|error| Error::Handshake(error.to_string()))?;
    let key = STANDARD.encode(nonce);
    let mut request = format!(
        "GET {path_and_query} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
    );
    for (name, value) in headers {
        // Writing to a String cannot fail.
        let _ = write!(request, "{name}: {value}\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;

    let mut answer = Vec::new();
    let body = loop {
        if let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") {
            break end + 4;
        }
        if answer.len() > ANSWER_BYTES_MAX || stream.read_buf(&mut answer).await? == 0 {
            return Err(Error::Handshake("the answer has no end".to_owned()));
        }
    };
    let head = String::from_utf8_lossy(&answer[..body]);
    check_answer(&head, &key)?;
    let (read, write) = tokio::io::split(stream);
    let reader = Reader::new(read, Role::Client, message_bytes_max, &answer[body..]);
    Ok((reader, Writer::new(write, Role::Client)))
}

fn check_answer(head: &str, key: &str) -> Result<(), Error> {
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    if !status.starts_with("HTTP/1.1 101") {
        return Err(Error::Handshake(status.to_owned()));
    }
    let expected = accept_key(key.as_bytes());
    let accepted = lines
        .filter_map(|line| line.split_once(':'))
        .any(|(name, value)| name.eq_ignore_ascii_case("sec-websocket-accept") && value.trim() == expected);
    if accepted { Ok(()) } else { Err(Error::Handshake("Sec-WebSocket-Accept is wrong".to_owned())) }
}
