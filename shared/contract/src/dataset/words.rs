//! The vocabulary of the dataset, and how names, titles and articles are made of it.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

const FIRST_NAMES: [&str; 20] = [
    "ada",
    "alan",
    "barbara",
    "donald",
    "edsger",
    "frances",
    "grace",
    "hedy",
    "katherine",
    "ken",
    "leslie",
    "łukasz",
    "margaret",
    "naïma",
    "radia",
    "shafi",
    "søren",
    "tim",
    "zoë",
    "李",
];

const LAST_NAMES: [&str; 20] = [
    "allen",
    "ångström",
    "dijkstra",
    "goldwasser",
    "hamilton",
    "hopper",
    "johnson",
    "kernighan",
    "knuth",
    "lamarr",
    "lamport",
    "liskov",
    "lovelace",
    "müller",
    "perlman",
    "ritchie",
    "thompson",
    "turing",
    "whitehead",
    "明",
];

/// The tags that everyone uses come first; those that are hard to put into an address are spread
/// among them.
const TAGS: [&str; 50] = [
    "rust",
    "databases",
    "c++",
    "testing",
    "latency",
    "日本語",
    "architecture",
    "postgres",
    "sqlite",
    "q&a",
    "async",
    "http",
    "a/b testing",
    "performance",
    "statistics",
    "naïve",
    "queues",
    "caching",
    "100%",
    "linux",
    "networks",
    "c#",
    "design",
    "teaching",
    "größe",
    "security",
    "operations",
    "what?",
    "compilers",
    "types",
    "<br>",
    "memory",
    "threads",
    "tail+latency",
    "search",
    "parsing",
    "🦀",
    "graphs",
    "sorting",
    "hashing",
    "trees",
    "logs",
    "tracing",
    "metrics",
    "deployment",
    "capacity",
    "history",
    "humour",
    "careers",
    "writing",
];

const SUBJECTS: [&str; 16] = [
    "queues",
    "indexes",
    "small functions",
    "time-outs",
    "caches",
    "B-trees",
    "sockets",
    "retries",
    "averages",
    "percentiles",
    "transactions",
    "locks",
    "allocators",
    "deadlines",
    "schemas",
    "interfaces",
];

const TITLES: [&str; 10] = [
    "Why {} beat {}",
    "What {} taught me about {}",
    "{} & {}: friends after all",
    "A short history of {} and {}",
    "Measuring {} without fooling {}",
    "Größer ist nicht besser: {} und {}",
    "<{}> considered harmful, {} considered charming",
    "\"{}\" is not another word for {}",
    "{}、{}についての覚え書き",
    "100% {}, 0% {}",
];

const SENTENCES: [&str; 14] = [
    "Everybody has an opinion on {}, and hardly anybody has measured {}.",
    "The trouble with {} begins where {} end.",
    "Nobody notices {} until the day on which {} are missing.",
    "We looked at {} for a week before we understood that {} were to blame.",
    "In theory {} and {} have nothing to do with each other.",
    "If you take away one thing, let it be this: {} come before {}.",
    "Under load, {} behave very differently from {}.",
    "A colleague once replaced {} by {} over lunch, and it took us a month to undo it.",
    "You can have {} without {}, but it will not make you happy.",
    "The books tell you to start with {}; start with {} instead.",
    "What looks like a problem of {} is nearly always a problem of {}.",
    "There is a price for {}, and it is paid in {}.",
    "Twice as many {} do not make {} twice as fast.",
    "Ask three people about {} and you will hear four stories about {}.",
];

const CODE: [&str; 4] = [
    "let waiting = arrivals.iter().filter(|a| a.start > now).count();\nassert!(waiting < limit);",
    "grep -c 'status=5..' access.log  # quick & dirty, <10 s",
    "for (i, word) in text.split_whitespace().enumerate() {\n    println!(\"{i}: <{word}>\");\n}",
    "fn utilisation(busy: f64, elapsed: f64) -> f64 {\n    busy / elapsed\n}",
];

const COMMENTS: [&str; 8] = [
    "I disagree about {}, but thank you for the part on {}.",
    "We tried {} last year.  It ended with {}.",
    "<b>Wrong</b>: {} & {} are the same thing.",
    "First!\nSecond thoughts: {} are not {}.",
    "Would you say that {} need {} at all?",
    "Saved for later. My team argues about {} and {} every Monday.",
    "とても面白い: {} / {}",
    "The figure for {} looks too good. Did you count {}?",
];

/// An article grows until it is at least this long, which makes it about 2 KB on average.
const ARTICLE_LEN: usize = 1_900;

pub(super) fn username(rng: &mut ChaCha8Rng, index: u64) -> String {
    format!("{}-{}-{index:04}", one_of(rng, &FIRST_NAMES), one_of(rng, &LAST_NAMES))
}

/// The vocabulary in its order, then once more with a number behind each word, and so on.
pub(super) fn tag(index: u64) -> String {
    let count = TAGS.len() as u64;
    let word = TAGS[usize::try_from(index % count).expect("less than the length")];
    match index / count {
        0 => word.to_owned(),
        round => format!("{word}-{}", round + 1),
    }
}

pub(super) fn title(rng: &mut ChaCha8Rng) -> String {
    filled(rng, &TITLES)
}

pub(super) fn sentence(rng: &mut ChaCha8Rng) -> String {
    filled(rng, &SENTENCES)
}

pub(super) fn comment(rng: &mut ChaCha8Rng) -> String {
    filled(rng, &COMMENTS)
}

/// Letters and digits in lower case, anything else as single hyphens between them.
pub(super) fn slug(title: &str) -> String {
    let lower = title.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// An article in Markdown: headings, paragraphs, a list, a block of code, a link, and for some a
/// line of HTML that must not reach a visitor.
pub(super) fn article(rng: &mut ChaCha8Rng, title: &str) -> String {
    let mut text = format!("*{}*\n\n{}\n", sentence(rng), paragraph(rng));
    text.push_str(&format!("\n## {title}\n\n{}\n\n", paragraph(rng)));
    for _ in 0..rng.random_range(3..6) {
        text.push_str(&format!("- **{}**: {}\n", one_of(rng, &SUBJECTS), sentence(rng)));
    }
    text.push_str(&format!("\n```\n{}\n```\n", one_of(rng, &CODE)));
    if rng.random_ratio(1, 10) {
        text.push_str("\n<script>alert(\"must not run\")</script>\n");
    }
    while text.len() < ARTICLE_LEN {
        text.push_str(&format!("\n### On {}\n\n{}\n", one_of(rng, &SUBJECTS), paragraph(rng)));
    }
    let number = rng.random_range(1..1_000);
    text.push_str(&format!("\nMore in [part {number}](https://example.com/parts/{number}).\n"));
    text
}

fn paragraph(rng: &mut ChaCha8Rng) -> String {
    let sentences: Vec<_> = (0..rng.random_range(2..5)).map(|_| sentence(rng)).collect();
    sentences.join(" ")
}

/// One of the patterns, each of its two gaps filled with a different subject.
fn filled(rng: &mut ChaCha8Rng, patterns: &[&str]) -> String {
    let pattern = one_of(rng, patterns);
    let first = rng.random_range(0..SUBJECTS.len());
    let second = (first + rng.random_range(1..SUBJECTS.len())) % SUBJECTS.len();
    pattern.replacen("{}", SUBJECTS[first], 1).replacen("{}", SUBJECTS[second], 1)
}

fn one_of<'a>(rng: &mut ChaCha8Rng, words: &[&'a str]) -> &'a str {
    words[rng.random_range(0..words.len())]
}
