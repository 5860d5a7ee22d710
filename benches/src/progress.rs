//! What the person in front of the terminal sees while the lab works, on stderr: results alone go
//! to stdout.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// Says what is done next, in cargo's manner: the verb to the right of a column.
pub fn say(verb: &str, what: &str) {
    eprintln!("{verb:>12} {what}");
}

/// A bar of `total` steps with the time left. Where stderr is no terminal there is none.
pub fn bar(verb: &str, total: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{prefix:>12} [{bar:28}] {percent:>3}%  {eta} left  {msg}";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(total).with_style(style.progress_chars("=> "));
    bar.set_prefix(verb.to_owned());
    bar
}

/// Milliseconds, for bars that count time.
pub fn ms(seconds: f64) -> u64 {
    Duration::from_secs_f64(seconds.max(0.0)).as_millis() as u64
}
