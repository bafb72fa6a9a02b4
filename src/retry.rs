//! The one backoff policy, and the gate that holds back every request to a service.
//!
//! The exponential comes from the crate `backoff` and is confined to this file, so that replacing the crate is a change
//! to one file. The jitter is ours: each wait is drawn uniformly from 0 to `min(max, initial·2ⁿ)`; a server's own hint
//! (`Retry-After`, `Archivist-Rate-Limit-Reset`) is a floor. Touches nothing but the clock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use rand::Rng as _;
use tokio::time::Instant;

/// How waits between tries grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The first upper bound of a wait.
    pub initial: Duration,
    /// The upper bound that no wait exceeds, hints of a server aside.
    pub max: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Policy { initial: Duration::from_secs(1), max: Duration::from_secs(300) }
    }
}

/// The state of one series of failures. Never gives up: the daemon must outlive any outage.
#[derive(Debug)]
pub struct Backoff {
    exponential: ExponentialBackoff,
    failures: u32,
}

impl Backoff {
    /// A fresh series.
    pub fn new(policy: Policy) -> Self {
        let initial = policy.initial.max(Duration::from_millis(1));
        let exponential = ExponentialBackoff {
            current_interval: initial,
            initial_interval: initial,
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: policy.max.max(initial),
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Backoff { exponential, failures: 0 }
    }

    /// The next wait: uniform in 0..=bound, where the bound doubles with each call, and never under `floor`.
    pub fn next(&mut self, floor: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let bound = self.exponential.next_backoff().unwrap_or(self.exponential.max_interval);
        let drawn = rand::rng().random_range(Duration::ZERO..=bound);
        drawn.max(floor.unwrap_or_default())
    }

    /// How many failures in a row there were.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A success ends the series.
    pub fn reset(&mut self) {
        self.exponential.reset();
        self.failures = 0;
    }
}

/// Holds back every request to one service until a moment that the service named.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<Option<Instant>>>);

impl Gate {
    /// Closes the gate for `wait` from now; never opens it earlier than it already was to open.
    pub fn hold(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut held = self.lock();
        if held.is_none_or(|present| present < until) {
            *held = Some(until);
        }
    }

    /// When the gate opens, or `None` while it is open.
    pub fn held_until(&self) -> Option<Instant> {
        self.lock().filter(|until| *until > Instant::now())
    }

    /// Waits until the gate is open. Safe to cancel.
    pub async fn pass(&self) {
        while let Some(until) = self.held_until() {
            tokio::time::sleep_until(until).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wait_never_exceeds_its_bound_nor_undercuts_the_floor(
            initial in 1u64..5_000, max in 1u64..600_000, n in 1usize..40, floor in proptest::option::of(0u64..1_000_000)
        ) {
            let policy = Policy { initial: Duration::from_millis(initial), max: Duration::from_millis(max) };
            let floor = floor.map(Duration::from_millis);
            let mut backoff = Backoff::new(policy);
            for i in 0..n {
                let wait = backoff.next(floor);
                let exponential = Duration::from_millis(initial).saturating_mul(1u32.checked_shl(i as u32).unwrap_or(u32::MAX));
                let bound = exponential.min(Duration::from_millis(max.max(initial)));
                prop_assert!(wait <= bound.max(floor.unwrap_or_default()));
                prop_assert!(wait >= floor.unwrap_or_default());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_gate_lets_nothing_pass_before_its_time_and_is_never_shortened() {
        let gate = Gate::default();
        gate.pass().await;
        gate.hold(Duration::from_secs(30));
        gate.hold(Duration::from_secs(5));
        let began = Instant::now();
        gate.pass().await;
        assert!(began.elapsed() >= Duration::from_secs(30));
        assert_eq!(gate.held_until(), None);
    }
}
