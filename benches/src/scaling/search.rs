//! Looks for the highest rate that keeps an SLO: from a guess upwards or downwards until it is
//! bracketed, then by halves of the bracket, on the logarithm, so that each step narrows a ratio.

/// What becomes of a stride that was too short: it is raised to this power.
const LONGER: f64 = 1.5;

/// A search in progress.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    guess: f64,
    stride: f64,
    kept: Option<f64>,
    broken: Option<f64>,
}

impl Search {
    /// Begins at `guess` and goes by the factor `stride`, which is above 1, until it has passed what
    /// it looks for.
    pub fn from(guess: f64, stride: f64) -> Self {
        Self { guess, stride, kept: None, broken: None }
    }

    /// The rate to try next.
    pub fn next(&self) -> f64 {
        match (self.kept, self.broken) {
            (None, None) => self.guess,
            (Some(kept), None) => kept * self.stride,
            (None, Some(broken)) => broken / self.stride,
            (Some(kept), Some(broken)) => (kept * broken).sqrt(),
        }
    }

    /// Takes in whether [`Self::next`] kept the SLO.
    pub fn learn(&mut self, kept: bool) {
        let tried = self.next();
        let one_sided = match (self.kept, self.broken) {
            (Some(_), None) => kept,
            (None, Some(_)) => !kept,
            _ => false,
        };
        if one_sided {
            self.stride = self.stride.powf(LONGER);
        }
        *(if kept { &mut self.kept } else { &mut self.broken }) = Some(tried);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Wherever it begins: between what it kept and what it broke lies what it looks for.
        #[test]
        fn what_is_looked_for_ends_up_in_a_narrow_bracket(
            truth in 10.0f64..5_000.0,
            off in 0.3f64..3.0,
        ) {
            let mut search = Search::from(truth * off, 1.3);
            for _ in 0..16 {
                let kept = search.next() <= truth;
                search.learn(kept);
            }
            let (kept, broken) = (search.kept.unwrap(), search.broken.unwrap());
            prop_assert!(kept <= truth && truth < broken);
            prop_assert!(broken / kept < 1.01, "{search:?}");
        }
    }

    #[test]
    fn a_guess_that_is_far_off_is_left_with_longer_and_longer_strides() {
        let mut search = Search::from(100.0, 1.12);
        let tried: Vec<f64> = std::iter::repeat_with(|| {
            let tried = search.next();
            search.learn(tried <= 170.0);
            tried.round()
        })
        .take(5)
        .collect();
        assert_eq!(tried, [100.0, 112.0, 133.0, 171.0, 151.0]);
    }

    #[test]
    fn a_good_guess_is_not_left_far_behind() {
        let mut search = Search::from(100.0, 1.1);
        assert_eq!(search.next(), 100.0);
        search.learn(true);
        assert!((search.next() - 110.0).abs() < 1e-9);
        search.learn(false);
        assert!((search.next() - 104.88).abs() < 0.01);
    }
}
