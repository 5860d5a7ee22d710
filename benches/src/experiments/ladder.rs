//! x1-ladder, hop anatomy: where does the price of the boundary come from? Each rung of the ladder
//! adds one thing to the one below it: a function call, JSON, a Unix socket, TCP, distance.

use crate::{
    count::{How, Pattern, Replay},
    experiment::{Card, Design, Experiment, Preset},
    grid::{Bound, Cell, Controls, Grid, Picture, Quantity, Rule},
    judge::summary::Metric,
    record::Arm,
};

/// The experiment.
pub const EXPERIMENT: Experiment = Experiment { card: CARD, design: Design::Grid(grid) };

const CARD: Card = Card {
    id: "x1-ladder",
    title: "Where does the price of the boundary come from?",
    claim: "A call over the boundary is dearer than a function call because of what lies on the way: \
            JSON, a socket, TCP, distance; and these add up to the whole.",
    hypothesis: "The rungs add up to the whole within 10 %. JSON is at most half of what the hop \
                 takes of the CPU for a short answer, and more than half for one of 512 KiB. A Unix \
                 socket takes at most 0.9 times of what TCP adds. HTTP/2 takes more than 1.05 times the \
                 CPU of HTTP/1.1 for one visitor, and at most as much for 64, whose calls share a \
                 connection.",
    smallest_effect: "10 % of the whole for the sum of the rungs; 10 % between the two kinds of \
                      socket; half of the hop for JSON; 5 % of a page between the versions of HTTP.",
    region: "One call of the port in a page that does nothing else: a list of ten articles, or one \
             article with a text of 1, 8, 64 or 512 KiB; HTTP/1.1 over connections that are kept, and \
             beside it HTTP/2 without TLS over one; 1, 8 or 64 visitors, each of whom waits for the \
             answer; both servers on one core; links of 0.2, 1 and 5 ms.",
    decision_rule: "Each claim names a figure and where it has to lie: supported when the whole 95 % \
                    interval lies there, refuted when it lies elsewhere, inconclusive otherwise, and \
                    when the answer hangs on rounds in which others used the CPU. A trial over a link \
                    whose median delay is off by more than 10 % is void and measured anew. No verdict \
                    at all when the controls fail.",
    refuted_by: "An interval that lies wholly on the other side of the limit.",
    unfair: &[
        "Both servers of the split share the core that the monolith has for itself, so every \
         hand-over between them waits for it.",
        "The link is a process that holds bytes: it adds two more hand-overs of its own. They stand \
         in a rung of their own.",
        "The page shows nothing of what it got. A real page renders it, which takes the same in both \
         architectures and makes the hop a smaller share.",
    ],
    not_shown: &[
        "HTTP/3, TLS, compression, other encodings than JSON. HTTP/2 over a link.",
        "A network that loses or reorders packets, or whose bandwidth is small.",
        "How many system calls each rung takes: they are counted in a run of their own, `cargo lab \
         syscalls`, because who counts them slows them down. Likewise what the time between them goes \
         into, by spans: `cargo lab spans`.",
        "More than one call: that is x2.",
    ],
    slo_ms: f64::INFINITY,
};

/// A list of ten by one call.
const LIST: Replay = list(false);

const fn list(codec: bool) -> Replay {
    Replay::Calls(Pattern { articles: 10, how: How::Batched, codec })
}

/// The rungs below distance: name, arm, whether JSON is written and read in the monolith.
const NEAR: [(&str, Arm, bool); 4] = [
    ("function call", Arm::Monolith, false),
    ("JSON", Arm::Monolith, true),
    ("Unix socket", Arm::UnixSocket, false),
    (TCP, Arm::Split, false),
];

/// What stands beside the rung of TCP, and is no rung itself: the same with HTTP/2.
pub const HTTP2: &str = "HTTP/2";

const BESIDE: (&str, Arm, bool) = (HTTP2, Arm::Http2, false);

/// The rung of a hop between processes of one machine, with HTTP/1.1.
const TCP: &str = "TCP";

/// Lengths of the link, microseconds. Over the first there is nothing but the relay.
const RTTS_US: [u32; 4] = [0, 200, 1_000, 5_000];

/// Lengths of texts, KiB.
pub const TEXTS_KIB: [u32; 4] = [1, 8, 64, 512];

/// How many visitors ask at once, besides the one.
pub const CROWDS: [u32; 2] = [8, 64];

const DATA: (u64, u64) = (1_000, 100);

/// What is measured.
pub fn grid(preset: Preset, _database: &str) -> Grid {
    let (rounds, requests, seconds) = match preset {
        Preset::Smoke => (2, 40, 0.05),
        Preset::Quick => (8, 300, 0.15),
        Preset::Standard => (30, 800, 0.4),
        Preset::Full => (80, 1_500, 0.8),
    };
    let mut cells = Vec::new();
    for (name, arm, codec) in NEAR.into_iter().chain([BESIDE]) {
        cells.push(Cell::new(name, arm, list(codec), DATA));
        for kib in TEXTS_KIB {
            cells.push(Cell::new(text(name, kib), arm, Replay::Text { kib, codec }, DATA));
        }
        for visitors in CROWDS {
            let cell = Cell::new(crowd(name, visitors), arm, list(codec), DATA);
            cells.push(Cell { visitors, ..cell });
        }
    }
    for rtt_us in RTTS_US {
        let cell = Cell::new(link(rtt_us), Arm::Link, LIST, DATA);
        cells.push(Cell { rtt_us: Some(rtt_us), ..cell });
    }
    for arm in [Arm::Plain, Arm::Twin, Arm::Planted] {
        cells.push(Cell::new(arm.name(), arm, LIST, DATA));
    }
    Grid {
        cells,
        controls: Controls {
            plain: Arm::Plain.name().to_owned(),
            twin: Arm::Twin.name().to_owned(),
            planted: Arm::Planted.name().to_owned(),
            effect: 0.1,
        },
        rounds,
        requests,
        seconds,
        rules: rules(),
        derived: derived(),
        picture: Picture::Ladder,
    }
}

