//! The steps of a tensor's channels.
//!
//! ```text
//! s_c >= reach_c / 127             the calibration data are covered, with a margin
//! s_c >= furthest_c / quotients    no channel has more quotients than with one step for all
//! s_c >= tau / a_c                 a_c: weight of the channel in the next sums, in their deviations
//! s_c <= s                         one step for all
//! ```
//!
//! The least such `s_c` is taken. By the third line a channel keeps the step of all where that does
//! no harm, and what matters little has coarse steps, which cover far more than the calibration data
//! show. What they hardly show is covered about as the others are, as far as it does not move the
//! next sums by more than their deviation: a large weight behind a channel that never varies fills
//! no table.

use super::{MANY, TOP};

/// What steps of single channels may cost and should cover.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    /// Deviations of the next sums that coarse steps may add as noise, all channels together.
    pub(super) noise: f64,
    /// How far beyond the calibration data a step reaches that is finer than that of all.
    pub(super) margin: f64,
}

/// What one channel or value needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// Largest magnitude, from the offset, on the calibration data.
    pub(super) reach: f64,
    /// How much of that varies; a margin is a share of it.
    pub(super) room: f64,
    /// Whether nothing varied there.
    pub(super) is_constant: bool,
    /// Squared weight in the next sums; see [`super::Equaliser::importance`].
    pub(super) weight: f64,
    /// What any codes of the inputs can make of it; 0 for an input.
    pub(super) furthest: f64,
}

/// The steps, none below `floor`.
pub(super) fn of(needs: &[Need], tolerance: Tolerance, floor: f64) -> Vec<f64> {
    let covering = |n: &Need| (n.reach + n.room * (tolerance.margin - 1.0)) / TOP;
    let all = positive(needs.iter().map(covering).fold(0.0, f64::max)).max(floor);
    let furthest = needs.iter().map(|n| n.furthest).fold(0.0, f64::max);
    let usual = median(needs.iter().map(covering).collect()) / 2.0;
    let constants = needs.iter().filter(|n| n.is_constant && n.weight > 0.0).count();
    let moving = needs.iter().filter(|n| n.weight > 0.0).count().max(1);
    let tau = tolerance.noise * (12.0 / moving as f64).sqrt();
    let step = |n: &Need| {
        let deviation = 1.0 / n.weight.sqrt();
        // Together, constants move the sums no further than a few.
        let share = if n.is_constant { (MANY as f64 / constants as f64).min(1.0) } else { 1.0 };
        let unseen = usual.min(share * deviation / TOP);
        let quotients = if furthest > 0.0 { n.furthest / furthest * all } else { 0.0 };
        covering(n).max(quotients).max(tau * deviation).max(unseen).min(all)
    };
    needs.iter().map(step).collect()
}

/// The step, or 1 where there is none.
pub(super) fn positive(step: f64) -> f64 {
    if (step as f32).is_normal() {
        step
    } else {
        1.0
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    let at = values.len() / 2;
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Tolerance = Tolerance { noise: 0.005, margin: 1.0 };

    fn need(reach: f64, weight: f64) -> Need {
        Need { reach, room: reach, is_constant: reach == 0.0, weight, furthest: 0.0 }
    }

    #[test]
    fn small_features_that_matter_get_small_steps_and_others_do_not() {
        let steps = of(&[need(1_000.0, 1e-6), need(1.0, 1.0), need(1.0, 1e-12)], TOLERANCE, 0.0);
        assert_eq!(steps[0], 1_000.0 / TOP);
        assert!(steps[1] < 2.0 / TOP);
        assert_eq!(steps[2], steps[0]);
    }

    /// 1e5 deviations for each unit of a value that never varied: all codes move about one deviation.
    #[test]
    fn what_never_varies_moves_little() {
        let steps = of(&[need(1.0, 1.0), need(1.0, 1.0), need(0.0, 1e10)], TOLERANCE, 0.0);
        assert!(steps[2] * TOP * 1e5 <= 2.0);
    }

    #[test]
    fn no_channel_has_more_quotients_than_with_one_step() {
        let far = |reach, furthest| Need { furthest, ..need(reach, 1e9) };
        let steps = of(&[far(1.0, 10.0), far(0.01, 10.0)], TOLERANCE, 0.0);
        assert_eq!(steps[0], steps[1]);
    }
}
