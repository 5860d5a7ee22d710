//! Each experiment in a file of its own, its card first.

pub mod c2;
pub mod certificate;
pub mod floor;
pub mod size;
pub mod x1;
