//! The pages without a mouse.

use contract::dataset::PASSWORD;
use serde_json::json;
use thirtyfour::Key;

use crate::{
    BOTH,
    browser::Scripts,
    everywhere,
    site::{newest, person},
    visitor::{ENTER, Visitor},
};

const TAB: &str = "\u{e004}";
const SPACE: &str = " ";

/// Goes on with Tab until the focus is on what matches `css`. At each step the focus has to be seen.
async fn tab_to(visitor: &Visitor, css: &str) {
    for _ in 0..80 {
        visitor.presses(TAB).await;
        let (there, seen, what): (bool, bool, String) = visitor.script(FOCUS, [json!(css)]).await;
        assert!(seen, "the focus can't be seen on {what}");
        if there {
            return;
        }
    }
    panic!("no way to {css} with Tab");
}

/// Whether the focus is on what matches; whether it is visible; and on what it is.
const FOCUS: &str = "
    const element = document.activeElement;
    if (element === document.body) return [false, true, 'the browser'];
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    const inView = box.width > 1 && box.height > 1 && box.right > 0 && box.left < innerWidth &&
        box.bottom > 0 && box.top < innerHeight;
    return [element.matches(arguments[0]), outlined && inView, element.outerHTML];
";

/// Goes one step back, with Shift and Tab.
async fn back(visitor: &Visitor) {
    let keys = visitor.driver.action_chain().key_down(Key::Shift).send_keys(Key::Tab);
    keys.key_up(Key::Shift).perform().await.expect("keys");
}

async fn has_focus(visitor: &Visitor, css: &str) {
    let on = async || {
        visitor.script("return document.activeElement.matches(arguments[0])", [json!(css)]).await
    };
    visitor.until(&format!("the focus on {css}"), on).await;
}

#[tokio::test]
async fn the_navigation_can_be_skipped() {
    everywhere(&BOTH, async |visitor| {
        visitor.open("/").await;
        visitor.presses(TAB).await;
        has_focus(visitor, ".skip-link").await;
        visitor.sees(".skip-link", "Skip to the content").await;
        visitor.presses(ENTER).await;
        visitor.arrives_at("/#content").await;
        tab_to(visitor, "main a").await;
        has_focus(visitor, ".feed-toggle .nav-link").await;
    })
    .await;
}

#[tokio::test]
async fn an_article_is_written_and_liked_with_the_keyboard_alone() {
    everywhere(&BOTH, async |visitor| {
        visitor.open("/").await;
        tab_to(visitor, "nav a[href='/login']").await;
        visitor.presses(ENTER).await;
        visitor.arrives_at("/login").await;
        tab_to(visitor, "input[name=email]").await;
        visitor.presses(person(0).email).await;
        tab_to(visitor, "input[name=password]").await;
        visitor.presses(PASSWORD).await;
        visitor.presses(ENTER).await;
        visitor.arrives_at("/").await;

        tab_to(visitor, "nav a[href='/editor']").await;
        visitor.presses(ENTER).await;
        visitor.arrives_at("/editor").await;
        // One field after the other; the button that nobody sees is not among them.
        tab_to(visitor, "main :is(a, button, input, textarea)").await;
        has_focus(visitor, "input[name=title]").await;
        visitor.presses("By keyboard").await;
        visitor.presses(TAB).await;
        has_focus(visitor, "input[name=description]").await;
        visitor.presses("No mouse").await;
        visitor.presses(TAB).await;
        has_focus(visitor, "textarea[name=body]").await;
        visitor.presses("Two\nlines").await;
        for tag in ["one", "two"] {
            if visitor.scripts == Scripts::Off || tag == "one" {
                tab_to(visitor, "input[name=newtag]").await;
            }
            visitor.presses(tag).await;
            visitor.presses(ENTER).await;
            visitor.sees(".tag-pill", tag).await;
        }
        tab_to(visitor, ".tag-remove").await;
        visitor.presses(SPACE).await;
        visitor.misses(".tag-pill", "one").await;
        tab_to(visitor, "button[value=publish]").await;
        visitor.presses(ENTER).await;
        visitor.sees_one("h1", "By keyboard").await;
        assert_eq!(visitor.texts(".tag-list .tag-default").await, ["two"]);

        tab_to(visitor, "main button:has(.ion-trash-a)").await;
        visitor.presses(SPACE).await;
        visitor.arrives_at("/").await;
    })
    .await;
}

#[tokio::test]
async fn the_focus_stays_where_something_has_changed() {
    everywhere(&[Scripts::On], async |visitor| {
        visitor.signs_up("reader").await;
        visitor.open("/").await;
        tab_to(visitor, "button:has(.ion-heart)").await;
        for pressed in [".btn-primary", ".btn-outline-primary", ".btn-primary"] {
            visitor.presses(SPACE).await;
            visitor.sees(&format!(".article-preview:nth-of-type(2) button{pressed}"), "").await;
            let answered = "return !document.querySelector('[aria-busy]')";
            visitor.until("an answer", async || visitor.script(answered, []).await).await;
            has_focus(visitor, &format!("button{pressed}:has(.ion-heart)")).await;
        }

        visitor.open(&format!("/article/{}", newest().slug)).await;
        tab_to(visitor, ".banner button:has(.ion-plus-round)").await;
        visitor.presses(ENTER).await;
        visitor.sees(".banner button", "Unfollow").await;
        has_focus(visitor, ".banner button:has(.ion-plus-round)").await;

        tab_to(visitor, ".comment-form textarea").await;
        for comment in ["first", "second"] {
            visitor.presses(comment).await;
            tab_to(visitor, ".comment-form button").await;
            visitor.presses(ENTER).await;
            visitor.sees("p.card-text", comment).await;
            has_focus(visitor, ".comment-form button").await;
            back(visitor).await;
            has_focus(visitor, ".comment-form textarea").await;
        }
        // The one after the deleted one comes next, and at the end what is left.
        tab_to(visitor, ".mod-options button").await;
        visitor.presses(ENTER).await;
        visitor.until("one left", async || visitor.count(".mod-options").await == 1).await;
        has_focus(visitor, "main a, main button").await;
    })
    .await;
}
