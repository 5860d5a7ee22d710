//! The verdict grammar. A question states beforehand which metric it looks at, which effect is the
//! smallest that matters, and on which pages; the answer follows from the intervals alone.

use super::controls::UNCONTROLLED;
use super::summary::{Contrast, Effect, Metric, Outcome, Summary, Verdict};
use crate::experiment::Preset;
use crate::judge::summary::Measured;
use crate::record::{Comparison, Page};
use crate::stats::{Estimate, restarts_needed};
use crate::words;

/// Half-width beyond which an interval on CPU decides nothing.
const WIDEST_CPU_INTERVAL: f64 = 0.10;

/// One question: is the effect at least as large as the smallest that matters?
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// In words, as a statement that the verdict is about.
    pub claim: &'static str,
    /// What it looks at.
    pub metric: Metric,
    /// The smallest effect of interest.
    pub limit: Limit,
}

/// The smallest effect of interest.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// The ratio has to exceed `ratio`, and the difference `difference`.
    More {
        /// Second arm / first arm.
        ratio: f64,
        /// Second arm − first arm, in the metric's unit.
        difference: f64,
    },
    /// The ratio has to stay below this.
    Less(f64),
}

/// On which side of the limit an interval lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// The whole interval says that the effect is large enough to matter.
    Beyond,
    /// The whole interval says that it is not.
    Within,
    /// The interval holds the limit.
    Open,
}

/// Places an effect.
fn side(effect: &Effect, limit: Limit) -> Side {
    let Effect { ratio, difference, .. } = effect;
    let (beyond, within) = match limit {
        Limit::More { ratio: r, difference: d } => {
            (ratio.low > r && difference.low > d, ratio.high < r || difference.high < d)
        }
        Limit::Less(r) => (ratio.high < r, ratio.low > r),
    };
    match (beyond, within) {
        (true, _) => Side::Beyond,
        (_, true) => Side::Within,
        _ => Side::Open,
    }
}

impl Question {
    /// Answers the question from what was found.
    pub fn answer(&self, preset: Preset, summary: &Summary) -> Verdict {
        let verdict = |outcome, because| Verdict { question: self.claim.into(), outcome, because };
        if preset == Preset::Smoke {
            return verdict(None, "Smoke only shows that everything works.".into());
        }
        if summary.certificate.uncontrolled() {
            return verdict(None, UNCONTROLLED.into());
        }
        if !summary.certificate.certified {
            return verdict(None, "The controls did not certify this run's instrument.".into());
        }
        if let Some(why) = self.uncontrolled(summary) {
            return verdict(Some(Outcome::Inconclusive), why);
        }
        let pages: Vec<(Page, Result<Side, String>)> = summary
            .contrasts
            .iter()
            .filter(|c| c.comparison == Comparison::Boundary)
            // Where a metric was not planned for a page, that page is outside the region.
            .filter(|c| c.all.metrics.contains_key(&self.metric))
            .map(|c| (c.page, self.on_page(c)))
            .collect();
        let (outcome, reasons) = combine(&pages);
        let numbers = pages.iter().filter_map(|(page, _)| {
            let effect = summary.effect(Comparison::Boundary, *page, self.metric)?;
            let change = words::change_with_interval(effect.ratio);
            Some(format!("{}: {change}", words::page(*page)))
        });
        verdict(Some(outcome), words::sentences(numbers.chain(reasons)))
    }

    /// The side on one page, or why there is none.
    fn on_page(&self, contrast: &Contrast) -> Result<Side, String> {
        let here = words::page(contrast.page);
        let effect = match contrast.all.metrics.get(&self.metric) {
            Some(Measured::Effect(effect)) => effect,
            Some(Measured::MoreRequests(n)) => {
                return Err(format!("{here}: needs {} more requests per arm", words::count(*n)));
            }
            _ => return Err(format!("{here}: needs more restarts")),
        };
        let cpu = self.metric == Metric::CpuServers;
        if cpu && effect.ratio.relative_half_width() > WIDEST_CPU_INTERVAL {
            let enough = enough(
                effect.restarts,
                effect.ratio.map(f64::ln),
                (1.0 + WIDEST_CPU_INTERVAL).ln(),
            );
            return Err(format!("{here}: wider than ± 10 %; {}", in_words(effect, enough)));
        }
        let found = side(effect, self.limit);
        if let Some(gated) = &contrast.gated {
            let Some(gated) = gated.effect(self.metric) else {
                return Err(format!("{here}: too little is left without the flagged slices"));
            };
            let same_sign = (gated.ratio.value > 1.0) == (effect.ratio.value > 1.0);
            if !same_sign || side(gated, self.limit) != found {
                return Err(format!("{here}: the answer hangs on flagged slices"));
            }
        }
        if found == Side::Open {
            let enough = self.limit.decided_with(effect);
            return Err(format!(
                "{here}: the interval holds the limit; {}",
                in_words(effect, enough)
            ));
        }
        Ok(found)
    }

    /// Why the twins could not be compared on this metric, if they could not. A metric without
    /// a control decides nothing; goodput has none, its own steps are what is compared.
    fn uncontrolled(&self, summary: &Summary) -> Option<String> {
        let mut checks = summary.certificate.checks.iter();
        let check = checks.find(|c| c.comparison == Comparison::Null && c.metric == self.metric)?;
        let name = words::metric(self.metric);
        let why = check.sentence.to_lowercase();
        check.passed.is_none().then(|| format!("The twins could not be compared on {name}: {why}"))
    }
}

