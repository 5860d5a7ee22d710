//! A network of servers, played event by event: for what has no closed form, such as quotas, a core
//! that several servers share, and balancers. The same input always gives the same output.
//!
//! Between two events every piece of work goes on at a rate that does not change, so it is enough to
//! find the next event, let everything go on until then, and see what has changed. That takes time in
//! proportion to the work in hand, which is little below saturation.

use std::collections::VecDeque;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::relay::Policy;

/// Work below this is done: what rounding leaves, in seconds.
const NOTHING: f64 = 1e-12;

/// Servers of one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tier {
    /// How many there are.
    pub replicas: usize,
    /// Which of them gets the next visit.
    pub policy: Policy,
    /// Who of a server's visitors gets on.
    pub discipline: Discipline,
    /// How much of a core each of them may use.
    pub quota: Option<Quota>,
    /// Which core they share with whoever else is on it; `None` where each has cores of its own.
    pub core: Option<usize>,
}

/// Who of a server's visitors gets on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// First come first served, so many at a time.
    Queue {
        /// How many.
        servers: usize,
    },
    /// All, each as fast as there are fewer of them.
    Sharing,
    /// All, and nobody is in another's way: a mere delay.
    Delay,
}

/// As the kernel keeps to it: so much in each period, and then nothing until the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quota {
    /// CPU-seconds in a period.
    pub budget: f64,
    /// Seconds.
    pub period: f64,
}

/// A request: when it comes, and what it needs, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// When, seconds.
    pub at: f64,
    /// Tier → work there, seconds of one core.
    pub visits: Vec<(usize, f64)>,
}

/// Plays the network until all requests have been answered, and returns for how long each was there,
/// in the order in which they came. They have to be in the order of their times.
pub fn play(tiers: &[Tier], requests: &[Request]) -> Vec<f64> {
    let mut play = Play::new(tiers, requests);
    while play.step() {}
    play.times
}

