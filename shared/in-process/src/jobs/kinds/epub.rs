//! A book of articles in the format that e-book readers read: EPUB 3.3 (W3C), a ZIP archive of
//! chapters in XHTML with a list of them.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::zip::{Entry, Piece, TooLong};

const CONTAINER: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="book/book.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>
"#;

/// One article.
pub(crate) struct Chapter {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) description: String,
    /// In Markdown.
    pub(crate) body: String,
    /// When it was published, as the book shows it.
    pub(crate) date: String,
    pub(crate) tags: Vec<String>,
}

/// The book as a whole.
pub(crate) struct Book {
    /// The same for the same export, and for no other.
    pub(crate) identifier: String,
    pub(crate) author: String,
    /// When it was asked for: RFC 3339, in whole seconds.
    pub(crate) modified: String,
}

/// What an archive has to begin with to be recognised as a book.
pub(crate) fn begin(piece: &mut Piece) -> Result<(), TooLong> {
    piece.store("mimetype", b"application/epub+zip")?;
    piece.deflate("META-INF/container.xml", None, CONTAINER.as_bytes())
}

/// Adds a chapter.
pub(crate) fn chapter(piece: &mut Piece, chapter: &Chapter) -> Result<(), TooLong> {
    let title = text(&chapter.title);
    let tags = text(&chapter.tags.join(", "));
    let (description, date) = (text(&chapter.description), text(&chapter.date));
    let body = xhtml(&chapter.body);
    let page = page(
        &title,
        &format!(
            "<h1>{title}</h1>\n<p><em>{description}</em></p>\n<p>{date}</p>\n{body}\n<p>{tags}</p>"
        ),
    );
    let name = format!("book/{}.xhtml", chapter.id);
    piece.deflate(&name, Some(chapter.title.clone()), page.as_bytes())
}

/// Adds what needs to know all chapters, and ends the archive. `entries` are those of all pieces
/// before.
pub(crate) fn end(piece: &mut Piece, book: &Book, mut entries: Vec<Entry>) -> Result<(), TooLong> {
    let chapters: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            let file = entry.name.strip_prefix("book/")?;
            Some((file.to_owned(), text(entry.title.as_deref()?)))
        })
        .collect();
    piece.deflate("book/contents.xhtml", None, contents(&chapters).as_bytes())?;
    piece.deflate("book/book.opf", None, package(book, &chapters).as_bytes())?;
    entries.append(&mut piece.entries.clone());
    piece.finish(&entries)
}

fn contents(chapters: &[(String, String)]) -> String {
    let lines: String = chapters
        .iter()
        .map(|(file, title)| format!("<li><a href=\"{file}\">{title}</a></li>\n"))
        .collect();
    // A list of contents must not be empty.
    let lines = if lines.is_empty() { "<li><span>No articles</span></li>\n".into() } else { lines };
    page("Contents", &format!("<nav epub:type=\"toc\"><h1>Contents</h1><ol>\n{lines}</ol></nav>"))
}

fn package(book: &Book, chapters: &[(String, String)]) -> String {
    let id = |file: &str| format!("c{}", file.trim_end_matches(".xhtml"));
    let media = "media-type=\"application/xhtml+xml\"";
    let items: String = chapters
        .iter()
        .map(|(file, _)| format!("<item id=\"{}\" href=\"{file}\" {media}/>\n", id(file)))
        .collect();
    let order: String =
        chapters.iter().map(|(file, _)| format!("<itemref idref=\"{}\"/>\n", id(file))).collect();
    let author = text(&book.author);
    let (identifier, modified) = (&book.identifier, &book.modified);
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="id">{identifier}</dc:identifier>
<dc:title>Articles by {author}</dc:title>
<dc:creator>{author}</dc:creator>
<dc:language>und</dc:language>
<meta property="dcterms:modified">{modified}</meta>
</metadata>
<manifest>
<item id="contents" href="contents.xhtml" {media} properties="nav"/>
{items}</manifest>
<spine>
<itemref idref="contents"/>
{order}</spine>
</package>
"#
    )
}

fn page(title: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops">
<head><title>{title}</title></head>
<body>
{body}
</body>
</html>
"#
    )
}

