//! What a trusted proxy says about the client behind it: `X-Forwarded-For`, `-Proto`, `-Host`. Nobody else is believed.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use http::HeaderMap;

use super::{Owner, Visitor};

/// Addresses in one network: `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let wrong = || format!("{text:?} is no address or network such as 127.0.0.1 or 10.0.0.0/8");
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.trim().parse().map_err(|_| wrong()))?;
        if prefix > bits { Err(wrong()) } else { Ok(Network { address, prefix }) }
    }
}

impl Network {
    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |bits: u32| bits - u32::from(self.prefix);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// What a proxy adds, whichever it is.
const TELLTALES: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];

/// Puts the client in the place of the proxy that speaks for it. Returns whether anything changed.
pub(super) fn apply(proxies: &[Network], headers: &HeaderMap, visitor: &mut Visitor) -> bool {
    let trusted = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    if proxies.is_empty() || !trusted(visitor.peer.ip()) {
        // The connection is one of this user's programs, but who knows for whom.
        let is_proxy = TELLTALES.iter().any(|name| headers.contains_key(*name));
        if is_proxy {
            visitor.owner = Arc::new(OnceLock::from(Owner::Remote));
        }
        return is_proxy;
    }
    let said = |name: &str| {
        headers.get_all(name.to_owned()).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>()
    };
    let last =
        |name: &str| said(name).last().and_then(|value| value.rsplit(',').next()).map(|value| value.trim().to_owned());
    // Each proxy adds whom it saw at the end: the client is the last one that is no proxy of ours.
    let hops: Vec<IpAddr> =
        said("x-forwarded-for").iter().flat_map(|value| value.split(',')).filter_map(address).collect();
    let Some(client) = hops.iter().rev().find(|hop| !trusted(**hop)).or(hops.first()) else { return false };
    visitor.peer = SocketAddr::new(*client, 0);
    visitor.secure = last("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    visitor.host = last("x-forwarded-host").filter(|host| !host.is_empty());
    // Through a proxy nobody is at this machine, even if the connection is: a token tells who it is.
    visitor.owner = Arc::new(OnceLock::from(Owner::Remote));
    true
}

/// `192.0.2.7`, `192.0.2.7:4711`, `[2001:db8::7]:4711`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip())).or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(peer: &str) -> Visitor {
        Visitor::new(peer.parse().unwrap(), "127.0.0.1:8765".parse().unwrap(), false)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_client_is_the_last_hop_that_is_no_proxy_of_ours() {
        let proxies: Vec<Network> = ["127.0.0.1", "10.0.0.0/8"].iter().map(|text| text.parse().unwrap()).collect();
        let said = headers(&[
            ("x-forwarded-for", "203.0.113.9, 198.51.100.4"),
            ("x-forwarded-for", "10.1.2.3"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "monitor.example.com"),
        ]);
        let mut client = visitor("127.0.0.1:40000");
        assert!(apply(&proxies, &said, &mut client));
        assert_eq!(client.peer.ip().to_string(), "198.51.100.4");
        assert!(client.secure);
        assert_eq!(client.host.as_deref(), Some("monitor.example.com"));
        assert_eq!(client.owner(), Owner::Remote);
    }

    #[test]
    fn who_is_no_proxy_of_ours_is_not_believed() {
        let said = headers(&[("x-forwarded-for", "127.0.0.1"), ("x-forwarded-host", "localhost")]);
        let mut client = visitor("192.0.2.1:40000");
        assert!(apply(&["10.0.0.0/8".parse().unwrap()], &said, &mut client));
        assert_eq!(client.peer.ip().to_string(), "192.0.2.1");
        assert!(client.host.is_none());
        // Not even that it is a program of this user: through it comes anybody.
        let mut client = visitor("127.0.0.1:40000");
        assert!(apply(&[], &headers(&[("via", "1.1 proxy")]), &mut client));
        assert_eq!(client.owner(), Owner::Remote);
        assert!(!apply(&[], &headers(&[]), &mut visitor("127.0.0.1:40000")));
    }

    #[test]
    fn networks_are_read_and_told_apart() {
        let contains =
            |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "203.0.113.1") && contains("::/0", "2001:db8::1"));
        assert!(contains("127.0.0.1", "127.0.0.1") && !contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("127.0.0.1", "::ffff:127.0.0.1") && !contains("::1", "127.0.0.1"));
        for wrong in ["localhost", "10.0.0.0/33", "10.0.0/8", ""] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
