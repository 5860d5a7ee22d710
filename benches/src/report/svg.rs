//! Just enough SVG for this report's charts. Horizontal positions are per cent of whatever width
//! the page gives, vertical ones are pixels, and text is set in the page's own font size: a chart
//! grows and shrinks with the window while its labels stay as legible as the text around it.
//!
//! Colours are classes, so that light, dark and print each have their own.

use std::fmt::Write;

/// A picture in the making.
pub(super) struct Svg {
    height: f64,
    body: String,
}

/// Which point of a text stands at its position.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(super) fn new(height: f64) -> Self {
        Self { height, body: String::new() }
    }

    /// A filled rectangle between two horizontal positions.
    pub(super) fn rect(&mut self, class: &str, x: [f64; 2], y: f64, height: f64) {
        let [from, to] = x;
        let width = (to - from).max(0.0);
        self.push(format_args!(
            r#"<rect class="{class}" x="{from:.2}%" width="{width:.2}%" y="{y:.1}" height="{height:.1}"/>"#
        ));
    }

    /// A straight line.
    pub(super) fn line(&mut self, class: &str, x: [f64; 2], y: [f64; 2]) {
        self.push(format_args!(
            r#"<line class="{class}" x1="{:.2}%" x2="{:.2}%" y1="{:.1}" y2="{:.1}"/>"#,
            x[0], x[1], y[0], y[1]
        ));
    }

    /// A disc.
    pub(super) fn dot(&mut self, class: &str, x: f64, y: f64, radius: f64) {
        self.push(format_args!(
            r#"<circle class="{class}" cx="{x:.2}%" cy="{y:.1}" r="{radius}"/>"#
        ));
    }

    /// A line of text; `nudge` moves it sideways by pixels.
    pub(super) fn text(&mut self, class: &str, at: (f64, f64), nudge: f64, to: Anchor, text: &str) {
        let anchor = match to {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let (x, y) = at;
        self.push(format_args!(
            r#"<text class="{class}" x="{x:.2}%" y="{y:.1}" dx="{nudge}" text-anchor="{anchor}">{}</text>"#,
            escape(text)
        ));
    }

    /// A line through many points. Paths know no per cent, so it has a picture of its own that is
    /// stretched; its stroke is not.
    pub(super) fn curve(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (x, y) in points {
            // Writing to a String can't fail.
            let _ = write!(path, "{x:.2},{y:.1} ");
        }
        let (path, height) = (path.trim_end(), self.height);
        self.push(format_args!(
            r#"<svg width="100%" height="{height}" viewBox="0 0 100 {height}" preserveAspectRatio="none"><polyline class="{class}" points="{path}" vector-effect="non-scaling-stroke"/></svg>"#
        ));
    }

    /// The picture. With a description it is an image to a screen reader; without one it is passed
    /// over, because the text beside it says the same.
    pub(super) fn finish(self, description: Option<&str>) -> String {
        let Self { height, body } = self;
        let role = match description {
            Some(text) => format!(r#"role="img" aria-label="{}""#, escape(text)),
            None => r#"aria-hidden="true""#.to_owned(),
        };
        format!(r#"<svg class="chart" width="100%" height="{height}" {role}>{body}</svg>"#)
    }

    fn push(&mut self, element: std::fmt::Arguments) {
        // Writing to a String can't fail.
        let _ = self.body.write_fmt(element);
    }
}

/// Text as it may stand in HTML, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// From a value to a horizontal position, in per cent.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    values: [f64; 2],
    positions: [f64; 2],
}

impl Scale {
    /// `values` lie at `positions`, everything else in proportion.
    pub(super) fn new(values: [f64; 2], positions: [f64; 2]) -> Self {
        Self { values, positions }
    }

    /// Where a value lies.
    pub(super) fn at(&self, value: f64) -> f64 {
        let [low, high] = self.values;
        let [start, end] = self.positions;
        start + (value - low) / (high - low) * (end - start)
    }
}

/// Round numbers from `low` to `high`, at most `most` of them: multiples of 1, 2 or 5 times a power
/// of ten.
pub(super) fn ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    let span = (high - low).max(f64::MIN_POSITIVE);
    let power = 10f64.powf((span / most as f64).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0, 20.0].map(|factor| factor * power);
    let within = |step: f64| {
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        (first..=last).map(|i| i as f64 * step).collect::<Vec<_>>()
    };
    steps.into_iter().map(within).find(|t| t.len() <= most).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(0.0, 10.0, 6), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(-25.0, 60.0, 6), [-20.0, 0.0, 20.0, 40.0, 60.0]);
        assert_eq!(ticks(0.0, 0.7, 5).len(), 4);
        assert!(ticks(0.0, 1e6, 5).len() <= 5);
    }

    #[test]
    fn whatever_a_text_says_it_stays_text() {
        let mut svg = Svg::new(10.0);
        svg.text("label", (0.0, 5.0), 0.0, Anchor::Start, "<script>\"&'");
        let drawn = svg.finish(Some("a \"b\" <c>"));
        assert!(drawn.contains("&lt;script&gt;&quot;&amp;&#39;</text>"), "{drawn}");
        assert!(drawn.contains(r#"aria-label="a &quot;b&quot; &lt;c&gt;""#), "{drawn}");
    }

    #[test]
    fn a_scale_keeps_proportions() {
        let scale = Scale::new([0.0, 4.0], [10.0, 90.0]);
        assert_eq!(scale.at(0.0), 10.0);
        assert_eq!(scale.at(1.0), 30.0);
    }
}
