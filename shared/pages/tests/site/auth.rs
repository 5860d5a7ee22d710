//! Signing in, up and out.

use axum::http::{Request, StatusCode, header};
use conduit::{Error, Outcome, Problems, Token, Unauthorized};
use contract::{
    dataset::{self, Dataset, Size},
    in_memory::InMemory,
};
use pages::Settings;

use crate::{
    browser::{Browser, HOST},
    script::{Script, TOKEN},
};

const SECRET: &str = "dragon-rider";

fn failing(error: &Error) -> Script {
    Script { login: Err(error.clone()), register: Err(error.clone()), ..Script::default() }
}

#[tokio::test]
async fn the_forms_have_the_fields_that_everybody_fills_in() {
    let browser = Browser::on(&Script::default());
    let page = browser.get("/login").await;
    assert_eq!(page.text(".auth-page h1"), "Sign in");
    assert_eq!(page.count("h1"), 1);
    assert_eq!(page.text(".auth-page a[href='/register']"), "Need an account?");
    page.one("form[method=post][action='/login']");
    assert_eq!(page.attr("input[name=email]", "placeholder"), "Email");
    assert_eq!(page.attr("input[name=password][type=password]", "placeholder"), "Password");
    assert_eq!(page.count("input"), 2);
    page.one("button[type=submit].btn.btn-lg.btn-primary.pull-xs-right");
    assert_eq!(page.count(".error-messages"), 0, "only when there are any");

    let page = browser.get("/register").await;
    assert_eq!(page.text("h1"), "Sign up");
    assert_eq!(page.text(".auth-page a[href='/login']"), "Have an account?");
    page.one("form[method=post][action='/register']");
    assert_eq!(page.attr("input[name=username]", "placeholder"), "Username");
    assert_eq!(page.count("input"), 3);
}

#[tokio::test]
async fn signing_in_sets_a_cookie_that_scripts_and_other_sites_can_not_use() {
    let script = Script::default();
    let browser = Browser::on(&script);
    let answer = browser.post("/login", "email=a%40b.example&password=dragon-rider").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/");
    assert_eq!(script.take_calls(), ["login a@b.example dragon-rider"]);
    assert_eq!(
        answer.cookie(),
        Some("conduit_session=good-token; Path=/; Max-Age=5184000; HttpOnly; SameSite=Lax")
    );
    let settings = Settings { secure_cookies: true, ..Settings::default() };
    let secure = Browser::with(&script, settings).post("/login", "email=a&password=b").await;
    assert!(secure.cookie().unwrap().ends_with("; Secure"));
}

#[tokio::test]
async fn signing_up_signs_in() {
    let script = Script::default();
    let form = "username=hiccup&email=a%40b.example&password=dragon-rider&unknown=field";
    let answer = Browser::on(&script).post("/register", form).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert_eq!(script.take_calls(), ["register hiccup a@b.example dragon-rider"]);
    assert!(answer.cookie().unwrap().starts_with("conduit_session=good-token;"));
}

