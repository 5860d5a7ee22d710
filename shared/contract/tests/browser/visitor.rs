//! What somebody can do with a site, and what they can see of it.
//!
//! Whatever a visitor waits for is asked for again and again until it is there; nothing waits for a
//! time. And what is not visible does not exist: tests press and read what people press and read.

use std::time::{Duration, Instant};

use contract::dataset::{PASSWORD, User};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::{WebDriver, WebElement, prelude::WebDriverResult};

use crate::{browser::Scripts, site::Site};

pub(crate) const ENTER: &str = "\u{e007}";

/// How long anything may take to come about.
const LIMIT: Duration = Duration::from_secs(20);

/// The visible elements that match a selector and contain a text.
const FOUND: &str = "
    const [css, text] = arguments;
    const found = [...document.querySelectorAll(css)].filter((element) =>
        element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) &&
        element.getClientRects().length > 0 &&
        element.innerText.includes(text));
";

/// Somebody with a browser in front of a site.
pub(crate) struct Visitor {
    pub(crate) driver: WebDriver,
    pub(crate) site: Site,
    pub(crate) scripts: Scripts,
}

impl Visitor {
    // --- going somewhere

    /// Opens an address of the site.
    pub(crate) async fn open(&self, path: &str) {
        let address = format!("http://{}{path}", self.site.pages.address);
        self.driver.goto(address).await.expect("a page");
    }

    /// The address of the page, without the server's.
    pub(crate) async fn address(&self) -> String {
        self.script("return location.pathname + location.search + location.hash", []).await
    }

    /// Waits until the page of this address is there.
    pub(crate) async fn arrives_at(&self, path: &str) {
        let there = "return document.readyState === 'complete' &&
            location.pathname + location.search + location.hash === arguments[0]";
        self.until(&format!("at {path}"), async || self.ask(there, [json!(path)]).await).await;
    }

    // --- seeing

    /// Waits until something that matches `css` contains `text` (any text, if it is empty).
    pub(crate) async fn sees(&self, css: &str, text: &str) {
        let what = format!("{css} with {text:?}");
        self.until(&what, async || self.ask_found("found.length > 0", css, text).await).await;
    }

    /// Waits until nothing that matches `css` contains `text`.
    pub(crate) async fn misses(&self, css: &str, text: &str) {
        let what = format!("no {css} with {text:?}");
        self.until(&what, async || self.ask_found("found.length === 0", css, text).await).await;
    }

    /// Waits until exactly one thing matches `css` and contains `text`.
    pub(crate) async fn sees_one(&self, css: &str, text: &str) {
        let what = format!("one {css} with {text:?}");
        self.until(&what, async || self.ask_found("found.length === 1", css, text).await).await;
    }

    /// What stands in everything visible that matches `css`.
    pub(crate) async fn texts(&self, css: &str) -> Vec<String> {
        let script = format!("{FOUND} return found.map((element) => element.innerText.trim())");
        self.script(&script, [json!(css), json!("")]).await
    }

    /// How many visible things match `css`.
    pub(crate) async fn count(&self, css: &str) -> usize {
        self.texts(css).await.len()
    }

    /// What a field holds.
    pub(crate) async fn value(&self, css: &str) -> String {
        self.script("return document.querySelector(arguments[0]).value", [json!(css)]).await
    }

    // --- doing

    /// Clicks on the middle of the first thing that matches `css` and contains `text`.
    pub(crate) async fn clicks(&self, css: &str, text: &str) {
        self.sees(css, text).await;
        let element = self.found(css, text).await.expect("what was just there");
        element.click().await.unwrap_or_else(|error| panic!("{css} with {text:?}: {error}"));
    }

    /// Replaces what a field holds.
    pub(crate) async fn fills(&self, css: &str, text: &str) {
        self.sees(css, "").await;
        let field = self.found(css, "").await.expect("what was just there");
        field.clear().await.expect("a field");
        field.send_keys(text).await.expect("a field");
    }

