//! How often one address may begin a session: a token bucket each, and a bounded number of buckets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Addresses remembered at a time, some 200 KB. Only those that began sessions lately are.
const ADDRESSES_MAX: usize = 4_096;

/// The buckets of all addresses. Pure: told what time it is.
#[derive(Debug)]
pub(super) struct Rate {
    burst: u32,
    per_s: u32,
    buckets: HashMap<IpAddr, Bucket>,
    /// For addresses that find no place, while an attacker has very many.
    shared: Bucket,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// When the bucket would be full if nothing more were taken; at most `burst / per_s` from now.
    full_at: Instant,
}

impl Rate {
    pub(super) fn new(burst: u32, per_s: u32, now: Instant) -> Self {
        Self { burst, per_s, buckets: HashMap::new(), shared: Bucket { full_at: now } }
    }

    /// Takes a token; `false` if there is none.
    pub(super) fn allows(&mut self, address: IpAddr, now: Instant) -> bool {
        if self.per_s == 0 {
            return true;
        }
        let token = Duration::from_secs(1) / self.per_s;
        let whole = token * self.burst;
        let address = owner(address);
        if self.buckets.len() >= ADDRESSES_MAX && !self.buckets.contains_key(&address) {
            self.buckets.retain(|_, bucket| bucket.full_at > now);
        }
        let bucket = if self.buckets.len() < ADDRESSES_MAX || self.buckets.contains_key(&address) {
            self.buckets.entry(address).or_insert(Bucket { full_at: now })
        } else {
            &mut self.shared
        };
        let full_at = bucket.full_at.max(now) + token;
        let allowed = full_at <= now + whole;
        if allowed {
            bucket.full_at = full_at;
        }
        allowed
    }
}

/// Who an address belongs to: one customer has a whole /64 of IPv6.
fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_rate_for_each_address_alone() {
        let start = Instant::now();
        let mut rate = Rate::new(3, 2, start);
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let allowed = (0..5).filter(|_| rate.allows(one, start)).count();
        assert_eq!(allowed, 3);
        assert!(rate.allows(other, start));
        let later = start + Duration::from_millis(500);
        assert!(rate.allows(one, later) && !rate.allows(one, later));
        let refilled = (0..5).filter(|_| rate.allows(one, start + Duration::from_secs(60))).count();
        assert_eq!(refilled, 3);
    }

    #[test]
    fn many_addresses_cost_bounded_memory_and_a_whole_prefix_counts_as_one() {
        let start = Instant::now();
        let mut rate = Rate::new(2, 1, start);
        for n in 0..10_000_u32 {
            rate.allows(IpAddr::from(n.to_be_bytes()), start);
        }
        assert_eq!(rate.buckets.len(), ADDRESSES_MAX);
        assert!(rate.allows(IpAddr::from([1, 1, 1, 1]), start + Duration::from_secs(5)));
        assert_eq!(rate.buckets.len(), 1);
        let address = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        let allowed = (0..5).filter(|n| rate.allows(address(*n), start)).count();
        assert_eq!(allowed, 2);
    }
}
