use super::{MAX_DEPTH, MAX_RAW_TAGS, to_html};

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
fn headings_stand_below_the_title() {
    let html = to_html("# One\n\n## Two\n\n###### Six\n\n<h1>raw</h1>\n");
    assert!(!html.contains("<h1"), "{html}");
    for part in ["<h2>One</h2>", "<h3>Two</h3>", "<h6>Six</h6>", "raw"] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn an_author_may_leave_the_first_level_to_the_title() {
    let html = to_html("## Two\n\n#### Four\n\n###### Six\n");
    for part in ["<h2>Two</h2>", "<h4>Four</h4>", "<h6>Six</h6>"] {
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
    assert!(html.trim_end().ends_with("<h2>After</h2>"), "{html}");
}
