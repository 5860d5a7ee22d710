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
    discipline: Discipline,
    quota: Option<Quota>,
    core: Option<usize>,
    hand: VecDeque<Work>,
    /// What is left of its quota, and when it is given the next.
    budget: f64,
    refill: f64,
    /// Whether it has something to do and may, and how fast it then is.
    runs: bool,
    speed: f64,
}

impl Server {
    fn new(tier: &Tier, number: usize) -> Self {
        let Tier { replicas, discipline, quota, core, .. } = *tier;
        // Periods of different groups don't begin together.
        let phase = (number + 1) as f64 / (replicas + 1) as f64;
        let (budget, period) =
            quota.map_or((f64::INFINITY, f64::INFINITY), |it| (it.budget, it.period));
        let (hand, refill) = (VecDeque::new(), period * phase);
        Self { discipline, quota, core, hand, budget, refill, runs: false, speed: 0.0 }
    }

    /// How many pieces of work get on, and how fast each of them.
    fn rate(&self) -> (usize, f64) {
        let all = self.hand.len();
        match self.discipline {
            Discipline::Queue { servers } => (servers.min(all), self.speed),
            Discipline::Delay => (all, self.speed),
            Discipline::Sharing => (all, self.speed / all as f64),
        }
    }

    /// When it will have done a piece of work, used up its quota, or been given the next.
    fn until_event(&self, now: f64) -> f64 {
        if self.hand.is_empty() {
            return f64::INFINITY;
        }
        let refill = self.refill - now;
        if self.speed == 0.0 {
            return refill;
        }
        let (some, rate) = self.rate();
        let least = self.hand.iter().take(some).map(|work| work.left).fold(f64::INFINITY, f64::min);
        refill.min(self.budget / self.speed).min(least / rate)
    }

    /// Goes on for a while, until `now`; whose work is done is put into `free`.
    fn go_on(&mut self, passed: f64, now: f64, free: &mut Vec<usize>) {
        let (some, rate) = self.rate();
        self.budget -= self.speed * passed;
        let mut done = false;
        for work in self.hand.iter_mut().take(some) {
            work.left -= rate * passed;
            if work.left <= NOTHING {
                free.push(work.request);
                done = true;
            }
        }
        if done {
            self.hand.retain(|work| work.left > NOTHING);
        }
        self.refill(now);
    }

    /// What is not used in a period is lost. Periods in which nothing happened are passed over at once.
    fn refill(&mut self, now: f64) {
        if let Some(Quota { budget, period }) = self.quota
            && self.refill <= now + NOTHING
        {
            let periods = ((now - self.refill) / period).max(0.0).floor() + 1.0;
            self.refill += periods * period;
            self.budget = budget;
        }
    }
}

struct Play<'a> {
    tiers: &'a [Tier],
    requests: &'a [Request],
    servers: Vec<Server>,
    /// How many servers run on each core.
    on: Vec<usize>,
    /// Whose work was done just now.
    free: Vec<usize>,
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
        for of in tiers {
            first.push(servers.len());
            servers.extend((0..of.replicas).map(|number| Server::new(of, number)));
        }
        let cores = tiers.iter().filter_map(|tier| tier.core).max().map_or(0, |core| core + 1);
        Self {
            tiers,
            requests,
            servers,
            on: vec![0; cores],
            free: Vec::new(),
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
        let of_servers = self.servers.iter().map(|server| server.until_event(self.now));
        let passed = of_servers.fold(arrival, f64::min).max(0.0);
        if passed == f64::INFINITY {
            return false;
        }
        self.now += passed;
        self.go_on(passed);
        while self.requests.get(self.next).is_some_and(|request| request.at <= self.now) {
            self.next += 1;
            self.visit(self.next - 1);
        }
        true
    }

    /// Whoever has work and something left of its quota gets an equal part of its core.
    fn set_speeds(&mut self) {
        self.on.fill(0);
        for server in &mut self.servers {
            server.runs = !server.hand.is_empty() && server.budget > NOTHING;
            if let (true, Some(core)) = (server.runs, server.core) {
                self.on[core] += 1;
            }
        }
        for server in &mut self.servers {
            let speed = server.core.map_or(1.0, |core| 1.0 / self.on[core].max(1) as f64);
            server.speed = if server.runs { speed } else { 0.0 };
        }
    }

    fn go_on(&mut self, passed: f64) {
        let mut free = std::mem::take(&mut self.free);
        for server in self.servers.iter_mut().filter(|server| !server.hand.is_empty()) {
            server.go_on(passed, self.now, &mut free);
        }
        free.sort_unstable();
        for request in free.drain(..) {
            self.done[request] += 1;
            self.visit(request);
        }
        self.free = free;
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
        let server = &mut self.servers[server];
        server.refill(self.now);
        server.hand.push_back(Work { request, left: *work });
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
