//! What a client's first request said, kept for the life of the connection.

use http::{Extensions, HeaderMap, HeaderValue, request};
use std::net::SocketAddr;
use std::time::SystemTime;

/// What only the HTTP server knows about a request.
#[derive(Debug, Clone, Default)]
pub struct ConnectionInfo {
    /// Where the request came from.
    pub remote: Option<SocketAddr>,
    /// Whether it came over TLS.
    pub secure: bool,
    /// Anything the caller wants to find again at [`Handshake::extensions`], for instance what its gate decided.
    pub extensions: Extensions,
}

/// A client's first request.
#[derive(Debug)]
pub struct Handshake {
    /// Its headers, copied so that they do not hold on to the connection's read buffer.
    pub headers: HeaderMap,
    /// Its path and query as sent.
    pub url: String,
    /// Its query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// Where it came from.
    pub remote: Option<SocketAddr>,
    /// Whether it came over TLS.
    pub secure: bool,
    /// When it came.
    pub issued: SystemTime,
    /// What the caller attached to it.
    pub extensions: Extensions,
}

impl Handshake {
    pub(crate) fn new(parts: &request::Parts, query: Vec<(String, String)>, info: ConnectionInfo) -> Self {
        let mut headers = HeaderMap::with_capacity(parts.headers.keys_len());
        for (name, value) in &parts.headers {
            if let Ok(copy) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.append(name.clone(), copy);
            }
        }
        Self {
            headers,
            url: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            query,
            remote: info.remote,
            secure: info.secure,
            issued: SystemTime::now(),
            extensions: info.extensions,
        }
    }

    /// A header as text; `None` if absent or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a browser sent it for a page (it names an origin); the reference calls it `xdomain`.
    pub fn has_origin(&self) -> bool {
        self.headers.contains_key(http::header::ORIGIN)
    }

    /// A query parameter; the last one wins, as in the reference.
    pub fn query(&self, name: &str) -> Option<&str> {
        parameter(&self.query, name)
    }
}

pub(crate) fn parameter<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Decodes `a=b&c=d` as a form does; bytes that are not UTF-8 become replacement characters.
pub(crate) fn parse_query(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(key), percent_decode(value))
        })
        .collect()
}

fn percent_decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => decoded.push(b' '),
            b'%' => match after.split_first_chunk::<2>().and_then(|(hex, after)| Some((hex_byte(*hex)?, after))) {
                Some((value, after)) => {
                    decoded.push(value);
                    rest = after;
                }
                None => decoded.push(b'%'),
            },
            other => decoded.push(other),
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex_byte(hex: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(hex[0])? * 16 + digit(hex[1])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_like_a_form() {
        let query = parse_query("EIO=4&name=a+b%20c%C3%A9&bad=%zz%4&flag&EIO=3");
        assert_eq!(parameter(&query, "name"), Some("a b cé"));
        assert_eq!(parameter(&query, "bad"), Some("%zz%4"));
        assert_eq!(parameter(&query, "flag"), Some(""));
        assert_eq!(parameter(&query, "EIO"), Some("3"));
    }
}
