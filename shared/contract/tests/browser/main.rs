//! The pages as people meet them: in a browser, over real servers of both architectures.
//!
//! Every test here starts servers and browsers of its own ([`site`], [`browser`]) and does what a
//! visitor does ([`visitor`]). It needs Chromium and its driver, `apt-get install chromium
//! chromium-driver` on Debian; where they are not installed, a test says so and passes, unless
//! `CONDUIT_REQUIRE_ALL=1` makes that a failure.
//!
//! Four more variables: `CONDUIT_BINARIES` names a folder with the three servers (without it, Cargo
//! builds them first), `CONDUIT_AXE` the file `axe.min.js` of the npm package `axe-core`, which
//! knows what keeps people with a disability from using a page, and `CONDUIT_SCREENSHOTS` a folder
//! that is filled with pictures of all pages.

mod accounts;
mod appearance;
mod browser;
mod in_place;
mod keyboard;
mod people;
mod reading;
mod site;
mod trouble;
mod visitor;
mod writing;

use browser::{Browser, Scripts};
use site::Site;
use thirtyfour::error::WebDriverError;
use visitor::Visitor;

/// With and without JavaScript.
const BOTH: [Scripts; 2] = [Scripts::On, Scripts::Off];

/// Runs a test on both architectures, in a new browser on new servers each time.
async fn everywhere(scripts: &[Scripts], test: impl AsyncFn(&Visitor)) {
    for scripts in scripts {
        at(Site::monolith().await, *scripts, &test).await;
        at(Site::split().await, *scripts, &test).await;
    }
}

/// Runs a test on one site.
async fn at(site: Site, scripts: Scripts, test: &impl AsyncFn(&Visitor)) {
    let Some(browser) = Browser::start(scripts).await else { return };
    println!("{} {scripts:?}", site.name);
    let (driver, _belongings) = browser.into_parts();
    let visit = async |driver| {
        let visitor = Visitor { driver, site, scripts };
        visitor.open("/").await;
        assert_eq!(visitor.page_has_run_its_script().await, scripts == Scripts::On);
        test(&visitor).await;
        visitor.has_no_complaints().await;
        Ok::<_, WebDriverError>(())
    };
    driver.run_and_quit(visit).await.expect("a browser that does what it is told");
}
