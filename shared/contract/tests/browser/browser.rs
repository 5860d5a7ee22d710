//! A browser: Chromium without a window, and the driver that presses its keys.

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use contract::postgres::REQUIRE;
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::{
    ChromeCapabilities, ChromiumLikeCapabilities, DesiredCapabilities, LoggingPrefsLogLevel,
    WebDriver,
};

/// How long one command may take. Starting a browser on a busy machine is the longest of them.
const LIMIT: Duration = Duration::from_secs(60);

/// How often to start a driver that finds no port.
const ATTEMPTS: usize = 20;

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scripts {
    On,
    Off,
}

/// A browser that nobody has used before.
pub(crate) struct Browser {
    driver: WebDriver,
    belongings: Belongings,
}

/// What a browser needs and leaves behind; to be dropped after the browser has quit.
pub(crate) struct Belongings {
    chromedriver: Child,
    /// Its profile, and whatever it leaves lying about.
    _folder: TempDir,
}

impl Drop for Belongings {
    fn drop(&mut self) {
        // The browser listens to a pipe from its driver, so it ends with it in any case.
        let _already_gone = self.chromedriver.kill();
        let _already_reaped = self.chromedriver.wait();
    }
}

fn is_installed(program: &str) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

impl Browser {
    /// Starts one. `None` where there is none, which is then said.
    pub(crate) async fn start(scripts: Scripts) -> Option<Self> {
        if !is_installed("chromium") || !is_installed("chromedriver") {
            let required = env::var(REQUIRE).is_ok_and(|value| value == "1");
            assert!(!required, "{REQUIRE}=1, and chromium or chromedriver is not installed");
            println!("ignored: needs chromium and chromedriver");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary directory");
        let (chromedriver, address) = start_chromedriver(folder.path());
        let profile = folder.path().join("profile");
        let belongings = Belongings { chromedriver, _folder: folder };
        let session = WebDriver::builder(address, capabilities(&profile, scripts));
        let driver = session.request_timeout(LIMIT).connect().await.expect("a browser");
        Some(Self { driver, belongings })
    }

    pub(crate) fn into_parts(self) -> (WebDriver, Belongings) {
        (self.driver, self.belongings)
    }
}

/// Starts the driver on a free port, and gives its address. It takes a port that is free for IPv4 and
/// hopes that it is so for IPv6: now and then somebody else has that one, and it is started again.
fn start_chromedriver(folder: &Path) -> (Child, String) {
    let mut started = (0..ATTEMPTS).filter_map(|_| try_chromedriver(folder));
    started.next().expect("chromedriver finds a port")
}

fn try_chromedriver(folder: &Path) -> Option<(Child, String)> {
    let mut child = Command::new("chromedriver")
        .arg("--port=0")
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("chromedriver");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let port = lines.find_map(|line| {
        let line = line.expect("text");
        let (_, port) = line.split_once("started successfully on port ")?;
        Some(port.trim_end_matches('.').to_owned())
    });
    if port.is_none() {
        child.wait().expect("it has ended");
    }
    Some((child, format!("http://127.0.0.1:{}", port?)))
}

fn capabilities(profile: &Path, scripts: Scripts) -> ChromeCapabilities {
    let mut chrome = DesiredCapabilities::chrome();
    let profile = format!("--user-data-dir={}", profile.display());
    for arg in [
        profile.as_str(),
        "--remote-debugging-pipe",
        "--headless",
        "--window-size=1200,900",
        // As on a telephone, where they take no room.
        "--hide-scrollbars",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        // No word to anybody else.
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ] {
        chrome.add_arg(arg).expect("an argument");
    }
    chrome.set_browser_log_level(LoggingPrefsLogLevel::All).expect("a level");
    // A leak check of passwords would put a window of its own over the page.
    let mut preferences = json!({ "profile.password_manager_leak_detection": false });
    if scripts == Scripts::Off {
        preferences["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    chrome.add_experimental_option("prefs", preferences).expect("preferences");
    chrome
}
