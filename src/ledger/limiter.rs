//! The rate limit of the token endpoint: a bucket for everybody and one per client. A leaf: touches the clock only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A bucket's size (requests at once) and its refill per second.
#[derive(Debug, Clone, Copy)]
struct Rate {
    burst: f64,
    per_second: f64,
}

const EVERYBODY: Rate = Rate { burst: 600.0, per_second: 30.0 };
const CLIENT: Rate = Rate { burst: 120.0, per_second: 2.0 };
/// Clients remembered; full buckets are forgotten beyond it.
const REMEMBERED: usize = 4096;

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn refill(&mut self, rate: Rate, now: Instant) {
        let gained = now.duration_since(self.at).as_secs_f64() * rate.per_second;
        self.left = (self.left + gained).min(rate.burst);
        self.at = now;
    }

    fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        self.refill(rate, now);
        if self.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.left) / rate.per_second));
        }
        self.left -= 1.0;
        Ok(())
    }
}

/// The limiter's state.
#[derive(Debug)]
pub(super) struct Limiter(Mutex<(Bucket, HashMap<String, Bucket>)>);

impl Limiter {
    pub(super) fn new() -> Limiter {
        Limiter(Mutex::new((Bucket { left: EVERYBODY.burst, at: Instant::now() }, HashMap::new())))
    }

    /// Takes one request out of everybody's bucket.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn anybody(&self) -> Result<(), Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.take(EVERYBODY, Instant::now())
    }

    /// Takes one request out of `client`'s bucket. Failed tries have a bucket of their own, so that a stranger who knows a
    /// client id cannot lock its owner out.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn client(&self, client: &str, succeeded: bool) -> Result<(), Duration> {
        let now = Instant::now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let clients = &mut state.1;
        if clients.len() >= REMEMBERED {
            clients.retain(|_, bucket| {
                bucket.refill(CLIENT, now);
                bucket.left < CLIENT.burst
            });
        }
        let key = if succeeded { format!("+{client}") } else { format!("-{client}") };
        clients.entry(key).or_insert(Bucket { left: CLIENT.burst, at: now }).take(CLIENT, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_limited_alone_and_its_owner_is_not_locked_out_by_strangers() {
        let limiter = Limiter::new();
        let failures = (0..200).filter(|_| limiter.client("a", false).is_ok()).count();
        assert!((120..=130).contains(&failures), "{failures}");
        assert!(limiter.client("a", false).expect_err("limited") <= Duration::from_millis(500));
        assert!((0..100).all(|_| limiter.client("a", true).is_ok()));
        assert!(limiter.client("b", false).is_ok());
    }

    #[test]
    fn everybody_together_is_limited() {
        let limiter = Limiter::new();
        assert!((0..600).all(|_| limiter.anybody().is_ok()));
        assert!((0..100).any(|_| limiter.anybody().is_err()));
    }
}
