//! Every page once, as it looks: in the light, in the dark, on a telephone; for people who don't
//! see it, too.

use std::{env, fs, path::PathBuf, sync::OnceLock};

use contract::postgres::REQUIRE;
use serde::Deserialize;
use serde_json::json;

use crate::{
    at,
    browser::Scripts,
    everywhere,
    site::{Site, newest, newest_author, stranger},
    visitor::{ENTER, Visitor},
};

/// The narrowest telephone, in CSS pixels.
const NARROW: u32 = 360;
const WIDE: u32 = 1200;

/// An article with everything that is hard to lay out.
const BODY: &str = "First *things* first, with `code`, a [link](https://example.com) and 👩‍👩‍👧.

# A heading

## Another one

> Somebody else said this, and it took them more than one line to say it, as it often does.

- one
- two
    1. nested

```rust
fn a_line_that_is_longer_than_any_telephone_is_wide() -> Result<(), std::collections::TryReserveError> { Ok(()) }
```

| left | right | a column of figures | another one | and another one |
|------|-------|--------------------:|-------------|-----------------|
| 1 | Donaudampfschifffahrtsgesellschaft | 1000000 | rather | a lot |

כתיבה מימין לשמאל, עם English באמצע.

Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz-RindfleischetikettierungsüberwachungsaufgabenübertragungsgesetzRindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz

---

The end.";

const LONG_WORD: &str = "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz";
const RIGHT_TO_LEFT: &str = "שלום עולם 👋🏽 مرحبا بالعالم";

#[tokio::test]
async fn every_page_can_be_seen_read_and_heard() {
    everywhere(&[Scripts::On], async |visitor| {
        guest(visitor).await;
        writer(visitor).await;
        reader(visitor).await;
        if visitor.site.has_backend() {
            visitor.site.stop_backend();
            visitor.open("/").await;
            visitor.complaints().await;
            look(visitor, "reader-unavailable").await;
        }
    })
    .await;
}

/// The first one to come finds a site without anything.
#[tokio::test]
async fn an_empty_site_can_be_seen_and_filled() {
    at(Site::empty(), Scripts::On, &async |visitor: &Visitor| {
        visitor.open("/").await;
        visitor.sees(".empty-feed-message", "No articles are here... yet.").await;
        visitor.sees(".sidebar", "No tags are here... yet.").await;
        look(visitor, "empty-guest").await;
        visitor.signs_up("founder").await;
        look(visitor, "empty-founder").await;
        visitor.clicks("nav a", "New Article").await;
        visitor.fills("input[name=title]", "The first").await;
        visitor.fills("input[name=description]", "of many").await;
        visitor.fills("textarea[name=body]", "Hello.").await;
        // Typed, and not added with Enter: it is meant all the same.
        visitor.fills("input[name=newtag]", "beginnings").await;
        visitor.clicks("button[type=submit]", "Publish Article").await;
        visitor.sees_one(".article-content p", "Hello.").await;
        look(visitor, "empty-first-article").await;
        visitor.clicks("nav a", "Home").await;
        visitor.arrives_at("/").await;
        visitor.sees_one(".article-preview", "The first").await;
        visitor.sees_one(".sidebar .tag-pill", "beginnings").await;
        look(visitor, "empty-not-any-more").await;
    })
    .await;
}

async fn guest(visitor: &Visitor) {
    visitor.open("/").await;
    look(visitor, "guest-home").await;
    visitor.open("/?page=3").await;
    look(visitor, "guest-home-page-3").await;
    visitor.open("/?page=99").await;
    look(visitor, "guest-home-beyond-the-end").await;
    visitor.open("/tag/nobody-uses-this").await;
    look(visitor, "guest-tag-empty").await;
    visitor.open("/login").await;
    look(visitor, "guest-login").await;
    visitor.enters("somebody@example.com", "wrong").await;
    visitor.sees(".error-messages", "").await;
    look(visitor, "guest-login-refused").await;
    visitor.open("/register").await;
    look(visitor, "guest-register").await;
    visitor.clicks("button[type=submit]", "Sign up").await;
    visitor.sees(".error-messages", "").await;
    look(visitor, "guest-register-refused").await;
    visitor.open(&format!("/article/{}", newest().slug)).await;
    look(visitor, "guest-article").await;
    visitor.open(&format!("/profile/{}", newest_author().username)).await;
    look(visitor, "guest-profile").await;
    visitor.open("/nothing-here").await;
    look(visitor, "guest-not-found").await;
}

