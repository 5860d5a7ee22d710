//! What the record of a grid holds besides its trials.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::Cells;
use crate::{
    databases::Engine,
    record::{Build, Layout, Machine, Parity, Pilot, Run, SCHEMA, Start},
    run::Order,
    stats::rounded,
};

/// Under which circumstances a grid is measured.
pub(super) struct Frame<'a> {
    pub(super) order: &'a Order,
    pub(super) engine: &'a Engine,
    pub(super) started: DateTime<Utc>,
    pub(super) machine: Machine,
    pub(super) build: Build,
    pub(super) layout: Layout,
    pub(super) dataset: BTreeMap<String, u64>,
    /// CPU that the planted arm burns on top, milliseconds.
    pub(super) planted_ms: f64,
}

impl Frame<'_> {
    /// The record, in the folder of that name.
    pub(super) fn record(self, id: String, seconds: f64, cells: Cells, starts: Vec<Start>) -> Run {
        let Self { order, engine, started, machine, build, layout, dataset, planted_ms } = self;
        Run {
            schema: SCHEMA,
            id,
            experiment: order.experiment.card.id.to_owned(),
            started,
            seconds,
            command: order.command(),
            preset: order.preset.to_string(),
            seed: order.seed,
            machine,
            build,
            layout,
            database: engine.kind().to_owned(),
            composition: None,
            dataset,
            parity: Parity::default(),
            pilot: Pilot { planted_ms: rounded(planted_ms), ..Pilot::default() },
            slices: Vec::new(),
            starts,
            grid: Some(cells),
            scaling: None,
            interference: None,
            durability: None,
            deploys: None,
            ticks: None,
            resumed: Vec::new(),
        }
    }
}
