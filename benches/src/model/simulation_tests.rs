//! Does the simulation agree with the textbook, wherever the textbook has an answer? Seeds are fixed,
//! so these are exact repetitions; tolerances are three standard errors of what is simulated.

use super::*;
use crate::model::queues::{mg1_ps, mm1, mmc};

const SHARING: Tier = Tier {
    replicas: 1,
    policy: Policy::RoundRobin,
    discipline: Discipline::Sharing,
    quota: None,
    core: None,
};

fn queue(servers: usize) -> Tier {
    Tier { discipline: Discipline::Queue { servers }, ..SHARING }
}

/// Requests for one tier: Poisson, with services that `service` draws.
fn requests(rate: f64, n: usize, service: impl Fn(&mut ChaCha8Rng) -> f64) -> Vec<Request> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let times = arrivals(rate, n, 5).into_iter();
    times.map(|at| Request { at, visits: vec![(0, service(&mut rng))] }).collect()
}

fn mean(times: &[f64]) -> f64 {
    // Without the first ones, who find everything empty.
    let settled = &times[times.len() / 20..];
    settled.iter().sum::<f64>() / settled.len() as f64
}

fn agrees(tier: Tier, requests: &[Request], theory: f64, tolerance: f64) {
    let found = mean(&play(&[tier], requests));
    let off = (found / theory - 1.0).abs();
    assert!(off < tolerance, "{found} is not {theory} within {tolerance}");
}

#[test]
fn one_server_with_exponential_services() {
    let services = requests(0.7, 60_000, |rng| exponential(rng, 1.0));
    agrees(queue(1), &services, mm1(0.7, 1.0).unwrap(), 0.05);
}

#[test]
fn several_servers_with_exponential_services() {
    for (servers, rate) in [(2, 1.4), (4, 3.2)] {
        let services = requests(rate, 60_000, |rng| exponential(rng, 1.0));
        let theory = mmc(rate, 1.0, u32::try_from(servers).unwrap()).unwrap();
        agrees(queue(servers), &services, theory, 0.05);
    }
}

#[test]
fn a_shared_server_does_not_care_how_services_are_distributed() {
    let theory = mg1_ps(0.7, 1.0).unwrap();
    let exponential_ones = requests(0.7, 60_000, |rng| exponential(rng, 1.0));
    agrees(SHARING, &exponential_ones, theory, 0.06);
    agrees(SHARING, &requests(0.7, 60_000, |_| 1.0), theory, 0.05);
    // One in ten takes ten times as long as the rest: first come first served would be far worse.
    let uneven =
        requests(0.7, 60_000, |rng| if rng.next_u64() % 10 == 0 { 10.0 / 1.9 } else { 1.0 / 1.9 });
    agrees(SHARING, &uneven, theory, 0.06);
}

#[test]
fn visits_follow_each_other() {
    let delay = Tier { discipline: Discipline::Delay, ..SHARING };
    let visits = vec![(0, 1.0), (1, 2.0), (0, 3.0), (1, 0.0)];
    let alone = [Request { at: 5.0, visits }];
    let times = play(&[SHARING, delay], &alone);
    assert!((times[0] - 6.0).abs() < 1e-9, "{times:?}");
}

#[test]
fn a_quota_stops_whoever_has_used_it_until_the_next_period() {
    let quota = Some(Quota { budget: 2.0, period: 10.0 });
    let tier = Tier { quota, ..SHARING };
    // The only server's periods begin at 5, 15, 25. What comes at 5 with 5 to do: two units at once,
    // two from 15 on, and the last from 25 to 26.
    let alone = [Request { at: 5.0, visits: vec![(0, 5.0)] }];
    assert!((play(&[tier], &alone)[0] - 21.0).abs() < 1e-6);
    // After a long rest there is one period's budget, and no more.
    let late = [Request { at: 1_005.0, visits: vec![(0, 5.0)] }];
    assert!((play(&[tier], &late)[0] - 21.0).abs() < 1e-6);
}

#[test]
fn servers_on_one_core_slow_each_other_down() {
    let on = Tier { core: Some(0), ..SHARING };
    let one = |tier| Request { at: 1.0, visits: vec![(tier, 2.0)] };
    assert_eq!(play(&[on, on], &[one(0), one(1)]), [4.0, 4.0]);
    assert_eq!(play(&[SHARING, SHARING], &[one(0), one(1)]), [2.0, 2.0]);
    let together = Tier { core: Some(1), ..SHARING };
    assert_eq!(play(&[on, together], &[one(0), one(1)]), [2.0, 2.0]);
}

#[test]
fn who_has_the_fewest_in_hand_is_the_better_choice() {
    let of = |policy| {
        let tier = Tier { replicas: 3, policy, ..queue(1) };
        mean(&play(&[tier], &requests(2.4, 20_000, |rng| exponential(rng, 1.0))))
    };
    let (turns, fewest) = (of(Policy::RoundRobin), of(Policy::LeastOutstanding));
    // One queue for all is the best that there can be (M/M/3), three queues by chance the worst.
    assert!(mmc(2.4, 1.0, 3).unwrap() * 0.97 < fewest && fewest < turns, "{fewest} {turns}");
    assert!(turns < mm1(0.8, 1.0).unwrap(), "{turns}");
}

#[test]
fn the_same_seed_plays_the_same() {
    let services = requests(0.9, 500, |rng| exponential(rng, 1.0));
    let tier = Tier { quota: Some(Quota { budget: 0.5, period: 0.5 }), ..SHARING };
    assert_eq!(play(&[tier], &services), play(&[tier], &services));
}