    /// Presses keys, wherever the focus is.
    pub(crate) async fn presses(&self, keys: impl AsRef<str>) {
        let pressed = self.driver.action_chain().send_keys(keys.as_ref()).perform().await;
        pressed.expect("keys");
    }

    /// Fills in the form to sign in, and sends it.
    pub(crate) async fn enters(&self, email: &str, password: &str) {
        self.fills("input[name=email]", email).await;
        self.fills("input[name=password]", password).await;
        self.clicks("button[type=submit]", "Sign in").await;
    }

    /// Signs in as somebody of the dataset, and is on the home page then.
    pub(crate) async fn signs_in(&self, user: &User) {
        self.open("/login").await;
        self.enters(&user.email, PASSWORD).await;
        self.arrives_at("/").await;
    }

    /// Fills in the form to sign up, with the usual password, and sends it.
    pub(crate) async fn joins(&self, username: &str) {
        self.fills("input[name=username]", username).await;
        self.fills("input[name=email]", &format!("{username}@example.com")).await;
        self.fills("input[name=password]", PASSWORD).await;
        self.clicks("button[type=submit]", "Sign up").await;
    }

    /// Opens an account, and is on the home page then.
    pub(crate) async fn signs_up(&self, username: &str) {
        self.open("/register").await;
        self.joins(username).await;
        self.arrives_at("/").await;
    }

    // --- how the tests look behind the page

    /// Runs a script of the test's own, whatever the page's may do.
    pub(crate) async fn script<T: DeserializeOwned>(
        &self,
        script: &str,
        arguments: impl IntoIterator<Item = Value>,
    ) -> T {
        self.try_script(script, arguments).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Whether the page's own script has run: it leaves a place for what it has to say.
    pub(crate) async fn page_has_run_its_script(&self) -> bool {
        self.script("return document.querySelector('body > [role=status]') !== null", []).await
    }

    async fn try_script<T: DeserializeOwned>(
        &self,
        script: &str,
        arguments: impl IntoIterator<Item = Value>,
    ) -> WebDriverResult<T> {
        let arguments: Vec<_> = arguments.into_iter().collect();
        self.driver.execute(script, arguments).await?.convert()
    }

    /// Whether something is so. While one page follows another, nothing is.
    async fn ask(&self, script: &str, arguments: impl IntoIterator<Item = Value>) -> bool {
        self.try_script(script, arguments).await.unwrap_or(false)
    }

    async fn ask_found(&self, condition: &str, css: &str, text: &str) -> bool {
        let complete = "document.readyState !== 'loading'";
        let script = format!("{FOUND} return {complete} && {condition}");
        self.ask(&script, [json!(css), json!(text)]).await
    }

    async fn found(&self, css: &str, text: &str) -> WebDriverResult<WebElement> {
        let arguments = vec![json!(css), json!(text)];
        self.driver.execute(format!("{FOUND} return found[0]"), arguments).await?.element()
    }

    /// Waits until a condition holds.
    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let start = Instant::now();
        while !holds().await {
            if start.elapsed() > LIMIT {
                let address = self.address().await;
                let page: String = self.script("return document.body.innerText", []).await;
                panic!("{}, at {address}: still not {what}. The page:\n{page}", self.site.name);
            }
        }
    }

    /// What the browser has complained about since the last time: failed scripts, violated policies,
    /// missing files.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.expect("a log");
        let serious = log.into_iter().filter(|entry| entry.level == "SEVERE");
        serious.map(|entry| entry.message).collect()
    }

    /// Fails if the browser has complained, except about answers that were to be errors.
    pub(crate) async fn has_no_complaints(&self) {
        let mut complaints = self.complaints().await;
        complaints.retain(|message| !message.contains("the server responded with a status of 4"));
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    /// A command of the Chrome DevTools Protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let answer = self.driver.cdp().send_raw(command, parameters).await;
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }
}
