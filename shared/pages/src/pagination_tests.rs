use super::*;

fn number(query: &str) -> Option<u32> {
    let uri: Uri = format!("/{query}").parse().unwrap();
    let list = window(&uri).ok()?;
    assert_eq!((list.limit, list.offset % PER_PAGE), (PER_PAGE, 0));
    Some(list.offset / PER_PAGE + 1)
}

fn row(current: u64, last: u64) -> String {
    let text = |step| match step {
        Step::Page(number) => number.to_string(),
        Step::Gap => "…".to_owned(),
    };
    let pagination = Pagination { address: String::new(), current, last };
    pagination.steps().map(text).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_page_is_a_whole_number_from_one() {
    assert_eq!(number(""), Some(1));
    assert_eq!(number("?page=7"), Some(7));
    assert_eq!(number("?utm=x&page=7&page=9"), Some(7));
    assert_eq!(number("?pages=7"), Some(1));
    for bad in ["0", "-1", "abc", "", "1.5", "+2", "%31", "214748365", "99999999999999999999"] {
        assert_eq!(number(&format!("?page={bad}")), None, "{bad}");
    }
}

#[test]
fn the_last_possible_page_has_an_offset_that_lists_take() {
    let uri: Uri = format!("/?page={MAX_PAGE}").parse().unwrap();
    assert!(window(&uri).unwrap().offset <= i32::MAX.unsigned_abs());
}

#[test]
fn a_short_row_is_whole_and_a_long_one_is_short() {
    assert_eq!(row(1, 2), "1 2");
    assert_eq!(row(5, 10), "1 2 3 4 5 6 7 8 9 10");
    assert_eq!(row(1, 100), "1 2 3 … 100");
    assert_eq!(row(5, 100), "1 2 3 4 5 6 7 … 100", "no gap for a single number");
    assert_eq!(row(6, 100), "1 … 4 5 6 7 8 … 100");
    assert_eq!(row(50, 100_000), "1 … 48 49 50 51 52 … 100000");
    assert_eq!(row(100, 100), "1 … 98 99 100");
    assert_eq!(row(900, 100), "1 … 98 99 100", "beyond the last page");
}

#[test]
fn every_row_is_in_order_and_shows_the_current_page_once() {
    for last in 1..=30 {
        for current in 1..=last {
            let pagination = Pagination { address: String::new(), current, last };
            let pages: Vec<u64> = pagination
                .steps()
                .filter_map(|step| if let Step::Page(number) = step { Some(number) } else { None })
                .collect();
            assert!(pages.is_sorted_by(|a, b| a < b), "{current} of {last}: {pages:?}");
            assert_eq!((pages[0], pages[pages.len() - 1]), (1, last));
            assert!(pages.contains(&current), "{current} of {last}: {pages:?}");
        }
    }
}