impl Limit {
    /// The limit's ratio.
    pub fn ratio(self) -> f64 {
        match self {
            Self::More { ratio, .. } | Self::Less(ratio) => ratio,
        }
    }

    /// How many restarts would tell on which side of the limit the effect lies.
    fn decided_with(self, effect: &Effect) -> Option<usize> {
        let Effect { restarts, ratio, difference, .. } = effect;
        match self {
            Self::More { difference: limit, .. } if !ratio.contains(self.ratio()) => {
                enough(*restarts, *difference, (difference.value - limit).abs())
            }
            _ => enough(*restarts, ratio.map(f64::ln), (ratio.value / self.ratio()).ln().abs()),
        }
    }
}

/// All pages together: the region that the card names.
fn combine(pages: &[(Page, Result<Side, String>)]) -> (Outcome, Vec<String>) {
    let reasons: Vec<String> = pages.iter().filter_map(|(_, s)| s.clone().err()).collect();
    let on = |side| {
        let named: Vec<&str> = pages
            .iter()
            .filter(|(_, found)| *found == Ok(side))
            .map(|(page, _)| words::page(*page))
            .collect();
        (named.len(), words::list(&named))
    };
    let ((beyond, here), (within, there)) = (on(Side::Beyond), on(Side::Within));
    match pages.len() {
        0 => (Outcome::Inconclusive, vec!["Not measured".into()]),
        n if n == beyond => (Outcome::Supported, Vec::new()),
        n if n == within => (Outcome::Refuted, Vec::new()),
        n if n == beyond + within => {
            (Outcome::Depends, vec![format!("It holds for the {here}, not for the {there}")])
        }
        _ => (Outcome::Inconclusive, reasons),
    }
}

/// How many restarts would bring the half-width of an interval that rests on `n` of them down to
/// `wanted`, on the interval's own scale.
fn enough(n: usize, interval: Estimate, wanted: f64) -> Option<usize> {
    restarts_needed(n, (interval.high - interval.low) / 2.0, wanted)
}

fn in_words(effect: &Effect, enough: Option<usize>) -> String {
    match enough {
        Some(n) => format!("about {n} restarts instead of {} would decide", effect.restarts),
        None => "no reasonable number of restarts would decide: it is as large as the limit".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(ratio: [f64; 3], difference: [f64; 3]) -> Effect {
        let estimate = |[low, value, high]: [f64; 3]| Estimate { value, low, high };
        let (ratio, difference) = (estimate(ratio), estimate(difference));
        Effect { restarts: 8, levels: [estimate([1.0; 3]); 2], ratio, difference }
    }

    #[test]
    fn both_the_ratio_and_the_difference_have_to_matter() {
        let limit = Limit::More { ratio: 1.10, difference: 0.5 };
        let much = effect([1.2, 1.3, 1.4], [0.6, 0.8, 1.0]);
        let little_time = effect([1.2, 1.3, 1.4], [0.02, 0.03, 0.04]);
        let little_share = effect([1.01, 1.02, 1.03], [0.6, 0.8, 1.0]);
        let unclear_time = effect([1.2, 1.3, 1.4], [0.4, 0.6, 0.8]);
        assert_eq!(side(&much, limit), Side::Beyond);
        assert_eq!(side(&little_time, limit), Side::Within);
        assert_eq!(side(&little_share, limit), Side::Within);
        assert_eq!(side(&unclear_time, limit), Side::Open);
        // 0.1 ms from the limit with ± 0.2 ms from 8 restarts: about four times as many.
        let enough = limit.decided_with(&unclear_time).unwrap();
        assert!((22..=32).contains(&enough), "{enough}");
    }

    #[test]
    fn losing_goodput_counts_downwards() {
        let limit = Limit::Less(0.95);
        let by = |ratio| side(&effect(ratio, [0.0; 3]), limit);
        assert_eq!(by([0.7, 0.8, 0.9]), Side::Beyond);
        assert_eq!(by([0.97, 1.0, 1.03]), Side::Within);
        assert_eq!(by([0.9, 0.94, 0.98]), Side::Open);
    }

    #[test]
    fn pages_that_disagree_make_it_depend() {
        let pages = |home, article| [(Page::Home, Ok(home)), (Page::Article, Ok(article))];
        assert_eq!(combine(&pages(Side::Beyond, Side::Beyond)).0, Outcome::Supported);
        assert_eq!(combine(&pages(Side::Within, Side::Within)).0, Outcome::Refuted);
        let (outcome, reasons) = combine(&pages(Side::Beyond, Side::Within));
        assert_eq!(outcome, Outcome::Depends);
        assert_eq!(reasons, ["It holds for the home page, not for the article page"]);
        let open = [(Page::Home, Ok(Side::Beyond)), (Page::Article, Err("too noisy".into()))];
        assert_eq!(combine(&open), (Outcome::Inconclusive, vec!["too noisy".into()]));
        assert_eq!(combine(&[]).0, Outcome::Inconclusive);
    }
}
