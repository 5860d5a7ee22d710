//! Runs with a known truth, for tests: the plan of x1 played through with drawn latencies and CPU
//! instead of servers. What the judgement finds can then be held against what was put in.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::experiment::Preset;
use crate::experiments::x1;
use crate::plan::{Block, Plan};
use crate::record::{
    Arm, Build, Comparison, Histogram, Layout, Machine, Page, PageCost, Parity, Pilot, Purpose,
    Run, SCHEMA, Slice, Start,
};

/// The truth behind a synthetic run.
#[derive(Clone)]
pub(crate) struct Truth {
    /// How much to measure.
    pub(crate) preset: Preset,
    /// Seed of plan and noise.
    pub(crate) seed: u64,
    /// CPU of a home page in the monolith, milliseconds; an article page costs 1.3 times as much.
    pub(crate) cpu_ms: f64,
    /// Split / monolith: CPU, latency at every percentile, goodput.
    pub(crate) split: [f64; 3],
    /// Twin / monolith, CPU and latency: 1, unless the instrument is broken.
    pub(crate) twin: f64,
    /// CPU that the planted arm really burns, as a share of what it should burn.
    pub(crate) planted: f64,
    /// Standard deviation on the logarithm, of CPU: between restarts, and between slices.
    pub(crate) noise: [f64; 2],
    /// The same between restarts of the split alone, on top.
    pub(crate) split_noise: f64,
    /// Arrivals per second in steady slices.
    pub(crate) rate: f64,
    /// Share of slices during which others use a lot of CPU.
    pub(crate) busy: f64,
    /// Whether the question itself is left out, which saves most of the time.
    pub(crate) controls_only: bool,
    /// Whether a PostgreSQL server does its part.
    pub(crate) postgres: bool,
}

impl Default for Truth {
    fn default() -> Self {
        Self {
            preset: Preset::Quick,
            seed: 1,
            cpu_ms: 0.40,
            split: [1.30, 1.25, 0.77],
            twin: 1.0,
            planted: 1.0,
            noise: [0.006, 0.015],
            split_noise: 0.0,
            rate: 700.0,
            busy: 0.0,
            controls_only: false,
            postgres: false,
        }
    }
}

impl Truth {
    /// Plays the plan of x1 through.
    pub(crate) fn run(&self) -> Run {
        self.run_of(&x1::plan(self.preset, self.seed), "x1")
    }

    /// Plays the plan of an experiment through.
    pub(crate) fn run_of(&self, plan: &Plan, experiment: &str) -> Run {
        let mut noise = Noise::new(self.seed ^ 0x5eed);
        let mut slices = Vec::new();
        let mut starts = Vec::new();
        for (index, restart) in plan.restarts.iter().enumerate() {
            let index = index as u32;
            let shifts: BTreeMap<Arm, f64> = restart
                .arms
                .iter()
                .map(|arm| {
                    let own = if *arm == Arm::Split { self.split_noise } else { 0.0 };
                    (*arm, (self.noise[0].hypot(own) * noise.normal()).exp())
                })
                .collect();
            starts.extend(restart.arms.iter().flat_map(|arm| started(*arm, index, &mut noise)));
            for (number, block) in restart.blocks.iter().enumerate() {
                if self.controls_only && block.comparison() == Comparison::Boundary {
                    continue;
                }
                self.block(block, (index, number as u32), &shifts, &mut noise, &mut slices);
            }
        }
        Run { experiment: experiment.into(), ..self.frame(slices, starts) }
    }

