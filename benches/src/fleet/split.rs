//! The split, with whatever lies between its servers, and the lab files of servers with pages.

use std::path::PathBuf;

use anyhow::Context;

use super::{DB_CONNECTIONS, Fleet, Launch, Rig};
use crate::{
    databases::Database,
    intermediary::Program,
    link::Link,
    record::Arm,
    servers::{BACKEND, FRONTEND},
};

impl Rig {
    /// Starts the split: its backend, whatever lies between, its frontend.
    pub(super) async fn start_split(
        &self,
        database: &Database,
        arm: Arm,
        name: &str,
        fleet: &mut Fleet,
    ) -> anyhow::Result<()> {
        let backend = self.with_database(database, arm, BACKEND, DB_CONNECTIONS, name)?;
        let mut backend = backend.with_jobs(self.jobs);
        let socket = database.data_dir.join("backend.sock");
        if arm == Arm::UnixSocket {
            backend.args.extend(["--listen-unix".to_owned(), socket.display().to_string()]);
        }
        let backend = self.start_server(backend).await?;
        let address = backend.process().address;
        let url = match arm {
            Arm::UnixSocket => format!("unix:{}", socket.display()),
            Arm::Link => {
                let (mark, run) = &self.mark;
                let link = Link::start(&Program::this((mark, run))?, address, 0.0).await?;
                format!("http://{}", fleet.link.insert(link).address())
            }
            _ => format!("http://{address}"),
        };
        let mut frontend = self.frontend(arm, url, name)?;
        if arm == Arm::Http2 {
            frontend.args.extend(["--backend-http", "2"].map(str::to_owned));
        }
        fleet.members.push(backend);
        fleet.members.push(self.start_server(frontend.with_lab(self)?).await?);
        Ok(())
    }

    /// A frontend of the backend at this address.
    pub(super) fn frontend(
        &self,
        arm: Arm,
        backend_url: String,
        name: &str,
    ) -> anyhow::Result<Launch<'_>> {
        let mut launch = self.launch(arm, FRONTEND, name)?;
        launch.args = vec!["--backend-url".to_owned(), backend_url];
        Ok(launch)
    }

    /// The lab file of an arm's servers with pages.
    fn lab_file(&self, arm: Arm) -> anyhow::Result<Option<&PathBuf>> {
        if matches!(arm, Arm::Planted | Arm::Waiting) {
            return self.planted.get(&arm).map(Some).context("nothing was planted yet");
        }
        Ok(self.lab_file.as_ref())
    }
}

impl Launch<'_> {
    /// With jobs at this place.
    pub(super) fn with_jobs(mut self, place: &str) -> Self {
        self.args.extend(["--jobs".to_owned(), place.to_owned()]);
        self
    }

    /// With the switches that its arm needs.
    pub(super) fn with_lab(mut self, rig: &Rig) -> anyhow::Result<Self> {
        if let Some(file) = rig.lab_file(self.arm)? {
            self.args.extend(["--lab".to_owned(), file.display().to_string()]);
        }
        Ok(self)
    }
}
