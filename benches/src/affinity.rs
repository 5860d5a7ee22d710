//! Who runs on which core. Systems under test share one core among themselves, generator and
//! database have the other: otherwise the generator's own work would slow down what it measures.

use nix::{
    errno::Errno,
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::record::Layout;

/// In calls about affinity, process 0 is the thread that calls.
const THIS_THREAD: Pid = Pid::from_raw(0);

/// The cores that this process may use, ascending.
pub fn cores() -> Result<Vec<u32>, Errno> {
    let set = sched_getaffinity(THIS_THREAD)?;
    Ok((0..CpuSet::count())
        .filter(|core| set.is_set(*core) == Ok(true))
        .map(|c| c as u32)
        .collect())
}

/// Puts the calling thread on `cores`. Threads and processes that it starts later stay there too,
/// from their first instruction on, which putting them there afterwards could not promise.
pub fn move_to(cores: &[u32]) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core as usize)?;
    }
    sched_setaffinity(THIS_THREAD, &set)
}

/// Runs `work` on `cores` and comes back to `home`.
pub fn elsewhere<T>(cores: &[u32], home: &[u32], work: impl FnOnce() -> T) -> Result<T, Errno> {
    move_to(cores)?;
    let done = work();
    move_to(home)?;
    Ok(done)
}

/// Shares out `cores`: the last one to the servers, the first to generator and database (the first
/// core tends to be the one that also serves interrupts). Both budgets stay at one core on larger
/// machines, so that results of different machines have the same shape.
pub fn layout(cores: &[u32]) -> Layout {
    match cores {
        [] | [_] => Layout {
            server_cores: cores.to_vec(),
            load_cores: cores.to_vec(),
            fallbacks: vec![
                "only one core: servers, generator and database share it, so latencies contain \
                 waiting for the generator"
                    .to_owned(),
            ],
        },
        [first, .., last] => {
            Layout { server_cores: vec![*last], load_cores: vec![*first], fallbacks: Vec::new() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_two_cores_or_more_servers_have_one_to_themselves() {
        for cores in [&[0, 1][..], &[2, 3, 5, 7]] {
            let layout = layout(cores);
            assert_eq!(layout.server_cores.len(), 1);
            assert_ne!(layout.server_cores, layout.load_cores);
            assert!(layout.fallbacks.is_empty());
        }
    }

    #[test]
    fn with_one_core_the_layout_says_what_is_lost() {
        let layout = layout(&[0]);
        assert_eq!(layout.server_cores, layout.load_cores);
        assert_eq!(layout.fallbacks.len(), 1);
    }

    #[test]
    fn a_child_inherits_the_cores_and_the_parent_comes_back() {
        let all = cores().unwrap();
        let one = &all[all.len() - 1..];
        let status = elsewhere(one, &all, || {
            std::process::Command::new("cat").arg("/proc/self/status").output().unwrap()
        })
        .unwrap();
        let text = String::from_utf8(status.stdout).unwrap();
        let list = text.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        assert_eq!(list.trim(), one[0].to_string());
        assert_eq!(cores().unwrap(), all);
    }
}
