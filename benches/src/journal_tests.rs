//! An interrupted run that goes on has to give what an uninterrupted one gives, wherever it was cut off.

use std::fs;
use std::path::Path;

use chrono::TimeDelta;

use super::*;
use crate::circumstances::Circumstances;
use crate::experiment::Preset;
use crate::experiments::x1;
use crate::judge;
use crate::store::{Folder, JOURNAL, RUN, SLICES};
use crate::synthetic::Truth;

fn whole() -> Run {
    Truth { preset: Preset::Smoke, ..Truth::default() }.run()
}

pub(crate) fn begun(run: &Run) -> Begun {
    Begun {
        schema: run.schema,
        experiment: run.experiment.clone(),
        preset: run.preset.clone(),
        seed: run.seed,
        place: "--db sqlite".into(),
        balancing: Balancing::default(),
        command: run.command.clone(),
        started: run.started,
        circumstances: Circumstances::of(run),
        programs: [("monolith".to_owned(), 7)].into(),
        plan: x1::plan(Preset::Smoke, run.seed),
        parity: run.parity.clone(),
        found: Found {
            pilot: run.pilot.clone(),
            rates: [(crate::record::Page::Home, 0.1 + 0.2)].into(),
            one_core: [(crate::record::Page::Home, 2_000.0 / 3.0)].into(),
            remark: None,
        },
    }
}

/// Writes a run into a folder as the instrument does, but stops after so many slices.
fn measure(folder: &mut Folder, run: &Run, from: u32, until: usize) {
    let mut left = until;
    for restart in from.. {
        let slices: Vec<_> = run.slices.iter().filter(|s| s.restart == restart).collect();
        if slices.is_empty() {
            return;
        }
        for slice in slices {
            if left == 0 {
                return;
            }
            left -= 1;
            folder.append(slice).unwrap();
        }
        let starts = run.starts.iter().filter(|s| s.restart == restart).cloned().collect();
        let (seconds, slices) = (f64::from(restart) + 1.0, folder.written());
        folder.enter(&Entry::Complete { restart, starts, seconds, slices }).unwrap();
    }
}

/// What `kill -9` leaves: nothing is written at the end.
fn killed(folder: Folder) -> String {
    folder.id.clone()
}

fn go_on(root: &Path, id: &str) -> (Folder, Begun, Progress) {
    let (mut folder, begun, slices, entries) = Folder::reopen(root, id).unwrap();
    let (mut progress, dropped) = Progress::replay(slices, entries).unwrap();
    let (at, restart) = (begun.started + TimeDelta::hours(1), progress.restarts);
    folder.enter(&Entry::Resumed { at, restart, slices: folder.written() }).unwrap();
    progress.resumed.push(Resumption { at, restart, dropped });
    (folder, begun, progress)
}

/// Everything that was measured, once the rest has been.
fn finished(root: &Path, id: &str) -> Run {
    let (mut folder, begun, slices, entries) = Folder::reopen(root, id).unwrap();
    let (progress, cut_short) = Progress::replay(slices, entries).unwrap();
    assert!(cut_short.is_empty());
    let run = begun.record(id.to_owned(), progress);
    folder.finish(&run).unwrap();
    run
}

#[test]
fn wherever_a_run_is_cut_off_it_ends_as_if_it_had_not_been() {
    let run = whole();
    let first = run.slices.iter().filter(|s| s.restart == 0).count();
    for until in [0, 1, first - 1, first, first + 5, run.slices.len()] {
        let root = tempfile::tempdir().unwrap();
        let mut folder = Folder::create(root.path(), run.started, run.seed).unwrap();
        folder.begin(&begun(&run)).unwrap();
        // Not the very first slice: a run that measured nothing leaves nothing.
        measure(&mut folder, &run, 0, until.max(1));
        let id = killed(folder);
        let (mut folder, begun, progress) = go_on(root.path(), &id);
        assert_eq!(begun, super::tests::begun(&run), "read back as written");
        measure(&mut folder, &run, progress.restarts, usize::MAX);
        drop(folder);
        let resumed = finished(root.path(), &id);
        let cut = until.max(1);
        let whole = |restart| run.slices.iter().filter(|slice| slice.restart < restart).count();
        let kept = (0..).map(whole).take_while(|kept| *kept <= cut).take(run.slices.len()).last();
        let dropped = cut - kept.unwrap();
        assert_eq!(resumed.resumed.len(), 1);
        assert_eq!(resumed.resumed[0].dropped.len(), dropped, "cut off after {until}");
        assert_eq!(resumed.slices, run.slices);
        assert_eq!(resumed.starts, run.starts);
        let judged =
            |run: &Run| judge::summarise_with(&Run { id: "x".into(), ..run.clone() }, 100).unwrap();
        assert_eq!(judged(&resumed), judged(&run));
    }
}