    fn block(
        &self,
        block: &Block,
        (restart, number): (u32, u32),
        shifts: &BTreeMap<Arm, f64>,
        noise: &mut Noise,
        slices: &mut Vec<Slice>,
    ) {
        match block {
            Block::Steady { comparison, page, order, seconds, seed } => {
                for arm in order {
                    let mut slice = self.blank(*comparison, *page, *arm, *seconds, *seed);
                    (slice.restart, slice.block) = (restart, number);
                    self.fill(&mut slice, shifts[arm], noise);
                    slices.push(slice);
                }
            }
            Block::Duet { comparison, page, seconds, seed } => {
                // Whatever befalls one befalls both.
                let befell = (self.noise[1] * noise.normal()).exp();
                let calm = Self { noise: [self.noise[0], 0.0], ..*self };
                for arm in comparison.arms() {
                    let mut slice = self.blank(*comparison, *page, arm, *seconds, *seed);
                    (slice.restart, slice.block) = (restart, number);
                    slice.purpose = Purpose::Duet;
                    slice.rate = self.rate / 2.0;
                    calm.fill(&mut slice, befell * shifts[&arm], noise);
                    slice
                        .cpu_ms
                        .retain(|name, _| !["postgres", "generator"].contains(&name.as_str()));
                    slices.push(slice);
                }
            }
            Block::Capacity { comparison, page, arms, steps, seconds, slo_ms, seed } => {
                for arm in arms {
                    let truth = 2_000.0 * if *arm == Arm::Split { self.split[2] } else { 1.0 };
                    let truth = truth * (0.01 * noise.normal()).exp();
                    let (mut low, mut high) = (500.0, 3_500.0);
                    for _ in 0..*steps {
                        let mut slice = self.blank(*comparison, *page, *arm, *seconds, *seed);
                        (slice.restart, slice.block) = (restart, number);
                        slice.purpose = Purpose::Capacity;
                        slice.rate = f64::midpoint(low, high);
                        self.fill(&mut slice, 1.0, noise);
                        let kept = slice.rate <= truth;
                        let latency = if kept { slo_ms / 5.0 } else { slo_ms * 5.0 };
                        slice.latency = Histogram(vec![((latency * 1e3) as u64, slice.completed)]);
                        *(if kept { &mut low } else { &mut high }) = slice.rate;
                        slices.push(slice);
                    }
                }
            }
        }
    }

    fn blank(
        &self,
        comparison: Comparison,
        page: Page,
        arm: Arm,
        seconds: f64,
        seed: u64,
    ) -> Slice {
        Slice {
            restart: 0,
            block: 0,
            comparison,
            purpose: Purpose::Steady,
            page,
            arm,
            rate: self.rate,
            seconds,
            seed,
            scheduled: 0,
            sent: 0,
            completed: 0,
            errors: BTreeMap::new(),
            latency: Histogram::default(),
            service: Histogram::default(),
            lag: Histogram::default(),
            cpu_ms: BTreeMap::new(),
            resident_mib: BTreeMap::new(),
            foreign_cpu: 0.0,
            steal: 0.0,
            void: None,
        }
    }

    /// Draws what would have been observed.
    fn fill(&self, slice: &mut Slice, shift: f64, noise: &mut Noise) {
        let n = (slice.rate * slice.seconds) as u64;
        (slice.scheduled, slice.sent, slice.completed) = (n, n, n);
        let page = if slice.page == Page::Home { 1.0 } else { 1.3 };
        let [cpu, latency] = match slice.arm {
            Arm::Split => [self.split[0], self.split[1]],
            Arm::Twin => [self.twin; 2],
            Arm::Waiting => [1.0, 1.0 + 0.5 / 1.3],
            Arm::Planted => [1.0 + self.planted * self.planted_ms() / self.cpu_ms, 1.0],
            // A run of the boundary has none of the others in it.
            Arm::Monolith
            | Arm::Plain
            | Arm::Floor
            | Arm::Hop
            | Arm::UnixSocket
            | Arm::Http2
            | Arm::Link => [1.0; 2],
        };
        let jitter = (self.noise[1] * noise.normal()).exp();
        let total = n as f64 * self.cpu_ms * page * cpu * shift * jitter;
        let share = if slice.arm == Arm::Split {
            vec![("split-frontend", 0.45, 9.8), ("split-backend", 0.55, 14.1)]
        } else {
            vec![("monolith", 1.0, 15.6)]
        };
        for (role, part, mib) in share {
            slice.cpu_ms.insert(role.into(), total * part);
            slice.resident_mib.insert(role.into(), mib + 0.1 * noise.normal());
        }
        slice.cpu_ms.insert("generator".into(), n as f64 * 0.05);
        if self.postgres {
            slice.cpu_ms.insert("postgres".into(), n as f64 * 0.2 * jitter);
        }
        slice.foreign_cpu = if noise.uniform() < self.busy { 0.21 } else { 0.01 };
        if slice.purpose == Purpose::Steady {
            let middle = 1_300.0 * page * latency * (0.02 * noise.normal()).exp();
            slice.latency = noise.histogram(n, middle, 0.35);
            slice.service = slice.latency.clone();
            slice.lag = noise.histogram(n.min(100), 25.0, 0.4);
        }
    }

    fn planted_ms(&self) -> f64 {
        0.05 * self.cpu_ms
    }

