//! Where this process may make control groups: read from what the kernel says about mounts and about
//! the process itself.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::unistd::Pid;

use super::{Tree, v1::V1, v2::V2};

/// The way out of having no right to make groups.
const AS_ROOT: &str = "run the lab as root, or in a delegated scope: systemd-run --user --scope -p \
                       Delegate=yes cargo lab …";

/// What there is.
#[derive(Debug)]
pub(super) enum Found {
    V1(V1),
    V2(V2),
    /// Why there is nothing, and what would help.
    Nothing(String),
}

/// Looks at this machine. Groups are going to be made inside what is found, under the name `run`.
pub(super) fn find(run: &str) -> Found {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mounts = mounts(&read("/proc/self/mountinfo"));
    let own = own(&read("/proc/self/cgroup"));
    // A machine that has both has its controllers in version 1: they can be in one place only.
    if let Some(v1) = v1(&mounts, &own) {
        return match v1.join(run).create() {
            Ok(()) => Found::V1(v1),
            Err(error) => Found::Nothing(why_not(&v1.cpu, &error)),
        };
    }
    v2(&mounts, &own, run)
}

/// The group that another process is in, to be read: where it can be seen from here, or else where that
/// process itself sees it, which takes the right to look into its file system.
pub(super) fn group_of(pid: Pid) -> Option<Tree> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let groups = own(&read(&format!("/proc/{pid}/cgroup")));
    let seen_by = |process: &str, root: &str| {
        group_among(&mounts(&read(&format!("/proc/{process}/mountinfo"))), &groups, root.as_ref())
    };
    seen_by("self", "/").or_else(|| seen_by(&pid.to_string(), &format!("/proc/{pid}/root")))
}

/// The group of a process that is in `groups`, among the hierarchies that are mounted below `root`.
fn group_among(mounts: &[Mount], groups: &[Own], root: &Path) -> Option<Tree> {
    let with = |list: &[String], controller: Option<&str>| match controller {
        Some(controller) => list.iter().any(|name| name == controller),
        // Version 2 has one hierarchy for all of them.
        None => list.is_empty(),
    };
    let of = |controller: Option<&str>| {
        let group = groups.iter().find(|own| with(&own.controllers, controller))?;
        let mut mounts = mounts.iter().filter(|mount| with(&mount.controllers, controller));
        mounts.find_map(|mount| mount.group(&group.path, root))
    };
    if let (Some(cpu), Some(cpuacct)) = (of(Some("cpu")), of(Some("cpuacct"))) {
        return Some(Tree::V1(V1 { cpu, cpuacct, memory: of(Some("memory")), freezer: None }));
    }
    Some(Tree::V2(V2 { directory: of(None)? }))
}

/// A place where a hierarchy of control groups can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// Which group of the hierarchy stands at `point`: `/` but in some containers.
    root: String,
    point: PathBuf,
    /// The controllers of version 1; empty for version 2.
    controllers: Vec<String>,
}

/// The group of this process in one hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Own {
    /// As in [`Mount`].
    controllers: Vec<String>,
    path: String,
}

/// Lines are `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS … - TYPE SOURCE OPTIONS`
/// (proc_pid_mountinfo(5)).
fn mounts(mountinfo: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?.to_owned(), PathBuf::from(place.next()?));
        let mut kind = kind.split(' ');
        let controllers = match (kind.next()?, kind.nth(1)?) {
            ("cgroup", options) => options.split(',').map(str::to_owned).collect(),
            ("cgroup2", _) => Vec::new(),
            _ => return None,
        };
        Some(Mount { root, point, controllers })
    };
    mountinfo.lines().filter_map(mount).collect()
}

/// Lines are `ID:CONTROLLERS:PATH`, without controllers for version 2 (cgroups(7)).
fn own(cgroup: &str) -> Vec<Own> {
    let own = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let controllers = controllers.split(',').filter(|name| !name.is_empty());
        Some(Own { controllers: controllers.map(str::to_owned).collect(), path: path.to_owned() })
    };
    cgroup.lines().filter_map(own).collect()
}

impl Mount {
    /// Where the group `path` of this hierarchy can be seen: the limits that hold for this process
    /// then hold for the groups it makes there, too.
    fn directory(&self, path: &str) -> PathBuf {
        let below = path.strip_prefix(self.root.trim_end_matches('/')).unwrap_or_default();
        let directory = self.point.join(below.trim_start_matches('/'));
        // A container may see its own group as the root and not know its true name.
        if directory.is_dir() { directory } else { self.point.clone() }
    }

    /// Where exactly the group `path` can be seen, and no other in its place; below `root`, since the
    /// mount may be another process's. The group of everything is nobody's own.
    fn group(&self, path: &str, root: &Path) -> Option<PathBuf> {
        let below = path.strip_prefix(self.root.trim_end_matches('/'))?;
        let is_below = below.is_empty() || below.starts_with('/');
        if path == "/" || !is_below || below.contains("..") {
            return None;
        }
        let directory = root.join(self.point.strip_prefix("/").ok()?);
        let directory = directory.join(below.trim_start_matches('/'));
        directory.is_dir().then_some(directory)
    }
}

