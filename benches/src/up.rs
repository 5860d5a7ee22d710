//! `lab up`: both architectures side by side with the same data, to click through.

use contract::dataset::PASSWORD;

use crate::{
    affinity,
    databases::Engine,
    record::{Arm, Layout},
    servers::{BACKEND, FRONTEND, MONOLITH},
    site::Site,
};

/// Runs both architectures until a server dies; whoever calls ends it earlier.
///
/// # Errors
/// One line: what could not be had, or which server died.
pub async fn up(engine: &Engine) -> anyhow::Result<()> {
    const ARMS: [Arm; 2] = [Arm::Monolith, Arm::Split];
    // Nothing is measured, so everyone may use every core.
    let cores = affinity::cores()?;
    let layout = Layout { server_cores: cores.clone(), load_cores: cores, fallbacks: Vec::new() };
    let mut site = Site::build(engine, layout).await?;
    // A visitor wants to see an export come to its end, without a third process in the split.
    site.rig.jobs = "inside";
    let databases = site.seeded.copies("up", &ARMS, &mut site.guardian).await?;
    let mut fleet = site.rig.start(&databases, &ARMS, "up").await?;
    let (monolith, split) = (fleet.system(Arm::Monolith)?, fleet.system(Arm::Split)?);
    println!("{MONOLITH:<15} http://{}", monolith.process(MONOLITH)?.address);
    println!("{FRONTEND:<15} http://{}", split.process(FRONTEND)?.address);
    println!("{BACKEND:<15} http://{}/api/articles", split.process(BACKEND)?.address);
    println!("sign in as      {}  password {PASSWORD}", site.dataset.user(0).email);
    println!("Ctrl-C ends both.");
    fleet.unless_one_dies(std::future::pending()).await
}
