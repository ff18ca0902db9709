//! Whose process is at the other end of a loopback connection.

use std::net::{IpAddr, SocketAddr};

/// Who a connection belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This user, or root.
    Own,
    /// Another user of this machine.
    Stranger,
    /// The system does not tell.
    Unknown,
    /// Another machine.
    Remote,
}

/// Looks the connection's owner up. On Linux in `/proc/net/tcp`, whose lines hold addresses, ports and the user id.
pub(crate) fn owner(peer: SocketAddr, local: SocketAddr) -> Owner {
    let (peer, local) = (canonical(peer), canonical(local));
    // A connection from one of the machine's own addresses to itself is local too.
    if !peer.ip().is_loopback() && peer.ip() != local.ip() {
        return Owner::Remote;
    }
    match uid_of(peer, local) {
        Some(uid) if uid == 0 || uid == rustix::process::geteuid().as_raw() => Owner::Own,
        Some(_) => Owner::Stranger,
        None => Owner::Unknown,
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(target_os = "linux")]
fn uid_of(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    // A program may reach an IPv4 address through an IPv6 socket, so both tables are looked at.
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        uid_in(&table, peer, local)
    })
}

#[cfg(not(target_os = "linux"))]
fn uid_of(_peer: SocketAddr, _local: SocketAddr) -> Option<u32> {
    None
}

/// Finds the socket whose own address is `peer` and whose other end is `local`.
#[cfg(any(target_os = "linux", test))]
fn uid_in(table: &str, peer: SocketAddr, local: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let own = address(columns.next()?)?;
        let other = address(columns.next()?)?;
        // After the state, the queues, the timer and the retransmissions.
        let uid = columns.nth(4)?.parse().ok()?;
        (own == peer && other == local).then_some(uid)
    })
}

/// `0100007F:1F90` is 127.0.0.1:8080: words in the machine's byte order, ports in hexadecimal.
#[cfg(any(target_os = "linux", test))]
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(host.get(at * 8..at * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match host.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?);
            }
            IpAddr::from(bytes)
        }
        _ => return None,
    };
    Some(canonical(SocketAddr::new(ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_tells_the_user_of_a_connection() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 20 4 30 10 -1\n\
             1: 0100007F:D431 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 20 4 30 10 -1\n";
        let at = |text: &str| text.parse().unwrap();
        assert_eq!(uid_in(table, at("127.0.0.1:54321"), at("127.0.0.1:8080")), Some(1000));
        assert_eq!(uid_in(table, at("127.0.0.1:54322"), at("127.0.0.1:8080")), None);
    }

    #[test]
    fn another_machine_is_never_local() {
        assert_eq!(owner("192.0.2.7:40000".parse().unwrap(), "192.0.2.1:8765".parse().unwrap()), Owner::Remote);
    }
}
