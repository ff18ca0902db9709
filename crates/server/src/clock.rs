//! The one place that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use event::event::Time;

/// Now, by the system's clock.
pub(crate) fn now() -> Time {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
