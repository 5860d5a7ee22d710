use contract::dataset::{Dataset, Size};

use super::{CLEANER, MAX_DEPTH, MAX_RAW_TAGS, Options, Parser, html, is_plain, to_html};

#[test]
fn one_paragraph_is_one_p() {
    assert_eq!(to_html("Hello *there*.").trim(), "<p>Hello <em>there</em>.</p>");
}

#[test]
fn code_keeps_its_language_and_its_angles() {
    let html = to_html("```rust\nfn id<T>(t: T) -> T { t }\n```\n");
    assert!(html.contains(r#"<code class="language-rust">"#), "{html}");
    assert!(html.contains("id&lt;T&gt;"), "{html}");
}

#[test]
fn no_other_class_gets_through() {
    let html = to_html(r#"<code class="navbar">x</code> <span class="navbar">y</span>"#);
    assert!(!html.contains("class"), "{html}");
}

#[test]
fn headings_have_the_level_that_they_were_given() {
    let html = to_html("# One\n\n## Two\n\n###### Six\n\n<h1>raw</h1>\n");
    for part in ["<h1>One</h1>", "<h2>Two</h2>", "<h6>Six</h6>", "<h1>raw</h1>"] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn an_author_may_leave_the_first_level_to_the_title() {
    let html = to_html("### Three\n\n##### Five\n\n###### Six\n");
    for part in ["<h2>Three</h2>", "<h4>Five</h4>", "<h5>Six</h5>"] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

/// They scroll by themselves where they are wider than the page.
#[test]
fn the_keyboard_reaches_what_is_wide() {
    let html = to_html("| a |\n|---|\n| 1 |\n\n```\ncode\n```\n");
    for part in [r#"<table tabindex="0">"#, r#"<pre tabindex="0">"#] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn tables_and_strikethrough_are_understood() {
    let html = to_html("| a | b |\n|---|--:|\n| 1 | ~~2~~ |\n");
    for part in ["<table ", "<th>a</th>", "<td>1</td>", "<del>2</del>"] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn nothing_executable_survives() {
    let attacks = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "[click](JaVaScRiPt:alert(1))",
        "[click](data:text/html;base64,PHNjcmlwdD4=)",
        "<svg onload=alert(1)>",
        "<iframe src=\"//evil.example\"></iframe>",
        "<style>body{display:none}</style>",
        "<p style=\"position:fixed\">x</p>",
        "<form action=/logout method=post><button>x</button></form>",
        "<base href=//evil.example>",
        "<nav><a href=\"/profile/somebody\">me</a></nav>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "```\n</code></pre><script>alert(1)</script>\n```",
    ];
    for attack in attacks {
        let html = to_html(attack).to_lowercase();
        let bad = [
            "<script",
            "<svg",
            "<iframe",
            "<style",
            "<form",
            "<button",
            "<base",
            "<nav",
            "<math",
            "style=",
            "href=\"javascript",
            "href=\"data",
            "src=\"javascript",
        ];
        for part in bad {
            assert!(!html.contains(part), "{attack} became {html}");
        }
        // As an attribute; as text it is harmless.
        assert!(!html.contains(" onerror=") || html.contains("&lt;img"), "{attack}: {html}");
    }
}

#[test]
fn links_do_not_hand_over_the_window() {
    let html = to_html("[x](https://a.example/?a=1&b=2)");
    assert!(html.contains(r#"href="https://a.example/?a=1&amp;b=2""#), "{html}");
    assert!(html.contains("noopener"), "{html}");
}

/// Texts as long as a body may be, and as deep as that allows. Without limits each of them would
/// keep a core busy for seconds, at every visit of the page.
#[test]
fn depth_is_bounded() {
    let most = 64 * 1024;
    for unit in [">", "\n> - ", "*a _b ", "[", "![", "`", "<b>", "<div>", "<b>a</i>", "<!--"] {
        let html = to_html(&unit.repeat(most / unit.len()));
        for tag in ["<blockquote>", "<ul>", "<b>", "<div>", "<em>"] {
            // Tags that are left open are opened again in the next block: a few more.
            let count = html.matches(tag).count();
            assert!(count <= MAX_RAW_TAGS + 5, "{unit:?}: {count} times {tag}");
        }
    }
    let quoted = to_html(&format!("{} deep\n", ">".repeat(1_000)));
    assert_eq!(quoted.matches("<blockquote>").count(), MAX_DEPTH);
    assert_eq!(quoted.matches("</blockquote>").count(), MAX_DEPTH);
    assert!(quoted.contains("deep"), "what stands there is still shown");
}

#[test]
fn what_comes_after_the_depths_is_not_affected() {
    let html = to_html(&format!("{} deep\n\n# After\n", ">".repeat(100)));
    assert!(html.trim_end().ends_with("<h1>After</h1>"), "{html}");
}

/// What is not cleaned has to be what cleaning would have left of it. (Quotes in a text are escaped
/// or not, which means the same; the cleaner reads both and writes one.)
#[test]
fn what_is_plain_is_clean() {
    let dataset = Dataset::new(Size::default(), 3);
    let mut texts: Vec<String> = (0..300).map(|index| dataset.article(index).body).collect();
    texts.extend(
        [
            "a *b* **c** ~~d~~ `e < f` \"g\" 'h' & i",
            "> quote\n> > deeper\n\n3. three\n4. four\n\n---\n\n- a\n\n- b  \n  c",
            "```rust\nlet x = \"<script>\";\n```\n\n    indented <b>\n",
            "[a](https://a.example/b?c=1#d) <https://b.example> &lt;i&gt; &amp;amp; \\<b>",
            "# One\n\nTwo\n===\n",
        ]
        .map(str::to_owned),
    );
    let mut plain = 0;
    for text in texts {
        let events: Vec<_> = Parser::new_ext(&text, Options::ENABLE_STRIKETHROUGH).collect();
        plain += usize::from(events.iter().all(is_plain));
        let quick = to_html(&text);
        let again = CLEANER.clean(&quick).to_string();
        let unquoted = quick.replace("&quot;", "\"").replace(" />", ">");
        assert_eq!(unquoted, again, "{text}");
    }
    assert!(plain > 200, "{plain} of the texts were plain");
}

#[test]
fn what_only_looks_plain_is_cleaned() {
    for text in [
        "[x](javascript:alert(1))",
        "[x](https://a.example/\"onclick=alert(1))",
        "[x](https://a.example \"title\")",
        "[x](//a.example)",
        "![x](https://a.example/x.png)",
        "a <b>c</b>",
        "```a\"b\nc\n```",
        "| a |\n|---|\n| b |",
    ] {
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        let events: Vec<_> = Parser::new_ext(text, options).collect();
        assert!(!events.iter().all(is_plain), "{text}");
        let mut raw = String::new();
        html::push_html(&mut raw, events.into_iter());
        assert_eq!(to_html(text), CLEANER.clean(&raw).to_string(), "{text}");
    }
}
