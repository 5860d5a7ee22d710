//! What it costs: processor time, which says more than the clock where others use the machine too.

use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// Linux counts processor time in hundredths of a second, whatever the machine.
const TICK: Duration = Duration::from_millis(10);

/// The processor time that this process has used so far, and all processes of the database server
/// whose first one has this number.
pub(crate) fn used(server: Option<u32>) -> Result<Duration> {
    let mut ticks = of("self")?.own;
    if let Some(server) = server {
        let server = server.to_string();
        let first = of(&server)?;
        ticks += first.own + first.ended_children;
        for process in fs::read_dir("/proc")?.filter_map(Result::ok) {
            let name = process.file_name();
            let Some(name) = name.to_str().filter(|name| name.parse::<u32>().is_ok()) else {
                continue;
            };
            // It may be gone by now, and counts among the ended ones next time.
            if let Ok(child) = of(name)
                && child.parent == server
            {
                ticks += child.own;
            }
        }
    }
    Ok(TICK * u32::try_from(ticks)?)
}

/// What a process has used.
struct Used {
    parent: String,
    own: u64,
    ended_children: u64,
}

fn of(process: &str) -> Result<Used> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name may hold blanks; what comes after it does not. See proc_pid_stat(5).
    let (_, fields) = text.rsplit_once(") ").context("a process's state")?;
    let fields: Vec<_> = fields.split(' ').collect();
    let sum = |which: [usize; 2]| -> Result<u64> {
        let mut sum = 0;
        for index in which {
            sum += fields.get(index).context("a field")?.parse::<u64>()?;
        }
        Ok(sum)
    };
    let parent = (*fields.get(1).context("a parent")?).to_owned();
    Ok(Used { parent, own: sum([11, 12])?, ended_children: sum([13, 14])? })
}