    /// Everything around the slices.
    fn frame(&self, slices: Vec<Slice>, starts: Vec<Start>) -> Run {
        let costs = [(Page::Home, (4, 2)), (Page::Article, (3, 2))];
        Run {
            schema: SCHEMA,
            id: format!("2026-01-02-030405-x1-{}", self.preset),
            experiment: "x1".into(),
            started: "2026-01-02T03:04:05Z".parse().unwrap(),
            seconds: slices.iter().map(|s| s.seconds + 0.1).sum(),
            command: format!("cargo lab run x1 --preset {} --seed {}", self.preset, self.seed),
            preset: self.preset.to_string(),
            seed: self.seed,
            machine: machine(),
            build: Build {
                commit: "0123456789abcdef0123456789abcdef01234567".into(),
                rustc: "rustc 1.95.0".into(),
                binary_bytes: ["monolith", "split-backend", "split-frontend"]
                    .into_iter()
                    .zip([11_800_000, 10_400_000, 8_100_000])
                    .map(|(role, bytes)| (role.into(), bytes))
                    .collect(),
            },
            layout: Layout {
                server_cores: vec![0],
                load_cores: vec![1],
                fallbacks: vec!["No hardware counters: CPU time is from /proc.".into()],
            },
            database: if self.postgres { "postgres" } else { "sqlite" }.into(),
            composition: None,
            dataset: [("users", 100), ("articles", 1_000), ("tags", 50), ("comments", 2_000)]
                .into_iter()
                .map(|(table, rows)| (table.into(), rows))
                .collect(),
            parity: Parity {
                requests: 260,
                statements: 911,
                backend_calls: 402,
                per_page: costs
                    .into_iter()
                    .map(|(page, (statements, backend_calls))| {
                        (page, PageCost { statements, backend_calls })
                    })
                    .collect(),
            },
            pilot: Pilot {
                cpu_ms: [(Page::Home, self.cpu_ms), (Page::Article, 1.3 * self.cpu_ms)].into(),
                planted_ms: self.planted_ms(),
                waiting_ms: 0.5,
                noise: None,
            },
            slices,
            starts,
            grid: None,
            scaling: None,
            interference: None,
            durability: None,
            deploys: None,
            ticks: None,
            resumed: Vec::new(),
        }
    }
}

fn machine() -> Machine {
    Machine {
        cpu: "Example CPU <4> & \"co\"".into(),
        cores: 2,
        memory_mib: 24_000,
        kernel: "6.18.0".into(),
        os: "Debian GNU/Linux 12".into(),
        load_before: 0.12,
    }
}

/// The servers of one arm coming up.
fn started(arm: Arm, restart: u32, noise: &mut Noise) -> Vec<Start> {
    let roles: &[_] = match arm {
        Arm::Split => &[("split-backend", 24.0, 12.9), ("split-frontend", 6.0, 8.9)],
        _ => &[("monolith", 25.0, 14.2)],
    };
    roles
        .iter()
        .map(|(role, ready, mib)| Start {
            role: (*role).into(),
            arm,
            restart,
            ready_ms: ready + noise.normal(),
            first_ok_ms: ready + 3.0 + noise.normal(),
            resident_mib: mib + 0.1 * noise.normal(),
        })
        .collect()
}

/// Drawn noise that is the same on every machine.
pub(crate) struct Noise {
    pub(crate) rng: ChaCha8Rng,
    /// Normal numbers to choose from: millions are needed, and tests are not optimised.
    table: Vec<f64>,
}

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        let mut noise = Self { rng: ChaCha8Rng::seed_from_u64(seed), table: Vec::new() };
        noise.table = (0..8_192).map(|_| noise.normal()).collect();
        noise
    }

    fn uniform(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Close enough to normal: twelve uniform numbers added up.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// `n` log-normal values around `middle`, sorted into buckets one hundredth apart.
    pub(crate) fn histogram(&mut self, n: u64, middle: f64, sigma: f64) -> Histogram {
        // The median of the table is not quite 0, but it is the same for everyone.
        let mut values: Vec<i32> = (0..n)
            .map(|_| {
                let drawn = self.table[self.rng.next_u64() as usize % self.table.len()];
                ((middle.ln() + sigma * drawn) * 200.0) as i32
            })
            .collect();
        values.sort_unstable();
        let buckets = values.chunk_by(|a, b| a == b);
        Histogram(
            buckets.map(|b| ((f64::from(b[0]) / 200.0).exp() as u64, b.len() as u64)).collect(),
        )
    }
}