/// A random number of an exponential distribution with this mean (inversion).
pub fn exponential(rng: &mut ChaCha8Rng, mean: f64) -> f64 {
    // In (0, 1]: the logarithm's argument is never zero.
    let uniform = ((rng.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    -mean * uniform.ln()
}

/// The times of `n` Poisson arrivals.
pub fn arrivals(rate: f64, n: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut at = 0.0;
    let next = || {
        at += exponential(&mut rng, 1.0 / rate);
        at
    };
    std::iter::repeat_with(next).take(n).collect()
}

/// One piece of work at a server.
#[derive(Clone, Copy, Debug)]
struct Work {
    request: usize,
    left: f64,
}

/// One server.
#[derive(Debug)]
struct Server {
    tier: usize,
    hand: VecDeque<Work>,
    /// What is left of its quota, and when it is given the next.
    budget: f64,
    refill: f64,
    /// How fast it goes at the moment.
    speed: f64,
}

struct Play<'a> {
    tiers: &'a [Tier],
    requests: &'a [Request],
    servers: Vec<Server>,
    /// Of each tier, the first of its servers, and whose turn it is.
    first: Vec<usize>,
    turn: Vec<usize>,
    now: f64,
    /// The next request to come.
    next: usize,
    /// How many visits of each request are behind it.
    done: Vec<usize>,
    times: Vec<f64>,
}

impl<'a> Play<'a> {
    fn new(tiers: &'a [Tier], requests: &'a [Request]) -> Self {
        let mut servers = Vec::new();
        let mut first = Vec::new();
        for (tier, of) in tiers.iter().enumerate() {
            first.push(servers.len());
            for number in 0..of.replicas {
                // Periods of different groups don't begin together.
                let phase = (number + 1) as f64 / (of.replicas + 1) as f64;
                let (budget, period) =
                    of.quota.map_or((f64::INFINITY, f64::INFINITY), |it| (it.budget, it.period));
                let refill = period * phase;
                servers.push(Server { tier, hand: VecDeque::new(), budget, refill, speed: 0.0 });
            }
        }
        Self {
            tiers,
            requests,
            servers,
            first,
            turn: vec![0; tiers.len()],
            now: 0.0,
            next: 0,
            done: vec![0; requests.len()],
            times: vec![0.0; requests.len()],
        }
    }

    /// Goes on to the next event; false when there is none.
    fn step(&mut self) -> bool {
        self.set_speeds();
        let arrival = self.requests.get(self.next).map_or(f64::INFINITY, |it| it.at - self.now);
        let of_servers = self.servers.iter().map(|server| self.until_event(server));
        let passed = of_servers.fold(arrival, f64::min).max(0.0);
        if passed == f64::INFINITY {
            return false;
        }
        self.now += passed;
        self.go_on(passed);
        while let Some(request) = self.requests.get(self.next).filter(|it| it.at <= self.now) {
            let _ = request;
            self.next += 1;
            self.visit(self.next - 1);
        }
        true
    }

    /// Whoever has work and something left of its quota gets an equal part of its core.
    fn set_speeds(&mut self) {
        let runs = |server: &Server| !server.hand.is_empty() && server.budget > NOTHING;
        let cores = self.tiers.iter().filter_map(|tier| tier.core).max().map_or(0, |it| it + 1);
        let mut on = vec![0_usize; cores];
        for server in self.servers.iter().filter(|server| runs(server)) {
            if let Some(core) = self.tiers[server.tier].core {
                on[core] += 1;
            }
        }
        for server in &mut self.servers {
            let shared = self.tiers[server.tier].core.map_or(1, |core| on[core].max(1));
            server.speed = if runs(server) { 1.0 / shared as f64 } else { 0.0 };
        }
    }

    /// How fast each piece of a server's work gets on, by its place.
    fn rate(&self, server: &Server, place: usize) -> f64 {
        match self.tiers[server.tier].discipline {
            Discipline::Queue { servers } if place >= servers => 0.0,
            Discipline::Queue { .. } | Discipline::Delay => server.speed,
            Discipline::Sharing => server.speed / server.hand.len() as f64,
        }
    }

    /// When a server will have done a piece of work, used up its quota, or been given the next.
    fn until_event(&self, server: &Server) -> f64 {
        if server.hand.is_empty() {
            return f64::INFINITY;
        }
        let refill = server.refill - self.now;
        if server.speed == 0.0 {
            return refill;
        }
        let work = server.hand.iter().enumerate();
        let done = work.map(|(place, work)| work.left / self.rate(server, place));
        done.fold(refill.min(server.budget / server.speed), f64::min)
    }

    fn go_on(&mut self, passed: f64) {
        let mut free = Vec::new();
        for index in 0..self.servers.len() {
            let rates: Vec<f64> = {
                let server = &self.servers[index];
                (0..server.hand.len()).map(|place| self.rate(server, place)).collect()
            };
            let server = &mut self.servers[index];
            server.budget -= server.speed * passed;
            for (work, rate) in server.hand.iter_mut().zip(rates) {
                work.left -= rate * passed;
            }
            free.extend(server.hand.iter().filter(|it| it.left <= NOTHING).map(|it| it.request));
            server.hand.retain(|work| work.left > NOTHING);
            if let Some(Quota { budget, period }) = self.tiers[server.tier].quota
                && server.refill <= self.now + NOTHING
            {
                // What is not used in a period is lost. Periods in which nothing happened are passed
                // over at once.
                let periods = ((self.now - server.refill) / period).max(0.0).floor() + 1.0;
                server.refill += periods * period;
                server.budget = budget;
            }
        }
        free.sort_unstable();
        for request in free {
            self.done[request] += 1;
            self.visit(request);
        }
    }

    /// Sends a request to where it goes next, or lets it leave.
    fn visit(&mut self, request: usize) {
        let Request { at, visits } = &self.requests[request];
        let left = visits.iter().enumerate().skip(self.done[request]);
        // Where there is nothing to do there is nothing to wait for.
        let Some((number, (tier, work))) = left.clone().find(|(_, (_, work))| *work > NOTHING)
        else {
            self.times[request] = self.now - at;
            return;
        };
        self.done[request] = number;
        let server = self.choose(*tier);
        self.servers[server].hand.push_back(Work { request, left: *work });
    }

    fn choose(&mut self, tier: usize) -> usize {
        let Tier { replicas, policy, .. } = self.tiers[tier];
        let turn = self.turn[tier];
        let nth = |offset: usize| self.first[tier] + (turn + offset) % replicas;
        let chosen = match policy {
            Policy::RoundRobin => nth(0),
            Policy::LeastOutstanding => {
                let inhand = |server: &usize| self.servers[*server].hand.len();
                (0..replicas).map(nth).min_by_key(inhand).unwrap_or(nth(0))
            }
        };
        self.turn[tier] = (chosen - self.first[tier] + 1) % replicas;
        chosen
    }
}

#[cfg(test)]
#[path = "simulation_tests.rs"]
mod tests;
