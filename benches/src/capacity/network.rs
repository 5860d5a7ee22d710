//! A setup as the model sees it: its tiers with what a page of a mix takes there, and the same played
//! event by event.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{BESIDE, CLASSES, Demand, Fitted};
use crate::{
    fleet::{
        deployment::{BALANCER, INNER_BALANCER},
        quota::{Cpu, PERIOD},
        topology::Role,
    },
    model::{
        network::{self, Station},
        simulation::{self, Discipline, Quota, Request, Tier},
    },
    record::Arm,
    scaling::{Mix, Setup},
    stats::below,
};

/// A setup that somebody asks for pages of a mix.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The system.
    pub arm: Arm,
    /// Its servers.
    pub setup: &'a Setup,
    /// How many units of the budget they have.
    pub units: u32,
    /// What visitors ask for.
    pub mix: &'a Mix,
}

/// What holds for every setting of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine<'a> {
    /// Demands.
    pub(super) fitted: &'a Fitted,
    /// Cores of database, generator and balancers.
    pub(super) load_cores: usize,
    /// Calls from frontend to backend for each kind of page.
    pub(super) calls: [f64; CLASSES],
}

/// Where processors are in the simulation: servers share the first core.
const CORES: [usize; 2] = [0, 1];

impl Machine<'_> {
    /// The tiers of a setting, backend first and the core beside last, with names. `None` where a
    /// demand is not known.
    pub(super) fn stations(&self, setting: Setting<'_>) -> Option<Vec<(&'static str, Station)>> {
        let shares = setting.mix.shares();
        let mut all = Vec::new();
        for (role, each) in self.servers(setting)? {
            let (replicas, cores) = each.size;
            let capacity = replicas as f64 * cores - each.idle_ms / 1e3;
            let demand = network::mixed(&each.pages_ms, &shares) / 1e3;
            all.push((role.name(), Station { demand, capacity }));
        }
        let (pages, idle) = self.beside(setting)?;
        let demand = network::mixed(&pages, &shares) / 1e3;
        all.push((BESIDE, Station { demand, capacity: self.load_cores as f64 - idle / 1e3 }));
        Some(all)
    }

    /// Mean time of a page, milliseconds, with so much of mere delay for each kind of page, where each
    /// tier gets `gain` times as many pages out of its CPU as its demand says.
    pub(super) fn mean_ms(
        &self,
        setting: Setting<'_>,
        rate: f64,
        gain: impl Fn(&str) -> f64,
        delay_ms: [f64; CLASSES],
        (requests, seed): (usize, u64),
    ) -> Option<f64> {
        let mut servers = self.servers(setting)?;
        for (role, server) in &mut servers {
            server.pages_ms = server.pages_ms.map(|ms| ms / gain(role.name()));
        }
        let (beside, _) = self.beside(setting)?;
        let beside = beside.map(|ms| ms / gain(BESIDE));
        let mut tiers: Vec<Tier> =
            servers.iter().map(|(_, server)| server.tier(setting.setup)).collect();
        tiers.push(Tier { core: Some(CORES[1]), ..free(Discipline::Sharing) });
        tiers.push(free(Discipline::Delay));
        let Mix { home, article, .. } = setting.mix;
        let visits = |class: usize| {
            let work = |ms: f64| ms / 1e3;
            let (other, wait) = (servers.len(), servers.len() + 1);
            // The server that visitors reach is the last one: half of its work is done before it
            // asks others, and half after.
            let front = servers.len() - 1;
            let half = (front, work(servers[front].1.pages_ms[class]) / 2.0);
            let behind =
                servers[..front].iter().enumerate().map(|(i, it)| (i, work(it.1.pages_ms[class])));
            let asked = [(other, work(beside[class])), (wait, work(delay_ms[class]))];
            [half].into_iter().chain(behind).chain(asked).chain([half]).collect::<Vec<_>>()
        };
        let routes = [visits(0), visits(1)];
        let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1));
        let times = simulation::arrivals(rate, requests, seed).into_iter();
        let requests: Vec<Request> = times
            .map(|at| {
                let is_home = below(&mut rng, home + article) < *home;
                Request { at, visits: routes[usize::from(!is_home)].clone() }
            })
            .collect();
        let times = simulation::play(&tiers, &requests);
        Some(1e3 * times.iter().sum::<f64>() / times.len() as f64)
    }

    /// The servers of a setting, whom visitors reach last.
    fn servers(&self, setting: Setting<'_>) -> Option<Vec<(Role, Server)>> {
        let mut all = Vec::new();
        for tier in &setting.setup.topology.tiers {
            let demand = self.fitted.of(setting.arm, tier.role.name())?;
            let Cpu::Quota(cpu) = tier.cpu else { return None };
            let server = Server {
                size: (tier.replicas as usize, cpu.cores()),
                idle_ms: demand.idle.value,
                pages_ms: demand.pages.map(|it| it.value),
            };
            all.push((tier.role, server));
        }
        all.sort_by_key(|(role, _)| *role == Role::SplitFrontend);
        Some(all)
    }

    /// What all others do for each kind of page, and when nothing comes, milliseconds.
    fn beside(&self, setting: Setting<'_>) -> Option<([f64; CLASSES], f64)> {
        let topology = &setting.setup.topology;
        let is_server = |process: &str| topology.tiers.iter().any(|it| it.role.name() == process);
        let is_balancer = |process: &str| process == BALANCER || process == INNER_BALANCER;
        let of_arm = self.fitted.demands.iter().filter(|it| it.arm == setting.arm);
        let (mut pages, mut idle) = ([0.0; CLASSES], 0.0);
        let others = of_arm.filter(|it| !is_server(&it.process) && !is_balancer(&it.process));
        for Demand { pages: each, idle: of, .. } in others {
            (0..CLASSES).for_each(|class| pages[class] += each[class].value);
            idle += of.value;
        }
        let front = [Role::Monolith, Role::SplitFrontend];
        if front.iter().any(|role| topology.needs_balancer(*role)) {
            let each = self.balancing();
            (0..CLASSES).for_each(|class| pages[class] += each[class]);
        }
        if topology.needs_balancer(Role::SplitBackend) {
            let each = self.balancing();
            (0..CLASSES).for_each(|class| pages[class] += each[class] * self.calls[class]);
        }
        Some((pages, idle))
    }

    /// What a balancer does for a request, by the one that was seen in front of monoliths. The one in
    /// front of backends does the same for each call: with one or two units there is none. Where none
    /// was seen at all it is taken for nothing: it is not on the servers' core.
    fn balancing(&self) -> [f64; CLASSES] {
        let seen = self.fitted.of(Arm::Monolith, BALANCER);
        seen.map_or([0.0; CLASSES], |demand| demand.pages.map(|it| it.value))
    }
}

/// One tier of servers.
struct Server {
    /// How many, and the cores of each.
    size: (usize, f64),
    idle_ms: f64,
    pages_ms: [f64; CLASSES],
}

impl Server {
    fn tier(&self, setup: &Setup) -> Tier {
        let (replicas, cores) = self.size;
        let period = PERIOD.as_secs_f64();
        let quota = Some(Quota { budget: cores * period, period });
        let shared = Tier { core: Some(CORES[0]), ..free(Discipline::Sharing) };
        Tier { replicas, quota, policy: setup.policy, ..shared }
    }
}

fn free(discipline: Discipline) -> Tier {
    Tier { replicas: 1, policy: Default::default(), discipline, quota: None, core: None }
}
