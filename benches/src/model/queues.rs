//! Mean time in a queue with its server: waiting and service together, in the unit of the service
//! times. `None` where more arrives than can be served, so that no mean exists.

/// M/M/1: Poisson arrivals at `rate`, one server that serves `served` a unit of time when busy, first
/// come first served. T = 1 / (μ − λ) (Kleinrock 1975, Queueing Systems 1, §3.2).
pub fn mm1(rate: f64, served: f64) -> Option<f64> {
    (rate < served).then(|| 1.0 / (served - rate))
}

/// The probability that an arrival at M/M/c finds all `servers` busy, `offered` = λ/μ (Erlang 1917; by
/// way of his loss formula, which has a recursion without factorials: B₀ = 1,
/// Bₙ = a Bₙ₋₁ / (n + a Bₙ₋₁), C = B / (1 − ρ (1 − B))). 1 where more arrives than can be served.
pub fn erlang_c(servers: u32, offered: f64) -> f64 {
    let utilisation = offered / f64::from(servers);
    if utilisation >= 1.0 {
        return 1.0;
    }
    let loss = (1..=servers).fold(1.0, |b, n| offered * b / (f64::from(n) + offered * b));
    loss / (1.0 - utilisation * (1.0 - loss))
}

/// M/M/c: the same with several servers and one queue. T = 1/μ + C(c, λ/μ) / (cμ − λ) (Kleinrock
/// 1975, §3.5).
pub fn mmc(rate: f64, served: f64, servers: u32) -> Option<f64> {
    let all = f64::from(servers) * served;
    (rate < all).then(|| 1.0 / served + erlang_c(servers, rate / served) / (all - rate))
}

/// M/G/1 under processor sharing: service times of any distribution with mean `service`, one server
/// that divides itself among all who are there. T = S / (1 − ρ), whatever the distribution (Sakata,
/// Noguchi & Oizumi 1969; Kleinrock 1976, Queueing Systems 2, §4.4).
pub fn mg1_ps(rate: f64, service: f64) -> Option<f64> {
    let utilisation = rate * service;
    (utilisation < 1.0).then(|| service / (1.0 - utilisation))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a} is not {b}");
    }

    #[test]
    fn textbook_cases() {
        // At half load everybody is there for twice the service time.
        near(mm1(0.5, 1.0).unwrap(), 2.0);
        near(mg1_ps(0.5, 1.0).unwrap(), 2.0);
        // Two servers: C = 2ρ² / (1 + ρ), so 1/3 at ρ = 1/2, and T = 1 + (1/3) / (2 − 1).
        near(erlang_c(2, 1.0), 1.0 / 3.0);
        near(mmc(1.0, 1.0, 2).unwrap(), 4.0 / 3.0);
        // With one server both are the same.
        near(mmc(0.8, 1.0, 1).unwrap(), mm1(0.8, 1.0).unwrap());
        // A printed table's value: 10 servers, 8 Erlangs.
        assert!((erlang_c(10, 8.0) - 0.409).abs() < 5e-4);
    }

    #[test]
    fn what_is_overloaded_has_no_mean() {
        assert_eq!(mm1(1.0, 1.0), None);
        assert_eq!(mmc(2.0, 1.0, 2), None);
        assert_eq!(mg1_ps(2.0, 0.5), None);
        assert_eq!(erlang_c(2, 2.0), 1.0);
    }
}
