//! How long a failed job waits for its next attempt. A function of numbers alone, and the result is
//! written into the row: so the wait survives a restart, and a test can look at it.

use chrono::TimeDelta;

/// The wait after the first failure.
const FIRST: i64 = 1_000;

/// The longest wait.
const LONGEST: i64 = 5 * 60 * 1_000;

/// The wait after attempt number `attempt` of the job `id`: twice the one before, with a tenth more
/// or less, so that jobs that failed together don't come back together.
pub(crate) fn after(id: i64, attempt: i64) -> TimeDelta {
    let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(20);
    let wait = (FIRST << doublings).min(LONGEST);
    TimeDelta::milliseconds(wait * (900 + scatter(id, attempt) % 201) / 1_000)
}

/// A number that looks like chance and is none: two attempts, or two jobs, rarely have the same. (The
/// finishing step of the SplitMix64 generator.)
fn scatter(id: i64, attempt: i64) -> i64 {
    let mut bits = id.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = bits.wrapping_add(attempt.cast_unsigned());
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_limit() {
        for id in 1..500 {
            let mut expected = 1_000;
            for attempt in 1..30 {
                let wait = after(id, attempt).num_milliseconds();
                assert!(
                    (expected * 9 / 10..=expected * 11 / 10).contains(&wait),
                    "{attempt}: {wait}"
                );
                expected = (expected * 2).min(LONGEST);
            }
        }
    }

    #[test]
    fn jobs_that_failed_together_come_back_apart() {
        let waits: std::collections::BTreeSet<_> = (1..=100).map(|id| after(id, 3)).collect();
        assert!(waits.len() > 60, "{}", waits.len());
    }
}
