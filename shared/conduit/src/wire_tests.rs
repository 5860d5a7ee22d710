use proptest::prelude::*;

use super::*;

fn problems() -> impl Strategy<Value = Problems> {
    proptest::collection::vec(("[a-z]{1,8}", "\\PC{0,20}"), 1..4).prop_map(|pairs| {
        let mut problems = Problems::new();
        for (field, message) in pairs {
            problems.add(&field, &message);
        }
        problems
    })
}

/// Every error that a client can be told about.
fn client_facing() -> impl Strategy<Value = Error> {
    let resource = proptest::sample::select(Resource::ALL.to_vec());
    let unauthorized = proptest::sample::select(vec![
        Unauthorized::Missing,
        Unauthorized::Invalid,
        Unauthorized::Credentials,
    ]);
    let outcome = proptest::sample::select(vec![Outcome::NotDone, Outcome::Unknown]);
    prop_oneof![
        unauthorized.prop_map(Error::Unauthorized),
        resource.clone().prop_map(Error::Forbidden),
        resource.prop_map(Error::NotFound),
        problems().prop_map(Error::Conflict),
        problems().prop_map(Error::Invalid),
        outcome.prop_map(Error::Unavailable),
    ]
}

proptest! {
    #[test]
    fn an_error_survives_the_wire(error in client_facing()) {
        let (status, body) = from_error(&error);
        let json = serde_json::to_vec(&body).unwrap();
        let back: ErrorBody = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(to_error(status, Some(back.errors)), error);
    }

    #[test]
    fn a_list_survives_the_wire(
        tag in proptest::option::of("\\PC{0,12}"),
        author in proptest::option::of("\\PC{0,12}"),
        favorited in proptest::option::of("\\PC{0,12}"),
        limit in 1..=MAX_LIMIT,
        offset in 0..=MAX_OFFSET,
    ) {
        let list = ListArticles { tag, author, favorited, limit, offset };
        prop_assert_eq!(ListArticles::try_from(ListQuery::from(&list)).unwrap(), list);
    }

    #[test]
    fn a_name_fills_exactly_one_path_segment(name in "\\PC{1,20}") {
        let path = path::of(path::COMMENTS, &name);
        prop_assert_eq!(path.split('/').count(), 4);
        let segment = path.split('/').nth(2).unwrap();
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8().unwrap();
        prop_assert_eq!(decoded.as_ref(), name.as_str());
    }
}

#[test]
fn internal_detail_does_not_leak() {
    let (status, body) = from_error(&Error::Internal("password=hunter2".into()));
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!serde_json::to_string(&body).unwrap().contains("hunter2"));
    assert!(!Error::Internal("hunter2".into()).to_string().contains("hunter2"));
}

#[test]
fn a_caller_survives_the_wire() {
    let id = RequestId::parse("abc-1").unwrap();
    let caller = Caller::new(Some(Token::new("t0ken")), id.clone(), Duration::from_secs(2));
    let headers = from_caller(&caller);
    assert_eq!(to_token(&headers), caller.token);
    assert_eq!(to_request_id(&headers), Some(id));
    let budget = to_budget(&headers).unwrap();
    assert!(budget <= Duration::from_secs(2) && budget > Duration::from_secs(1));
}

#[test]
fn a_budget_from_outside_is_bounded() {
    let mut headers = HeaderMap::new();
    headers.insert(BUDGET_MS, HeaderValue::from(u64::MAX));
    assert_eq!(to_budget(&headers), Some(MAX_BUDGET));
    headers.insert(BUDGET_MS, HeaderValue::from_static("soon"));
    assert_eq!(to_budget(&headers), None);
}

#[test]
fn a_malformed_authorization_is_a_bad_token_not_no_token() {
    let mut headers = HeaderMap::new();
    assert_eq!(to_token(&headers), None);
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic abc"));
    assert_eq!(to_token(&headers), Some(Token::new("")));
}

#[test]
fn numbers_in_a_list_are_checked_together() {
    let bad = |limit: &str, offset: &str| {
        let query = ListQuery {
            limit: Some(limit.into()),
            offset: Some(offset.into()),
            ..ListQuery::default()
        };
        match ListArticles::try_from(query) {
            Err(Error::Invalid(problems)) => problems.iter().count(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(bad("0", "-1"), 2);
    assert_eq!(bad("ten", "0"), 1);
    assert_eq!(bad("1001", "99999999999"), 2);
}
