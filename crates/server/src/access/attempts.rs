//! Wrong tokens and passwords, counted by address: whoever guesses has to wait.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong tokens that an address may bring at once: a person who pastes the wrong one, a few programs started together.
const BURST: f64 = 20.0;

/// Wrong tokens a second that are forgiven after that: 3,600 guesses an hour at a token nobody guesses in years.
const PER_S: f64 = 1.0;

/// Addresses remembered: 64 KB. Beyond it the calmest are forgotten.
const ADDRESSES_MAX: usize = 1_000;

/// How many wrong tokens each address has brought lately.
#[derive(Default)]
pub(crate) struct Attempts {
    /// Short scopes only. By address: how many count, and when that was reckoned.
    failed: Mutex<HashMap<IpAddr, (f64, Instant)>>,
}

impl Attempts {
    /// Seconds until this address is listened to again; `None` when it is.
    pub(crate) fn wait(&self, address: IpAddr) -> Option<u64> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, since) = *failed.get(&block(address))?;
        let now = left(count, since.elapsed());
        (now > BURST - 1.0).then(|| ((now - BURST + 1.0) / PER_S).ceil().max(1.0) as u64)
    }

    /// Counts a wrong token.
    pub(crate) fn failed(&self, address: IpAddr) {
        let address = block(address);
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is known needs no room: making some could forget the very one.
        if failed.len() >= ADDRESSES_MAX && !failed.contains_key(&address) {
            failed.retain(|_, (count, since)| left(*count, since.elapsed()) > 0.0);
            if failed.len() >= ADDRESSES_MAX
                && let Some(calmest) =
                    failed.iter().min_by(|one, other| one.1.0.total_cmp(&other.1.0)).map(|(address, _)| *address)
            {
                failed.remove(&calmest);
            }
        }
        let entry = failed.entry(address).or_insert((0.0, Instant::now()));
        *entry = (left(entry.0, entry.1.elapsed()) + 1.0, Instant::now());
    }
}

fn left(count: f64, elapsed: Duration) -> f64 {
    (count - elapsed.as_secs_f64() * PER_S).max(0.0)
}

/// One customer has a whole /64 of IPv6.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_has_to_wait_and_his_neighbour_has_not() {
        let attempts = Attempts::default();
        let (guesser, neighbour) = ("192.0.2.7".parse().unwrap(), "192.0.2.8".parse().unwrap());
        for _ in 0..15 {
            attempts.failed(guesser);
        }
        assert_eq!(attempts.wait(guesser), None);
        for _ in 0..10 {
            attempts.failed(guesser);
        }
        assert!(attempts.wait(guesser).is_some_and(|seconds| (1..=7).contains(&seconds)));
        assert_eq!(attempts.wait(neighbour), None);
    }

    #[test]
    fn a_flood_of_addresses_stays_bounded_and_an_address_has_its_whole_block() {
        let attempts = Attempts::default();
        for number in 0..5_000_u32 {
            attempts.failed(IpAddr::from((0x0a00_0000 + number).to_be_bytes()));
        }
        assert!(attempts.failed.lock().unwrap().len() <= ADDRESSES_MAX);
        for host in 0..30_u16 {
            attempts.failed(IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, host]));
        }
        assert!(attempts.wait("2001:db8:0:1::ffff".parse().unwrap()).is_some());
    }
}
