//! Where a server is, read from its address once.

use crate::config::Config;
use crate::error::Error;
use http::{HeaderName, HeaderValue, Uri};

/// A server's place, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// What the `Host` header says.
    pub(crate) authority: String,
    /// Path and query of the handshake.
    pub(crate) path_and_query: String,
}

impl Target {
    /// Reads `http://host:port`, with `ws`, `https` and `wss` as well; a query is sent along.
    pub(crate) fn parse(url: &str, config: &Config) -> Result<Self, Error> {
        let wrong = |problem: &'static str| Error::Url { url: url.to_owned(), problem };
        let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
        let default_port = match uri.scheme_str() {
            Some("http" | "ws") => 80,
            Some("https" | "wss") if config.connector.is_secure() => 443,
            Some("https" | "wss") => return Err(wrong("TLS needs a connector of the program's: Connector::secure")),
            _ => return Err(wrong("it must begin with http:// or ws://")),
        };
        let authority = uri.authority().ok_or(wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("credentials belong into Config::auth or Config::headers"));
        }
        if !matches!(uri.path(), "" | "/") {
            return Err(wrong("a namespace is given to Client::socket, and another HTTP path to Config::path"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        check(config)?;
        let query = uri.query().map(|query| format!("&{query}")).unwrap_or_default();
        let path_and_query = format!("{}?EIO=4&transport=websocket{query}", config.path);
        let port = authority.port_u16().unwrap_or(default_port);
        Ok(Self { host, port, authority: authority.to_string(), path_and_query })
    }
}

/// Path and headers go into the request as they are, so nothing in them may end a line.
fn check(config: &Config) -> Result<(), Error> {
    let path = &config.path;
    let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
    if !is_path {
        return Err(Error::Config { problem: format!("{path:?} is no path that begins with / and has no query") });
    }
    for (name, value) in &config.headers {
        if HeaderName::try_from(name.as_str()).is_err() || HeaderValue::try_from(value.as_str()).is_err() {
            // The value may be a secret.
            return Err(Error::Config { problem: format!("the header {name:?} is none") });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector::Connector;

    fn target(url: &str) -> Result<Target, Error> {
        Target::parse(url, &Config::default())
    }

    #[test]
    fn an_address_is_read_in_all_its_forms() {
        let plain = target("http://localhost:8765").unwrap();
        assert_eq!((plain.host.as_str(), plain.port, plain.authority.as_str()), ("localhost", 8765, "localhost:8765"));
        assert_eq!(plain.path_and_query, "/socket.io/?EIO=4&transport=websocket");
        assert_eq!(target("ws://[::1]/?name=log").unwrap().host, "::1");
        assert_eq!(target("ws://[::1]/").unwrap().port, 80);
        assert!(target("http://a/?x=1").unwrap().path_and_query.ends_with("websocket&x=1"));
        let config =
            Config { connector: Connector::secure(|_, _| async { Ok(tokio::io::empty()) }), ..Config::default() };
        assert_eq!(Target::parse("wss://example.org", &config).unwrap().port, 443);
    }

    #[test]
    fn what_is_no_address_is_told_with_its_reason() {
        for (url, reason) in [
            ("localhost:8765", "must begin with"),
            ("", "no URL"),
            ("ftp://a", "must begin with"),
            ("https://a", "Connector::secure"),
            ("http://me:secret@a", "Config::auth"),
            ("http://a/hook", "Client::socket"),
        ] {
            let error = target(url).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }

    #[test]
    fn nothing_in_the_configuration_can_end_a_line_of_the_request() {
        let headers = Config { headers: vec![("X-A".to_owned(), "1\r\nX-B: 2".to_owned())], ..Config::default() };
        let path = Config { path: "/socket.io/ HTTP/1.1\r\n".to_owned(), ..Config::default() };
        for config in [headers, path] {
            assert!(matches!(Target::parse("http://a", &config), Err(Error::Config { .. })));
        }
    }
}