async fn writer(visitor: &Visitor) {
    visitor.signs_up(&LONG_WORD[..40]).await;
    look(visitor, "writer-home").await;
    visitor.open("/?feed=following").await;
    look(visitor, "writer-feed-empty").await;
    visitor.open(&format!("/profile/{}", &LONG_WORD[..40])).await;
    look(visitor, "writer-profile-empty").await;
    visitor.open("/editor").await;
    look(visitor, "writer-editor").await;
    for tag in ["emoji 🦀", RIGHT_TO_LEFT, LONG_WORD] {
        visitor.fills("input[name=newtag]", tag).await;
        visitor.presses(ENTER).await;
    }
    visitor.clicks("button[type=submit]", "Publish Article").await;
    visitor.sees(".error-messages", "").await;
    look(visitor, "writer-editor-refused").await;
    visitor.fills("input[name=title]", &format!("{LONG_WORD} and 👩‍👩‍👧")).await;
    visitor.fills("input[name=description]", &format!("{RIGHT_TO_LEFT} {LONG_WORD}")).await;
    let _: () = visitor
        .script("document.querySelector('textarea').value = arguments[0]", [json!(BODY)])
        .await;
    visitor.clicks("button[type=submit]", "Publish Article").await;
    visitor.sees(".article-page h1", "").await;
    look(visitor, "writer-article-published").await;
    for comment in [RIGHT_TO_LEFT, &LONG_WORD.repeat(3), "Two\n\nparagraphs."] {
        visitor.fills(".comment-form textarea", comment).await;
        visitor.clicks(".comment-form button", "Post Comment").await;
        visitor.sees("p.card-text", comment).await;
    }
    visitor.clicks(".comment-form button", "Post Comment").await;
    visitor.sees(".error-messages", "").await;
    look(visitor, "writer-article-comments").await;
    visitor.clicks("a", "Edit Article").await;
    visitor.sees("input[name=title]", "").await;
    look(visitor, "writer-editor-again").await;
    visitor.open("/settings").await;
    look(visitor, "writer-settings").await;
    visitor.fills("textarea[name=bio]", &format!("{RIGHT_TO_LEFT}\n{}", LONG_WORD.repeat(2))).await;
    visitor.fills("input[name=email]", "nonsense").await;
    visitor.clicks("button[type=submit]", "Update Settings").await;
    visitor.sees(".error-messages", "").await;
    look(visitor, "writer-settings-refused").await;
    visitor.fills("input[name=email]", "writer@example.com").await;
    visitor.fills("input[name=image]", "/nothing.svg").await;
    visitor.clicks("button[type=submit]", "Update Settings").await;
    visitor.sees(".profile-page", "").await;
    // The picture can't be loaded.
    visitor.complaints().await;
    look(visitor, "writer-profile-saved").await;
    visitor.complaints().await;
    visitor.open("/jobs").await;
    look(visitor, "writer-jobs").await;
    visitor.clicks("nav button", "Sign out").await;
    visitor.arrives_at("/").await;
    look(visitor, "guest-home-with-everything").await;
    visitor.complaints().await;
}

async fn reader(visitor: &Visitor) {
    let author = newest_author();
    visitor.signs_in(&stranger()).await;
    visitor.open(&format!("/article/{}", newest().slug)).await;
    look(visitor, "reader-article").await;
    visitor.open(&format!("/profile/{}", author.username)).await;
    look(visitor, "reader-profile").await;
    visitor.open(&format!("/profile/{}/favorites", author.username)).await;
    look(visitor, "reader-profile-favorites").await;
    visitor.open("/?feed=following").await;
    look(visitor, "reader-feed").await;
    visitor.open(&format!("/editor/{}", newest().slug)).await;
    look(visitor, "reader-forbidden").await;
    visitor.complaints().await;
}

