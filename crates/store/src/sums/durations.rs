//! How long things took, as a histogram: four buckets for each doubling, so that any quantile is within 10 %.

/// Buckets for each doubling.
const PER_DOUBLING: f64 = 4.0;

/// The last bucket holds everything longer than a day and a half.
const BUCKET_MAX: u8 = 109;

/// How many took about how long. Counts may be negative while they correct others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations(Vec<(u8, i64)>);

impl Durations {
    /// Counts one more (or, with -1, one less) that took so long.
    pub fn add(&mut self, ms: u64, count: i64) {
        self.add_to(bucket_of(ms), count);
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Durations) {
        for (bucket, count) in &other.0 {
            self.add_to(*bucket, *count);
        }
    }

    fn add_to(&mut self, bucket: u8, count: i64) {
        match self.0.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => self.0[at].1 += count,
            Err(at) => self.0.insert(at, (bucket, count)),
        }
    }

    /// How many there are.
    pub fn count(&self) -> i64 {
        self.0.iter().map(|(_, count)| (*count).max(0)).sum()
    }

    /// What `part` (0 to 1) of them did not take longer than, in milliseconds; `None` when there are none.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let count = self.count();
        let place = ((part * count as f64).floor() as i64).min(count - 1);
        let mut below = 0;
        for (bucket, count) in &self.0 {
            below += (*count).max(0);
            if below > place {
                return Some(middle_of(*bucket));
            }
        }
        None
    }

    /// Bucket and count in turn, seven bits a byte.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        for (bucket, count) in self.0.iter().filter(|(_, count)| *count != 0) {
            bytes.push(*bucket);
            let mut count = ((*count << 1) ^ (*count >> 63)) as u64;
            while count >= 128 {
                bytes.push(count as u8 | 128);
                count >>= 7;
            }
            bytes.push(count as u8);
        }
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Adds what [`Durations::encode`] wrote.
    pub(super) fn merge_encoded(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.iter();
        while let Some(bucket) = bytes.next() {
            let (mut count, mut shift) = (0_u64, 0_u32);
            for byte in bytes.by_ref() {
                count |= u64::from(byte & 127).checked_shl(shift).unwrap_or(0);
                shift += 7;
                if byte & 128 == 0 {
                    break;
                }
            }
            self.add_to(*bucket, (count >> 1) as i64 ^ -((count & 1) as i64));
        }
    }
}

/// 0 for nothing; 1 from one millisecond on.
fn bucket_of(ms: u64) -> u8 {
    if ms == 0 { 0 } else { ((ms as f64).log2() * PER_DOUBLING + 1.0).min(f64::from(BUCKET_MAX)) as u8 }
}

fn middle_of(bucket: u8) -> f64 {
    if bucket == 0 { 0.0 } else { ((f64::from(bucket) - 0.5) / PER_DOUBLING).exp2() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_tenth_of_the_true_ones() {
        let mut durations = Durations::default();
        let mut all: Vec<u64> = (0..5_000_u64).map(|at| 1 + (at * 7_919) % 5_000 * at % 600_000).collect();
        all.iter().for_each(|ms| durations.add(*ms, 1));
        all.sort_unstable();
        for part in [0.0, 0.05, 0.5, 0.95, 0.99, 1.0] {
            let exact = all[((part * 5_000.0) as usize).min(4_999)] as f64;
            let said = durations.quantile(part).unwrap();
            assert!((said / exact - 1.0).abs() < 0.1, "{part}: {said} for {exact}");
        }
        assert_eq!(Durations::default().quantile(0.5), None);
    }

    #[test]
    fn what_is_encoded_is_read_back_and_can_be_taken_back() {
        let mut durations = Durations::default();
        for (ms, count) in [(0, 1), (3, 300), (70, 2), (u64::MAX, 5)] {
            durations.add(ms, count);
        }
        let mut read = Durations::default();
        read.merge_encoded(&durations.encode().unwrap());
        assert_eq!(read, durations);
        durations.0.iter_mut().for_each(|(_, count)| *count = -*count);
        read.merge_encoded(&durations.encode().unwrap());
        assert_eq!((read.count(), read.encode()), (0, None));
    }
}
