use super::*;

/// What tells a span of a server, a call and a statement from others.
const SERVER: &str = "http.route";
const CALL: &str = "http.request.method";
const SQL: &str = "db.system.name";

/// A span of the trace `t`; what it is called says what it is if it has no attribute that does.
fn span(id: &str, parent: &str, what: &str, time: Range<u64>) -> Span {
    let attributes = match what {
        SERVER => [SERVER, CALL].as_slice(),
        CALL | SQL => &[what],
        _ => &[],
    };
    Span {
        name: what.to_owned(),
        trace: "t".to_owned(),
        id: id.to_owned(),
        parent: parent.to_owned(),
        begun_ns: time.start,
        ended_ns: time.end,
        attributes: attributes.iter().map(|it| ((*it).to_owned(), String::new())).collect(),
        ..Span::default()
    }
}

fn visit(time: Range<u64>) -> Visit {
    Visit { trace: "t".to_owned(), id: "visit".to_owned(), time }
}

fn found(spans: &[Span], time: Range<u64>) -> anyhow::Result<Vec<(Part, u64)>> {
    Ok(parts_of(&[visit(time)], spans)?.remove(0).into_iter().collect())
}

/// A page over one call, one thing after the other.
fn one_call() -> Vec<Span> {
    vec![
        span("page", "visit", SERVER, 10..100),
        span("call", "page", CALL, 20..80),
        span("backend", "call", SERVER, 35..70),
        span("sql", "backend", SQL, 40..55),
        span("json", "backend", ENCODE, 60..68),
        span("read", "page", DECODE, 81..88),
    ]
}

#[test]
fn a_page_over_one_call_is_taken_apart_and_adds_up() {
    let parts = found(&one_call(), 0..104).unwrap();
    assert_eq!(
        parts,
        [
            (Part::Visitor, 14),
            (Part::Entry, 90 - 60 - 7),
            (Part::There, 15),
            (Part::Handler, 35 - 15 - 8),
            (Part::Statements, 15),
            (Part::Encode, 8),
            (Part::Back, 10),
            (Part::Decode, 7),
        ]
    );
    assert_eq!(parts.iter().map(|(_, ns)| ns).sum::<u64>(), 104);
    // Nor does it matter in which order they come.
    let mut backwards = one_call();
    backwards.reverse();
    assert_eq!(found(&backwards, 0..104).unwrap(), parts);
}

#[test]
fn what_happens_at_once_is_taken_off_once() {
    let spans = [
        span("page", "visit", SERVER, 0..100),
        span("a", "page", SQL, 10..50),
        span("b", "page", SQL, 30..60),
        // Within the first, and one that begins where the last ends.
        span("c", "page", SQL, 20..25),
        span("d", "page", SQL, 60..70),
    ];
    let parts = found(&spans, 0..100).unwrap();
    assert_eq!(
        parts,
        [(Part::Visitor, 0), (Part::Entry, 100 - 60), (Part::Statements, 40 + 30 + 5 + 10)]
    );
}

#[test]
fn a_clock_that_was_read_too_early_takes_nothing_from_others() {
    let mut spans = one_call();
    // The backend seems to have begun before it was called, and its statement before that.
    (spans[2].begun_ns, spans[3].begun_ns) = (15, 12);
    // An end before the beginning.
    spans[5].ended_ns = 5;
    let parts = found(&spans, 0..104).unwrap();
    assert_eq!(parts.iter().map(|(_, ns)| ns).sum::<u64>(), 104, "{parts:?}");
    assert!(parts.contains(&(Part::There, 0)) && parts.contains(&(Part::Decode, 0)), "{parts:?}");
}

#[test]
fn what_nobody_knows_is_a_piece_of_what_it_stands_in() {
    let mut spans = one_call();
    spans.push(span("more", "backend", "something", 56..59));
    let known = found(&one_call(), 0..104).unwrap();
    assert_eq!(found(&spans, 0..104).unwrap(), known);
}

#[test]
fn spans_of_other_traces_are_no_part_of_a_page() {
    let mut spans = one_call();
    let other = |span: Span| Span { trace: "other".to_owned(), ..span };
    spans.extend(one_call().into_iter().map(other));
    assert_eq!(found(&spans, 0..104).unwrap(), found(&one_call(), 0..104).unwrap());
}

/// Whatever is missing would make something else seem longer.
#[test]
fn a_trace_that_did_not_arrive_whole_is_an_error_of_one_line() {
    let whole = one_call();
    for missing in ["page", "call", "backend"] {
        let spans: Vec<_> = whole.iter().filter(|span| span.id != missing).cloned().collect();
        let error = found(&spans, 0..104).unwrap_err().to_string();
        assert_eq!(error, "the traces of 1 of 1 pages did not arrive whole", "{missing}");
    }
    // The backend has sent nothing at all, or nobody anything.
    let frontend = ["page", "call", "read"];
    let spans: Vec<_> =
        whole.iter().filter(|it| frontend.contains(&it.id.as_str())).cloned().collect();
    assert!(found(&spans, 0..104).is_err());
    assert!(found(&[], 0..104).is_err());
    let two = [visit(0..104), Visit { trace: "lost".to_owned(), ..visit(0..9) }];
    let error = parts_of(&two, &whole).unwrap_err().to_string();
    assert_eq!(error, "the traces of 1 of 2 pages did not arrive whole");
}