#[test]
fn what_is_measured_anew_replaces_what_was_cut_short() {
    let run = whole();
    let root = tempfile::tempdir().unwrap();
    let mut folder = Folder::create(root.path(), run.started, run.seed).unwrap();
    folder.begin(&begun(&run)).unwrap();
    let mut cold = run.clone();
    cold.slices.iter_mut().for_each(|slice| slice.cpu_ms.values_mut().for_each(|ms| *ms *= 9.0));
    measure(&mut folder, &cold, 0, 3);
    let id = killed(folder);
    // Interrupted twice within the same restart.
    let (mut folder, _, progress) = go_on(root.path(), &id);
    measure(&mut folder, &cold, progress.restarts, 2);
    drop(folder);
    let (mut folder, _, progress) = go_on(root.path(), &id);
    assert_eq!(progress.resumed.len(), 2);
    measure(&mut folder, &run, progress.restarts, usize::MAX);
    drop(folder);
    let resumed = finished(root.path(), &id);
    assert_eq!(resumed.slices, run.slices);
    let dropped: Vec<usize> = resumed.resumed.iter().map(|r| r.dropped.len()).collect();
    assert_eq!(dropped, [3, 2]);
    assert_eq!(resumed.resumed[0].dropped, cold.slices[..3]);
}

#[test]
fn a_line_that_was_not_written_to_its_end_is_cut_off() {
    let run = whole();
    let root = tempfile::tempdir().unwrap();
    let mut folder = Folder::create(root.path(), run.started, run.seed).unwrap();
    folder.begin(&begun(&run)).unwrap();
    measure(&mut folder, &run, 0, 2);
    let (path, id) = (folder.path.clone(), killed(folder));
    for file in [SLICES, JOURNAL] {
        let whole = fs::read_to_string(path.join(file)).unwrap();
        fs::write(path.join(file), whole + r#"{"restart":0,"blo"#).unwrap();
    }
    let (mut folder, _, slices, entries) = Folder::reopen(root.path(), &id).unwrap();
    assert_eq!((slices.len(), entries.len()), (2, 0));
    folder.append(&run.slices[2]).unwrap();
    drop(folder);
    assert_eq!(Folder::reopen(root.path(), &id).unwrap().2, run.slices[..3]);
}

#[test]
fn nobody_goes_on_with_a_run_that_is_complete_or_still_measured_or_was_never_begun() {
    let run = whole();
    let root = tempfile::tempdir().unwrap();
    let refused = |id: &str| {
        let error = format!("{:#}", Folder::reopen(root.path(), id).map(|_| ()).unwrap_err());
        assert!(!error.contains('\n'), "{error}");
        error
    };
    let mut folder = Folder::create(root.path(), run.started, run.seed).unwrap();
    folder.append(&run.slices[0]).unwrap();
    let id = folder.id.clone();
    assert!(refused(&id).contains("somebody measures it"));
    drop(folder);
    assert!(refused(&id).contains("before its first slice"));
    fs::write(root.path().join(&id).join(RUN), "{}").unwrap();
    assert!(refused(&id).contains("is complete"));
    assert!(refused("no-such-run").contains("no run there"));
}

#[test]
fn another_machine_source_or_dataset_is_refused_with_both() {
    let run = whole();
    let begun = begun(&run);
    let same = Circumstances::of(&run);
    begun.refuse_others(&same).unwrap();
    let mut busy = same.clone();
    busy.machine.load_before = 7.0;
    busy.layout.fallbacks.clear();
    begun.refuse_others(&busy).unwrap();
    let refused = |change: &dyn Fn(&mut Circumstances)| {
        let mut other = same.clone();
        change(&mut other);
        let error = begun.refuse_others(&other).unwrap_err().to_string();
        assert!(!error.contains('\n'), "{error}");
        error
    };
    assert!(
        refused(&|c| c.machine.cpu = "Another".into()).contains("another machine: Example CPU")
    );
    assert!(refused(&|c| c.build.commit = "89ab".into()).contains("89ab now"));
    assert!(
        refused(&|c| c.dataset.insert("articles".into(), 9).map_or((), drop))
            .contains("another dataset")
    );
    assert!(refused(&|c| c.database = "postgres".into()).contains("another database"));
}

#[test]
fn an_address_has_to_be_named_again_and_another_database_is_refused() {
    let run = whole();
    let order = |place: &str, engine: Option<&str>| {
        let begun = Begun { place: place.into(), ..begun(&run) };
        let engine = engine.map(|text| text.parse().unwrap());
        begun.order(engine).map(|order| order.place.flag()).map_err(|e| e.to_string())
    };
    assert_eq!(order("--db sqlite", None).unwrap(), "--db sqlite");
    assert_eq!(order("--db postgres", Some("postgres")).unwrap(), "--db postgres");
    assert_eq!(order("--compose", None).unwrap(), "--compose");
    assert_eq!(order("--db URL", Some("postgres://db/x")).unwrap(), "--db URL");
    assert!(order("--db URL", None).unwrap_err().contains("name it again with --db URL"));
    assert!(order("--db sqlite", Some("postgres")).unwrap_err().contains("--db sqlite"));
    assert!(order("--compose", Some("sqlite")).unwrap_err().contains("--compose"));
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let run = whole();
    let entry = |restart, slices| Entry::Complete { restart, starts: vec![], seconds: 1.0, slices };
    let replay = |slices: &[Slice], entries| {
        Progress::replay(slices.to_vec(), entries).map(|_| ()).unwrap_err().to_string()
    };
    assert!(replay(&run.slices[..2], vec![entry(0, 3)]).contains("not there"));
    assert!(replay(&run.slices[..2], vec![entry(1, 2)]).contains("out of order"));
    let last = run.slices.len() - 1;
    assert!(replay(&run.slices[last..], vec![]).contains("out of order"));
}
