//! One file per experiment: its card, its plan, its verdicts.

pub mod x1;
