//! How long to wait before the next attempt to connect: longer each time, and not all clients at once.

use std::time::Duration;

/// The pauses between attempts to connect.
#[derive(Debug, Clone, PartialEq)]
pub struct Backoff {
    /// The first pause. 500 ms: a server that restarts is back by then.
    pub first: Duration,
    /// No pause is longer, before jitter. 10 s: who waits for a server looks about so often.
    pub max: Duration,
    /// Each pause is so many times the one before. 2.
    pub factor: f64,
    /// The share of a pause that chance takes away or adds, 0 to 1. 0.5, so that a thousand clients of one server that
    /// restarts do not come back in one moment.
    pub jitter: f64,
    /// Attempts in a row that may fail before the client gives up; `None` for never. `None`.
    pub attempts_max: Option<u32>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            max: Duration::from_secs(10),
            factor: 2.0,
            jitter: 0.5,
            attempts_max: None,
        }
    }
}

impl Backoff {
    /// The pause after so many failures in a row (1 for the first); `chance` is 0 to 1.
    pub(crate) fn pause(&self, failures: u32, chance: f64) -> Duration {
        let grown = self.first.as_secs_f64() * self.factor.max(1.0).powi(failures.saturating_sub(1).min(64) as i32);
        let jitter = 1.0 + self.jitter.clamp(0.0, 1.0) * (2.0 * chance - 1.0);
        // A product that is no duration (infinite, say) is the longest pause.
        Duration::try_from_secs_f64(grown.min(self.max.as_secs_f64()) * jitter).unwrap_or(self.max)
    }

    /// Whether so many failures in a row are enough.
    pub(crate) fn gives_up_after(&self, failures: u32) -> bool {
        self.attempts_max.is_some_and(|max| failures >= max)
    }
}

/// A number from 0 to 1; the middle if the system has no randomness, which only makes clients come back together.
pub(crate) fn chance() -> f64 {
    getrandom::u64().map_or(0.5, |random| (random >> 11) as f64 / (1_u64 << 53) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_maximum_and_jitter_spreads_them_around() {
        let backoff = Backoff { first: Duration::from_millis(100), max: Duration::from_secs(1), ..Backoff::default() };
        let pauses: Vec<_> = (1..=6).map(|failures| backoff.pause(failures, 0.5).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff.pause(1, 0.0).as_millis(), 50);
        assert_eq!(backoff.pause(1, 1.0).as_millis(), 150);
        assert_eq!(backoff.pause(u32::MAX, 0.5).as_millis(), 1000);
    }

    #[test]
    fn strange_settings_give_some_pause_and_never_a_panic() {
        for factor in [f64::NAN, f64::INFINITY, -3.0] {
            let backoff = Backoff { factor, jitter: 9.0, ..Backoff::default() };
            assert!(backoff.pause(50, 1.0) <= backoff.max * 2);
        }
    }

    #[test]
    fn chance_is_between_its_bounds_and_not_always_the_same() {
        let drawn: Vec<f64> = (0..100).map(|_| chance()).collect();
        assert!(drawn.iter().all(|chance| (0.0..1.0).contains(chance)));
        assert!(drawn.iter().any(|chance| *chance != drawn[0]));
    }
}
