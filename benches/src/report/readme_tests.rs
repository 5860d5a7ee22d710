//! What stands in the README's other blocks.

use std::path::Path;

use super::*;
use crate::report::published_tests::newest;

#[test]
fn the_readme_shows_the_verdicts_of_the_newest_committed_run_of_each() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    for (id, name) in [
        ("c2", "c2"),
        ("x1-ladder", "x1-ladder"),
        ("x3", "x3"),
        ("x5", JOBS),
        ("x6", "x6"),
        ("x7", "x7"),
        ("x8", "x8"),
        ("certificate", "certificate"),
    ] {
        let (_, newest) = newest(id);
        let [begin, end] = markers(name);
        let (_, rest) = readme.split_once(&begin).expect(id);
        let (shown, _) = rest.split_once(&end).expect(id);
        let text = if id == "x5" { jobs_table(newest) } else { verdicts(newest) }.unwrap();
        assert_eq!(shown.trim_matches('\n'), text.trim_matches('\n'), "{id}");
    }
}
