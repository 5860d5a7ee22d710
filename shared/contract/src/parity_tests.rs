use http::StatusCode;

use super::*;
use crate::dataset::Size;

fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value);
    }
    Answer { status: StatusCode::from_u16(status).unwrap(), headers: map, body: body.into() }
}

fn forgiven(left: Answer, right: Answer) -> Option<String> {
    difference(&normalised(left), &normalised(right))
}

#[test]
fn date_and_request_number_are_forgiven() {
    let left = answer(200, &[("date", "now"), ("x-request-id", "1"), ("a", "b")], "x");
    let right = answer(200, &[("date", "later"), ("x-request-id", "2"), ("a", "b")], "x");
    assert_eq!(forgiven(left.clone(), right), None);
    assert!(forgiven(left, answer(200, &[], "x")).unwrap().contains("(absent)"));
}

#[test]
fn tokens_are_forgiven_but_not_their_presence() {
    let token = |token: &str, length: &'static str| {
        let body = format!(r#"{{"user":{{"email":"e","token":"{token}","bio":null}}}}"#);
        Answer { body: body.into(), ..answer(200, &[("content-length", length)], "") }
    };
    assert_eq!(forgiven(token("aa", "47"), token("bbb", "48")), None);
    assert!(forgiven(token("aa", "47"), answer(200, &[], r#"{"user":{}}"#)).is_some());

    let cookie = |line| answer(303, &[("set-cookie", line)], "");
    assert_eq!(forgiven(cookie("s=a.b; Path=/"), cookie("s=d.e.f; Path=/")), None);
    assert!(forgiven(cookie("s=a.b; Path=/"), cookie("s=d.e; Path=/; Secure")).is_some());
    assert!(forgiven(cookie("s=a.b; Path=/"), cookie("s=; Path=/")).is_some(), "signed out");
    assert!(forgiven(cookie("s=a.b; Path=/"), cookie("t=a.b; Path=/")).is_some());
    assert!(forgiven(cookie("s=saved; Path=/"), cookie("s=deleted; Path=/")).is_some(), "a word");
}

#[test]
fn what_was_a_moment_ago_is_forgiven_and_what_was_long_ago_is_not() {
    let body = |time: String| {
        let body = format!(r#"T{{"title":"T","createdAt":"{time}","updatedAt":"{time}"}}"#);
        Answer { body: body.into(), ..answer(200, &[], "") }
    };
    let recently = |seconds: i64| {
        let time = chrono::Utc::now() - chrono::TimeDelta::seconds(seconds);
        body(conduit::Timestamp::from(time).to_string())
    };
    assert_eq!(forgiven(recently(1), recently(3)), None);
    let long_ago = |second: u32| body(format!("2025-01-02T03:04:{second:02}.678Z"));
    assert!(forgiven(long_ago(1), long_ago(3)).is_some());
    assert!(forgiven(recently(1), long_ago(3)).is_some());
}

#[test]
fn a_token_in_a_page_is_not_forgiven() {
    let page = |token| answer(200, &[], token);
    assert!(forgiven(page(r#"<p>"token":"a"</p>"#), page(r#"<p>"token":"b"</p>"#)).is_some());
}

#[test]
fn a_difference_is_shown_where_it_is() {
    let left = answer(200, &[("vary", "cookie")], "<ul>\n<li>one</li>\n<li>two</li>\n</ul>");
    let right = answer(404, &[], "<ul>\n<li>one</li>\n<li>2</li>\n</ul>");
    let shown = difference(&left, &right).unwrap();
    for part in ["status\n  - 200\n  + 404", "vary\n  - cookie\n  + (absent)", "line 3", "letter 5"]
    {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let shorter = answer(200, &[("vary", "cookie")], "<ul>");
    assert!(difference(&left, &shorter).unwrap().contains("(the end)"));
    let newline = answer(200, &[("vary", "cookie")], "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n");
    assert!(difference(&left, &newline).is_some(), "every byte counts");
    assert_eq!(difference(&left, &left.clone()), None);
}

#[test]
fn values_of_one_header_are_compared_in_their_order() {
    let two = answer(200, &[("set-cookie", "a=1"), ("set-cookie", "b=2")], "");
    let turned = answer(200, &[("set-cookie", "b=2"), ("set-cookie", "a=1")], "");
    assert!(difference(&two, &turned).is_some());
}

#[test]
fn the_corpus_is_large_and_knows_every_kind_of_visitor() {
    let requests = corpus(&Dataset::new(Size::default(), 1));
    assert!(requests.len() >= 200, "{}", requests.len());
    for target in [Target::Page, Target::Api] {
        let of = |who: &dyn Fn(Who) -> bool| {
            requests.iter().filter(|r| r.target == target && who(r.who)).count()
        };
        assert!(of(&|who| who == Who::Guest) > 50);
        assert!(of(&|who| matches!(who, Who::User(_))) > 50);
        assert!(of(&|who| matches!(who, Who::Forger(_))) > 10);
    }
    for request in &requests {
        let uri = format!("http://localhost{}", request.path);
        uri.parse::<http::Uri>().unwrap_or_else(|error| panic!("{uri}: {error}"));
    }
}

#[test]
fn a_forged_token_differs_in_one_letter() {
    for genuine in ["Token aaaa.bbbb.cccccccc", "session=AAAAAAAAAAAAAA"] {
        let forged = forged(genuine);
        assert_eq!(forged.len(), genuine.len());
        assert_eq!(genuine.bytes().zip(forged.bytes()).filter(|(a, b)| a != b).count(), 1);
    }
}