/// The rungs that are on one machine, and HTTP/2: what each is called, who is asked, for a list of ten.
pub fn next_door() -> Vec<(String, Arm, Replay)> {
    let cell = |(name, arm, codec): (&str, Arm, bool)| (name.to_owned(), arm, list(codec));
    NEAR.into_iter().chain([BESIDE]).map(cell).collect()
}

/// The rungs in order, by the names of their cells.
pub fn rungs() -> Vec<String> {
    let near = NEAR.iter().map(|(name, ..)| (*name).to_owned());
    near.chain(RTTS_US.map(link)).collect()
}

/// What a rung adds, by its name.
pub fn added(metric: Metric, rung: &str) -> String {
    let what = if metric == Metric::P50 { "latency" } else { "CPU" };
    format!("{what} added by {rung}")
}

fn link(rtt_us: u32) -> String {
    match rtt_us {
        0 => "link of 0 ms".to_owned(),
        us => format!("link of {} ms", f64::from(us) / 1e3),
    }
}

/// The cell of a text.
pub fn text(rung: &str, kib: u32) -> String {
    format!("{rung}, {kib} KiB")
}

/// The cell of many visitors.
pub fn crowd(rung: &str, visitors: u32) -> String {
    format!("{rung}, {visitors} visitors")
}

/// What is sent by both versions of HTTP: what it is called, and its cells, HTTP/1.1 first.
pub fn by_both_versions() -> Vec<(String, [String; 2])> {
    let cells = |name: &dyn Fn(&str) -> String| [TCP, HTTP2].map(name);
    let mut both = vec![("a list of ten".to_owned(), cells(&str::to_owned))];
    for visitors in CROWDS {
        let name = |rung: &str| crowd(rung, visitors);
        both.push((format!("a list of ten, {visitors} visitors"), cells(&name)));
    }
    for kib in TEXTS_KIB {
        both.push((format!("a text of {kib} KiB"), cells(&|rung| text(rung, kib))));
    }
    both
}

/// What HTTP/2 takes against HTTP/1.1, by what is sent.
pub fn by_http2(metric: Metric, what: &str) -> String {
    let metric = if metric == Metric::P50 { "latency" } else { "CPU" };
    format!("{metric} by HTTP/2 against HTTP/1.1, {what}")
}

fn derived() -> Vec<(String, Quantity)> {
    let mut derived = Vec::new();
    for pair in rungs().windows(2) {
        let [below, rung] = pair else { continue };
        for metric in [Metric::P50, Metric::CpuServers] {
            let quantity = Quantity::Difference(metric, [rung.clone(), below.clone()]);
            derived.push((added(metric, rung), quantity));
        }
    }
    for (what, [one, two]) in by_both_versions() {
        for metric in [Metric::CpuServers, Metric::P50] {
            let quantity = Quantity::Ratio(metric, [two.clone(), one.clone()]);
            derived.push((by_http2(metric, &what), quantity));
        }
    }
    derived
}

fn rules() -> Vec<Rule> {
    // What a rung has more than a function call, against what TCP has more.
    let added = |metric, rung: &str, of: &str| {
        let [rung, hop] = [rung, TCP].map(|rung| format!("{rung}{of}"));
        let home = format!("function call{of}");
        Quantity::Added(metric, [rung, home.clone(), hop, home])
    };
    let sum = |rtt_us: u32| Rule {
        claim: format!("The rungs up to a {} add up to the whole within 10 %", link(rtt_us)),
        quantity: Quantity::OfWhole { at: link(rtt_us), near: link(0) },
        limit: 0.1,
        bound: Bound::Off,
    };
    let cpu = Metric::CpuServers;
    let rule = |claim: &str, quantity, limit, bound| Rule {
        claim: claim.to_owned(),
        quantity,
        limit,
        bound,
    };
    vec![
        sum(200),
        rule(
            "For a list of ten, JSON is at most half of what the hop adds to the CPU",
            added(cpu, "JSON", ""),
            0.5,
            Bound::AtMost,
        ),
        rule(
            "A Unix socket adds at most 0.9 times the CPU that TCP adds",
            added(cpu, "Unix socket", ""),
            0.9,
            Bound::AtMost,
        ),
        rule(
            "A Unix socket adds at most 0.9 times the median latency that TCP adds",
            added(Metric::P50, "Unix socket", ""),
            0.9,
            Bound::AtMost,
        ),
        rule(
            "For a text of 512 KiB, JSON is more than half of what the hop adds to the CPU",
            added(cpu, "JSON", ", 512 KiB"),
            0.5,
            Bound::MoreThan,
        ),
        sum(1_000),
        sum(5_000),
        rule(
            "For one visitor a page takes more than 1.05 times the CPU by HTTP/2 that it takes by \
             HTTP/1.1",
            Quantity::Ratio(cpu, [HTTP2, TCP].map(str::to_owned)),
            1.05,
            Bound::MoreThan,
        ),
        rule(
            "While 64 visitors ask, a page takes at most as much CPU by HTTP/2 as by HTTP/1.1",
            Quantity::Ratio(cpu, [HTTP2, TCP].map(|rung| crowd(rung, 64))),
            1.0,
            Bound::AtMost,
        ),
    ]
}