fn v1(mounts: &[Mount], own: &[Own]) -> Option<V1> {
    let of = |controller: &str| {
        let has = |list: &[String]| list.iter().any(|name| name == controller);
        let mount = mounts.iter().find(|mount| has(&mount.controllers))?;
        let path = own.iter().find(|own| has(&own.controllers)).map_or("/", |own| &own.path);
        Some(mount.directory(path))
    };
    Some(V1 {
        cpu: of("cpu")?,
        cpuacct: of("cpuacct")?,
        memory: of("memory"),
        freezer: of("freezer"),
    })
}

/// In version 2 only a group without processes can have groups with limits. So groups are made in the
/// lab's own group if that may be, else beside it.
fn v2(mounts: &[Mount], own: &[Own], run: &str) -> Found {
    let Some(mount) = mounts.iter().find(|mount| mount.controllers.is_empty()) else {
        return Found::Nothing("no control groups are mounted: mount /sys/fs/cgroup".to_owned());
    };
    let path = own.iter().find(|own| own.controllers.is_empty()).map_or("/", |own| &own.path);
    let here = mount.directory(path);
    let above = here.parent().filter(|above| above.starts_with(&mount.point));
    let mut obstacle = None;
    for place in [Some(here.as_path()), above].into_iter().flatten() {
        let v2 = V2 { directory: place.to_owned() };
        match v2.offer().and_then(|()| v2.join(run).create()).and_then(|()| v2.join(run).offer()) {
            Ok(()) => return Found::V2(v2),
            // The obstacle in the lab's own group is the one to speak of.
            Err(error) => obstacle = obstacle.or_else(|| Some(why_not(place, &error))),
        }
    }
    Found::Nothing(obstacle.unwrap_or_default())
}

fn why_not(place: &Path, error: &io::Error) -> String {
    let way_out = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "in a container, have /sys/fs/cgroup mounted for writing (--privileged)"
        }
        _ => AS_ROOT,
    };
    format!("no control group can be made in {}: {error}; {way_out}", place.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1_MOUNTS: &str = "\
        22 20 0:20 / /proc rw,nosuid - proc proc rw\n\
        31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
        32 30 0:28 /docker/77 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn mounts_are_told_from_everything_else_that_is_mounted() {
        let mounts = mounts(V1_MOUNTS);
        assert_eq!(mounts.len(), 3);
        assert!(mounts[0].controllers.contains(&"cpuacct".to_owned()));
        assert_eq!(mounts[0].point, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert_eq!(mounts[1].root, "/docker/77");
        assert!(mounts[2].controllers.is_empty());
    }

    #[test]
    fn the_own_group_has_controllers_in_version_1_only() {
        let own = own("4:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/user.slice/s.scope\n");
        assert_eq!(own[0].path, "/a");
        assert_eq!(own[0].controllers, ["cpu", "cpuacct"]);
        let v2 = Own { controllers: Vec::new(), path: "/user.slice/s.scope".to_owned() };
        assert_eq!(own[2], v2);
    }

    #[test]
    fn anothers_group_is_found_exactly_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let made = ["cpu/docker/77", "cpuacct/docker/77", "unified/docker/77"];
        for directory in made {
            fs::create_dir_all(root.path().join("sys/fs/cgroup").join(directory)).unwrap();
        }
        let mount = |top: &str, name: &str, controllers: &[&str]| Mount {
            root: top.to_owned(),
            point: Path::new("/sys/fs/cgroup").join(name),
            controllers: controllers.iter().map(|&name| name.to_owned()).collect(),
        };
        let v1 = |top| [mount(top, "cpu", &["cpu"]), mount(top, "cpuacct", &["cpuacct"])];
        let found = |mounts: &[Mount], cgroup: &str| {
            let group = group_among(mounts, &own(cgroup), root.path());
            group.map(|group| {
                let directory = group.directories()[0].to_owned();
                directory.strip_prefix(root.path()).unwrap().display().to_string()
            })
        };
        let in_container = "2:cpuacct:/docker/77\n1:cpu:/docker/77\n0::/docker/77\n";
        let as_v1 = Some("sys/fs/cgroup/cpu/docker/77".to_owned());
        assert_eq!(found(&v1("/"), in_container), as_v1);
        // A container sees its own group as the top of the hierarchy.
        assert_eq!(found(&v1("/docker/77"), in_container), Some("sys/fs/cgroup/cpu".to_owned()));
        let v2 = [mount("/", "unified", &[])];
        let as_v2 = Some("sys/fs/cgroup/unified/docker/77".to_owned());
        assert_eq!(found(&v2, in_container), as_v2);
        // Another's group, one that can't be seen, and the whole machine's.
        assert_eq!(found(&v1("/docker/7"), in_container), None);
        assert_eq!(found(&v2, "0::/docker/78\n"), None);
        assert_eq!(found(&v2, "0::/../docker/77\n"), None);
        assert_eq!(found(&v2, "0::/\n"), None);
    }

    #[test]
    fn groups_are_made_inside_the_own_group_also_in_a_container() {
        let sysfs = tempfile::tempdir().unwrap();
        let point = sysfs.path().to_owned();
        fs::create_dir_all(point.join("a/b")).unwrap();
        let at = |root: &str| Mount {
            root: root.to_owned(),
            point: point.clone(),
            controllers: Vec::new(),
        };
        assert_eq!(at("/").directory("/a/b"), point.join("a/b"));
        assert_eq!(at("/docker/77").directory("/docker/77/a"), point.join("a"));
        // A name that means nothing here.
        assert_eq!(at("/docker/77").directory("/elsewhere"), point);
        assert_eq!(at("/").directory("/gone"), point);
    }
}
