//! An article's text: Markdown in, HTML out that can't do any harm.
//!
//! Markdown may contain HTML, and its links may lead anywhere. So the result is cleaned as if
//! it were HTML from a stranger, which it is: the only defence that does not depend on knowing
//! every trick.

use std::sync::LazyLock;

use ammonia::Builder;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// Built once: the lists of what is allowed are long.
static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = Builder::default();
    cleaner
        // The layout has one of each, and nothing in an article may pass for it.
        .rm_tags(["nav", "header", "footer"])
        // What language a block of code is in, and no other class.
        .add_tag_attributes("code", ["class"])
        // Those two may be wider than the page. The keyboard must be able to scroll them.
        .set_tag_attribute_value("pre", "tabindex", "0")
        .set_tag_attribute_value("table", "tabindex", "0")
        .attribute_filter(|tag, attribute, value| match (tag, attribute) {
            ("code", "class") => value.starts_with("language-").then(|| value.into()),
            _ => Some(value.into()),
        });
    cleaner
});

/// How deep quotes, lists and emphasis may stand inside each other. Nobody writes that deep, and
/// the time it takes to clean a text grows with the square of its depth.
const MAX_DEPTH: usize = 32;

/// How many HTML tags a text may bring along, for the same reason. The rest is shown as written.
const MAX_RAW_TAGS: usize = 500;

/// Renders and cleans.
///
/// To clean a text takes ten times as long as to render it, because all of it is read again as HTML.
/// A text that is made of nothing but [`is_plain`] parts is clean by construction, and is spared that.
pub(crate) fn to_html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let events: Vec<Event<'_>> = Parser::new_ext(markdown, options).collect();
    let mut limits = Limits { depth: 0, raw_tags: 0, highest: highest_heading(&events) };
    let events: Vec<_> = events.into_iter().filter_map(|event| limits.apply(event)).collect();
    let mut html = String::with_capacity(markdown.len() * 3 / 2);
    if events.iter().all(is_plain) {
        html::push_html(&mut html, events.into_iter().map(completed));
        return html;
    }
    html::push_html(&mut html, events.into_iter());
    CLEANER.clean(&html).to_string()
}

/// Whether a part becomes a tag without attributes of its writer's making, or escaped text. What is
/// not certain is not plain.
fn is_plain(event: &Event<'_>) -> bool {
    match event {
        Event::Text(_) | Event::Code(_) | Event::SoftBreak | Event::HardBreak | Event::Rule => true,
        Event::Start(tag) => match tag {
            Tag::Heading { id, classes, attrs, .. } => {
                id.is_none() && classes.is_empty() && attrs.is_empty()
            }
            Tag::CodeBlock(CodeBlockKind::Fenced(language)) => {
                language.bytes().all(|b| b.is_ascii_alphanumeric())
            }
            Tag::Link { dest_url, title, .. } => title.is_empty() && is_plain_address(dest_url),
            Tag::Paragraph
            | Tag::BlockQuote(None)
            | Tag::CodeBlock(CodeBlockKind::Indented)
            | Tag::List(_)
            | Tag::Item
            | Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough => true,
            _ => false,
        },
        // It was plain if its beginning was.
        Event::End(_) => true,
        _ => false,
    }
}

/// Whether an address leads to another page, and consists of characters that mean nothing in HTML.
fn is_plain_address(address: &str) -> bool {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#@!$*+,;=%".contains(&b);
    rest.is_some_and(|rest| rest.bytes().all(harmless))
}

/// What the cleaner would add: a link does not hand over the window that it was opened from, and the
/// keyboard can scroll a block of code.
fn completed(event: Event<'_>) -> Event<'_> {
    let html = match event {
        Event::Start(Tag::Link { dest_url, .. }) => {
            format!(r#"<a href="{dest_url}" rel="noopener noreferrer">"#)
        }
        Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if !language.is_empty() => {
            format!(r#"<pre tabindex="0"><code class="language-{language}">"#)
        }
        Event::Start(Tag::CodeBlock(_)) => r#"<pre tabindex="0"><code>"#.to_owned(),
        other => return other,
    };
    Event::InlineHtml(html.into())
}

/// The level of the most important headings in a text: 1 for `#`.
fn highest_heading(events: &[Event<'_>]) -> usize {
    let level = |event: &Event<'_>| match event {
        Event::Start(Tag::Heading { level, .. }) => Some(*level as usize),
        _ => None,
    };
    events.iter().filter_map(level).min().unwrap_or(1)
}

/// What has been seen of a text so far.
struct Limits {
    depth: usize,
    raw_tags: usize,
    highest: usize,
}

impl Limits {
    fn apply<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        match event {
            Event::Start(tag) => {
                self.depth += 1;
                (self.depth <= MAX_DEPTH).then(|| Event::Start(self.headed(tag)))
            }
            Event::End(tag) => {
                self.depth -= 1;
                let tag = match tag {
                    TagEnd::Heading(level) => TagEnd::Heading(self.level(level)),
                    other => other,
                };
                (self.depth < MAX_DEPTH).then_some(Event::End(tag))
            }
            Event::Html(text) | Event::InlineHtml(text) => {
                self.raw_tags += text.matches('<').count();
                let few = self.raw_tags <= MAX_RAW_TAGS;
                Some(if few { Event::Html(text) } else { Event::Text(text) })
            }
            other => Some(other),
        }
    }

    fn headed<'a>(&self, tag: Tag<'a>) -> Tag<'a> {
        match tag {
            Tag::Heading { level, id, classes, attrs } => {
                Tag::Heading { level: self.level(level), id, classes, attrs }
            }
            other => other,
        }
    }

    /// Who writes `#` gets a heading of the first level, as every Conduit shows it. Otherwise the
    /// headings come right below the title, also if the author begins with `###`: to somebody who
    /// hears the page, a level that is left out sounds like a part that is missing.
    fn level(&self, level: HeadingLevel) -> HeadingLevel {
        match self.highest {
            1 => level,
            highest => {
                let below = level as usize - highest + 2;
                HeadingLevel::try_from(below).unwrap_or(HeadingLevel::H6)
            }
        }
    }
}

#[cfg(test)]
#[path = "markdown_tests.rs"]
mod tests;