#[tokio::test]
async fn a_session_lasts_from_page_to_page_until_it_is_ended() {
    let dataset = Dataset::new(Size { users: 2, articles: 3, ..Size::default() }, 1);
    let port = InMemory::new(&dataset);
    let user = dataset.user(0);
    let form = format!("email={}&password={}", user.email, dataset::PASSWORD);
    let answer = Browser::on(&port).post("/login", &form).await;
    let cookie = answer.cookie().unwrap();
    let token = cookie.strip_prefix("conduit_session=").unwrap().split(';').next().unwrap();
    let browser = Browser::on(&port).signed_in(token);
    let page = browser.get("/").await;
    assert_eq!(page.text("nav a[href^='/profile/']").trim(), user.username);

    let out = browser.post("/logout", "").await;
    assert_eq!((out.status, out.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert!(out.cookie().unwrap().starts_with("conduit_session=; Path=/; Max-Age=0;"));
    assert_eq!(Browser::on(&port).signed_in("").get("/").await.count("a[href='/login']"), 1);
}

#[tokio::test]
async fn what_went_wrong_is_said_above_the_form_with_the_right_status() {
    let mut problems = Problems::one("email", "can't be blank");
    problems.add("password", "is <short>");
    for (error, status, messages) in [
        (
            Error::Invalid(problems.clone()),
            StatusCode::UNPROCESSABLE_ENTITY,
            vec!["email can't be blank", "password is <short>"],
        ),
        (
            Error::Conflict(Problems::one("username", "has already been taken")),
            StatusCode::CONFLICT,
            vec!["username has already been taken"],
        ),
        (
            Error::Unauthorized(Unauthorized::Credentials),
            StatusCode::UNAUTHORIZED,
            vec!["email or password is invalid"],
        ),
    ] {
        let browser = Browser::on(&failing(&error));
        for address in ["/login", "/register"] {
            let form = format!("username=h%22&email=a%3Cb&password={SECRET}&next=%2Ftag%2Fx");
            let page = browser.post(address, &form).await;
            assert_eq!(page.status, status, "{address}");
            assert_eq!(page.texts("ul.error-messages > li"), messages);
            assert_eq!(page.attr("input[name=email]", "value"), "a<b");
            assert_eq!(page.attr("input[name=next]", "value"), "/tag/x");
            assert_eq!(page.one("input[name=password]").value().attr("value"), None);
            assert!(!page.body.contains(SECRET), "the password must not come back");
            assert_eq!(page.cookie(), None);
            if address == "/register" {
                assert_eq!(page.attr("input[name=username]", "value"), "h\"");
            }
        }
    }
}

#[tokio::test]
async fn an_unreachable_backend_does_not_cost_what_was_typed() {
    let form = "username=hiccup&email=a%40b.example&password=dragon-rider";
    let browser = Browser::on(&failing(&Error::Unavailable(Outcome::NotDone)));
    for address in ["/login", "/register"] {
        let page = browser.post(address, form).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page.header("retry-after"), "5");
        assert_eq!(page.attr("input[name=email]", "value"), "a@b.example");
        assert!(page.text(".error-messages > li").contains("Nothing was changed"));
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_registration_is_not_called_a_failure() {
    let browser = Browser::on(&failing(&Error::Unavailable(Outcome::Unknown)));
    let page = browser.post("/register", "username=hiccup&email=a&password=b").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    let message = page.text(".error-messages > li");
    assert!(message.contains("do not know whether your account was created"), "{message}");
    assert!(message.contains("try to sign in"), "{message}");
    // Signing in changes nothing, so there the difference means nothing.
    let page = browser.post("/login", "email=a&password=b").await;
    assert!(page.text(".error-messages > li").contains("Nothing was changed"));
}

#[tokio::test]
async fn a_fault_of_ours_is_no_fault_of_the_form() {
    let browser = Browser::on(&failing(&Error::Internal("disk on fire".to_owned())));
    let page = browser.post("/login", "email=a&password=b").await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!page.body.contains("disk on fire"));
}

#[tokio::test]
async fn a_token_that_would_break_out_of_the_cookie_is_not_set() {
    let mut script = Script::default();
    script.login.as_mut().unwrap().token = Token::new("x; Domain=evil.example");
    let page = Browser::on(&script).post("/login", "email=a&password=b").await;
    assert_eq!((page.status, page.cookie()), (StatusCode::INTERNAL_SERVER_ERROR, None));
}

#[tokio::test]
async fn a_missing_field_is_blank_and_a_broken_form_gets_a_form_back() {
    let script = failing(&Error::Invalid(Problems::one("email", "can't be blank")));
    let browser = Browser::on(&script);
    let page = browser.post("/login", "password=x").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(script.take_calls(), ["login  x"]);

    for (content_type, body, status) in [
        ("application/json", "{}", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/x-www-form-urlencoded", "email=a&email=b", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let request = Request::post("/login").header(header::CONTENT_TYPE, content_type);
        let page = browser.raw(request, body).await;
        assert_eq!(page.status, status, "{content_type}");
        page.one("nav.navbar");
        assert_eq!(page.text(".error-messages > li"), "the form could not be read");
    }
}

#[tokio::test]
async fn after_signing_in_one_is_where_one_wanted_to_be_but_never_elsewhere() {
    let browser = Browser::on(&Script::default());
    for good in ["/article/how-to-ride", "/tag/c%23?page=2", "/profile/hiccup/favorites", "/"] {
        let form = format!("email=a&password=b&next={}", good.replace('%', "%25"));
        assert_eq!(browser.post("/login", &form).await.header("location"), good);
        assert_eq!(browser.post("/register", &form).await.header("location"), good);
    }
    for evil in [
        "https://evil.example",
        "//evil.example",
        "///evil.example",
        "/%5Cevil.example",
        "/%5C/evil.example",
        "/%09/evil.example",
        "/%0A/evil.example",
        "%09//evil.example",
        "%20//evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/%0D%0ASet-Cookie:%20a=b",
        "/%C3%BC",
        "",
    ] {
        let answer = browser.post("/login", &format!("email=a&password=b&next={evil}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{evil}");
        assert_eq!(answer.header("location"), "/", "{evil}");
        let page = browser.get(&format!("/login?next={evil}")).await;
        assert_eq!(page.count("input[name=next]"), 0, "{evil}");
    }
}

#[tokio::test]
async fn the_other_form_knows_where_to_go_next_too() {
    let page = Browser::on(&Script::default()).get("/login?next=/tag/c%2523").await;
    assert_eq!(page.attr("input[name=next]", "value"), "/tag/c%23");
    page.one(".auth-page a[href='/register?next=%2Ftag%2Fc%2523']");
}

#[tokio::test]
async fn a_form_from_another_site_is_refused() {
    let script = Script::default();
    let browser = Browser::on(&script).signed_in(TOKEN);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "https://conduit.example.evil.example"),
        ("origin", "https://conduit.example:8443"),
        ("origin", "file://conduit.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for address in ["/login", "/register", "/logout"] {
            let request = Request::post(address).header(name, value);
            let page = browser.send(request, "email=a&password=b").await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{address} {name}: {value}");
            assert_eq!(page.cookie(), None);
            page.one("nav.navbar");
        }
    }
    assert!(script.take_calls().iter().all(|call| call == "current_user"), "nothing was done");
}

#[tokio::test]
async fn a_form_of_our_own_and_a_command_line_are_let_through() {
    let browser = Browser::on(&Script::default());
    let http = format!("http://{HOST}");
    let https = format!("https://{}", HOST.to_uppercase());
    for (name, value) in [
        ("origin", http.as_str()),
        ("origin", https.as_str()),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("user-agent", "curl"),
    ] {
        let request = Request::post("/login").header(name, value);
        let answer = browser.send(request, "email=a&password=b").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_bad_session_does_not_get_in_the_way_of_signing_in() {
    let browser = Browser::on(&Script::default()).signed_in("forged");
    let answer = browser.post("/login", "email=a&password=b").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(answer.cookie().unwrap().starts_with("conduit_session=good-token;"));
}