/// Looks at the page that is open.
async fn look(visitor: &Visitor, name: &str) {
    for scheme in ["light", "dark"] {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" }]);
        visitor.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
        is_accessible(visitor, &format!("{name}, {scheme}")).await;
        resize(visitor, NARROW, 740).await;
        fits(visitor, name).await;
        picture(visitor, &format!("{name}-{scheme}-narrow"), NARROW).await;
        resize(visitor, WIDE, 900).await;
        picture(visitor, &format!("{name}-{scheme}"), WIDE).await;
    }
    visitor.has_no_complaints().await;
}

async fn resize(visitor: &Visitor, width: u32, height: u32) {
    let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
    visitor.devtools("Emulation.setDeviceMetricsOverride", size).await;
}

/// Nothing is reached by scrolling sideways only, and nothing is beyond the edge.
async fn fits(visitor: &Visitor, name: &str) {
    let beyond: Vec<String> = visitor
        .script(
            "if (document.documentElement.scrollWidth > innerWidth) return ['the page'];
             const scrolls = (e) => e && (['auto', 'scroll'].includes(getComputedStyle(e).overflowX) ||
                 scrolls(e.parentElement));
             return [...document.querySelectorAll('body *:not(.visually-hidden, .skip-link)')]
                 .filter((e) => !scrolls(e) && e.getBoundingClientRect().right > innerWidth + 1)
                 .map((e) => e.outerHTML);",
            [],
        )
        .await;
    assert!(beyond.is_empty(), "{name}: {beyond:#?}");
}

/// A rule that a page breaks.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "read by whoever reads the failed test")]
struct Violation {
    id: String,
    help: String,
    nodes: Vec<String>,
}

/// Asks axe-core, where it is at hand.
async fn is_accessible(visitor: &Visitor, name: &str) {
    let Some(axe) = axe() else { return };
    let _: () = visitor.script(axe, []).await;
    let violations = visitor.driver.execute_async(RUN_AXE, vec![]).await.expect("axe");
    let violations: Vec<Violation> = violations.convert().expect("violations");
    assert!(violations.is_empty(), "{name}: {violations:#?}");
}

const RUN_AXE: &str = "
    const done = arguments[0];
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const nodes = (violation) => violation.nodes.map((node) => node.html + node.failureSummary);
    axe.run({ runOnly: tags, resultTypes: ['violations'] }).then(
        ({ violations }) => done(violations.map((v) => ({ id: v.id, help: v.help, nodes: nodes(v) }))),
        (error) => done([{ id: 'axe', help: String(error), nodes: [] }]));
";

fn axe() -> Option<&'static str> {
    static AXE: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let Some(path) = env::var_os("CONDUIT_AXE") else {
            let required = env::var(REQUIRE).is_ok_and(|value| value == "1");
            assert!(!required, "{REQUIRE}=1, and CONDUIT_AXE does not name axe.min.js");
            println!("ignored: needs axe-core, its axe.min.js named by CONDUIT_AXE");
            return None;
        };
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
        Some(fs::read_to_string(path).expect("axe.min.js"))
    };
    AXE.get_or_init(read).as_deref()
}

/// Takes a picture of the whole page, if somebody wants to look at it.
async fn picture(visitor: &Visitor, name: &str, width: u32) {
    let Some(folder) = env::var_os("CONDUIT_SCREENSHOTS") else { return };
    let folder = PathBuf::from(folder).join(visitor.site.name);
    fs::create_dir_all(&folder).expect("a folder");
    let height = visitor.script("return document.documentElement.scrollHeight", []).await;
    resize(visitor, width, height).await;
    visitor.driver.screenshot(&folder.join(format!("{name}.png"))).await.expect("a picture");
}
