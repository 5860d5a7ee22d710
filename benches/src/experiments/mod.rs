//! Each experiment in a file of its own, its card first.

pub mod c2;
pub mod c5;
pub mod certificate;
pub mod floor;
pub mod ladder;
pub mod size;
pub mod x1;
pub mod x2;
pub mod x3;
pub mod x5;
pub mod x6;
pub mod x7;
pub mod x8;
