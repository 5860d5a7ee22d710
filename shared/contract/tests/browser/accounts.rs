//! Accounts: opened, entered, left, changed.

use contract::dataset::PASSWORD;

use crate::{
    BOTH, everywhere,
    site::{newest, person},
    visitor::ENTER,
};

#[tokio::test]
async fn an_account_is_opened_left_and_entered_again() {
    everywhere(&BOTH, async |visitor| {
        visitor.signs_up("newcomer").await;
        for link in ["/profile/newcomer", "/editor", "/settings"] {
            visitor.sees_one(&format!("a[href='{link}']"), "").await;
        }
        assert_eq!(visitor.texts("nav a[href^='/profile/']").await, ["newcomer"]);
        visitor.driver.refresh().await.expect("the same page");
        visitor.sees("nav", "newcomer").await;

        // The way out that everybody knows by heart, then the one at hand.
        visitor.clicks("nav a", "Settings").await;
        visitor.arrives_at("/settings").await;
        visitor.clicks("button.btn-outline-danger", "Or click here to logout.").await;
        visitor.arrives_at("/").await;
        visitor.sees_one("a[href='/login']", "Sign in").await;
        visitor.misses("nav a[href^='/profile/']", "").await;

        visitor.clicks("nav a", "Sign in").await;
        visitor.arrives_at("/login").await;
        visitor.fills("input[name=email]", "newcomer@example.com").await;
        visitor.fills("input[name=password]", PASSWORD).await;
        visitor.presses(ENTER).await;
        visitor.arrives_at("/").await;
        visitor.sees("nav", "newcomer").await;
        visitor.clicks("nav button", "Sign out").await;
        visitor.sees_one("a[href='/login']", "Sign in").await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_form_says_why_and_keeps_what_was_typed() {
    everywhere(&BOTH, async |visitor| {
        let somebody = person(0);
        visitor.open("/login").await;
        visitor.enters(&somebody.email, "not the password").await;
        visitor.sees(".error-messages li", "").await;
        assert_eq!(visitor.address().await, "/login");
        assert_eq!(visitor.value("input[name=email]").await, somebody.email);
        assert_eq!(visitor.value("input[name=password]").await, "");

        visitor.open("/register").await;
        visitor.misses(".error-messages", "").await;
        visitor.fills("input[name=username]", &somebody.username).await;
        visitor.fills("input[name=email]", "not an address").await;
        visitor.clicks("button[type=submit]", "Sign up").await;
        visitor.sees(".error-messages li", "email").await;
        assert_eq!(visitor.address().await, "/register");
        assert_eq!(visitor.value("input[name=username]").await, somebody.username);
        visitor.fills("input[name=email]", "new@example.com").await;
        visitor.fills("input[name=password]", PASSWORD).await;
        visitor.clicks("button[type=submit]", "Sign up").await;
        visitor.sees(".error-messages li", "username").await;
        visitor.misses("nav a[href^='/profile/']", "").await;
    })
    .await;
}

#[tokio::test]
async fn guests_are_asked_to_sign_in_and_then_led_back() {
    everywhere(&BOTH, async |visitor| {
        visitor.open("/?feed=following").await;
        visitor.arrives_at("/login").await;

        visitor.open("/settings").await;
        visitor.sees("h1", "Sign in").await;
        assert!(visitor.address().await.starts_with("/login?next="));
        visitor.enters(&person(0).email, PASSWORD).await;
        visitor.arrives_at("/settings").await;

        visitor.clicks("nav button", "Sign out").await;
        visitor.arrives_at("/").await;
        visitor.open("/editor").await;
        visitor.sees("h1", "Sign in").await;

        // From a guest's wish to comment, by way of opening an account.
        let article = format!("/article/{}", newest().slug);
        visitor.open(&article).await;
        visitor.sees_one("a[href='/login']", "").await;
        visitor.misses(".comment-form", "").await;
        visitor.clicks(".sign-in-prompt a", "sign up").await;
        visitor.sees("h1", "Sign up").await;
        visitor.joins("talker").await;
        visitor.sees(".comment-form", "").await;
        assert_eq!(visitor.address().await, encoded(&article));
    })
    .await;
}

/// A path as the browser shows it to scripts.
fn encoded(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let encode =
        |byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(encode).collect()
}

#[tokio::test]
async fn settings_are_changed_and_a_blank_password_stays_as_it_is() {
    everywhere(&BOTH, async |visitor| {
        visitor.signs_up("somebody").await;
        visitor.open("/settings").await;
        assert_eq!(visitor.value("input[name=image]").await, "");
        assert_eq!(visitor.value("textarea[name=bio]").await, "");
        assert_eq!(visitor.value("input[name=email]").await, "somebody@example.com");
        visitor.fills("input[name=username]", "someone else").await;
        visitor.fills("textarea[name=bio]", "Two lines,\nno less.").await;
        visitor.fills("input[name=image]", "https://127.0.0.1:1/nobody.svg").await;
        visitor.clicks("button[type=submit]", "Update Settings").await;
        visitor.arrives_at("/profile/someone%20else").await;
        visitor.sees("[role=status]", "Your changes are saved.").await;
        assert_eq!(visitor.texts(".user-info p").await, ["Two lines,\nno less."]);
        assert_eq!(visitor.texts("h4").await, ["someone else"]);
        // The picture can't be loaded, and is there all the same.
        visitor.sees("img.user-img[src='https://127.0.0.1:1/nobody.svg']", "").await;
        let sizes: Vec<(f64, f64)> = visitor
            .script(
                "return ['.user-img', '.user-pic'].map((css) => {
                    const box = document.querySelector(css).getBoundingClientRect();
                    return [box.width, box.height];
                })",
                [],
            )
            .await;
        assert_eq!(sizes, [(100.0, 100.0), (26.0, 26.0)]);
        // It was worth a complaint of the browser.
        visitor.complaints().await;

        // Said once.
        visitor.driver.refresh().await.expect("the same page");
        visitor.sees("h4", "someone else").await;
        visitor.misses("[role=status]", "Your changes").await;

        visitor.clicks("a", "Edit Profile Settings").await;
        visitor.arrives_at("/settings").await;
        assert_eq!(visitor.value("textarea[name=bio]").await, "Two lines,\nno less.");
        visitor.fills("textarea[name=bio]", "").await;
        visitor.fills("input[name=image]", "").await;
        visitor.clicks("button[type=submit]", "Update Settings").await;
        visitor.arrives_at("/profile/someone%20else").await;
        let bio: Vec<String> = visitor
            .script(
                "return [...document.querySelectorAll('.user-info p')].map(p => p.innerText)",
                [],
            )
            .await;
        assert_eq!(bio, [""]);
        visitor.sees("img.user-img[src*='default-avatar.svg']", "").await;
        visitor.complaints().await;

        visitor.open("/settings").await;
        visitor.fills("input[name=username]", &person(0).username).await;
        visitor.clicks("button[type=submit]", "Update Settings").await;
        visitor.sees(".error-messages li", "username").await;
        assert_eq!(visitor.address().await, "/settings");

        visitor.clicks("nav button", "Sign out").await;
        visitor.arrives_at("/").await;
        visitor.open("/login").await;
        visitor.enters("somebody@example.com", PASSWORD).await;
        visitor.arrives_at("/").await;
    })
    .await;
}