/// Markdown as XHTML that is well-formed whatever the author wrote: their own HTML is shown as text,
/// and a picture becomes a link to it, because a book must not need a network. Of a link that leads
/// nowhere, or that is within another one, only the text is left.
fn xhtml(markdown: &str) -> String {
    let markdown = legal(markdown);
    // Of each link and picture that we are in, whether it is a link of the book.
    let mut around = Vec::new();
    let events = Parser::new_ext(&markdown, Options::empty()).filter_map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Some(Event::Text(html)),
        Event::Start(
            Tag::Link { link_type, dest_url, title, id }
            | Tag::Image { link_type, dest_url, title, id },
        ) => {
            let is_link = !around.contains(&true) && is_on_the_web(&dest_url);
            around.push(is_link);
            is_link.then_some(Event::Start(Tag::Link { link_type, dest_url, title, id }))
        }
        Event::End(TagEnd::Link | TagEnd::Image) => {
            around.pop().unwrap_or(false).then_some(Event::End(TagEnd::Link))
        }
        other => Some(other),
    });
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events);
    html
}

/// Whether a link may lead there: to a well-formed address (RFC 3986) on the web, because a book has
/// no other pages of this site. Letters and signs that an address can't hold are escaped when it is
/// written; what stands for something else, or for nothing, can't be.
fn is_on_the_web(address: &str) -> bool {
    let scheme = |name| address.strip_prefix(name);
    let Some(rest) = scheme("https://").or_else(|| scheme("http://")) else { return false };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let is_escape = |after: &str| {
        after.get(..2).is_some_and(|code| code.bytes().all(|digit| digit.is_ascii_hexdigit()))
    };
    !host.is_empty()
        && host.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.'))
        && port.bytes().all(|digit| digit.is_ascii_digit())
        && path.matches('#').count() <= 1
        && !path.contains(['[', ']', '^', '\\'])
        && path.split('%').skip(1).all(is_escape)
}

/// Plain text in XML.
fn text(plain: &str) -> String {
    let mut escaped = String::with_capacity(plain.len());
    for letter in legal(plain).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Without the characters that XML can't hold, escaped or not (XML 1.0, section 2.2).
fn legal(text: &str) -> String {
    let is_legal = |letter: &char| {
        matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
            || *letter >= '\u{10000}'
    };
    text.chars().filter(is_legal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_an_author_writes_breaks_a_chapter() {
        let html = xhtml(
            "<b>bold\n\n![alt & more](https://e.com/p.png)\n\n<script>\nx\n</script>\n\u{0} \u{fffe} a\n\n[x](javascript:alert(1)) ***\n\n---\n\na  \nb",
        );
        assert!(!html.contains("<b>") && !html.contains("<script") && !html.contains("<img"));
        assert!(!html.contains("javascript:"));
        assert!(!html.contains('\u{0}') && !html.contains('\u{fffe}'));
        assert!(html.contains("<a href=\"https://e.com/p.png\">alt &amp; more</a>"), "{html}");
        assert!(html.contains("<hr />") && html.contains("<br />"), "{html}");
    }

    #[test]
    fn a_link_leads_somewhere_or_is_text() {
        for good in ["https://e.com", "http://e.com:80/a%20b?c=d&e#f", "https://e.com/ä b#c"] {
            assert!(is_on_the_web(good), "{good}");
        }
        for bad in [
            "",
            "/article/x",
            "mailto:a@b.c",
            "https://",
            "https:///x",
            "http://[::1",
            "https://e.com/[x]",
            "https://e.com/%zz",
            "https://e.com/%e",
            "https://e.com/#a#b",
            "https://e.com/^",
            "https://me@e.com/",
            // Readers don't agree on how to write this one.
            "https://müller.de",
        ] {
            assert!(!is_on_the_web(bad), "{bad}");
        }
        assert_eq!(xhtml("[*a*](/x)"), "<p><em>a</em></p>\n");
        assert_eq!(
            xhtml("[a ![b](https://e.com/b)](https://e.com) ![c](https://e.com/c)"),
            "<p><a href=\"https://e.com\">a b</a> <a href=\"https://e.com/c\">c</a></p>\n"
        );
    }

    #[test]
    fn a_title_is_text() {
        assert_eq!(text("<&\">\u{b}"), "&lt;&amp;&quot;&gt;");
    }
}
