//! Examples that are out of line: a sensor's fault, a wrong unit, a broken image.
//!
//! An example is out of line if one of its values, or the largest value of one unit, is many times
//! that of nearly all others. It does not count when scales are chosen. At most one example in
//! fifty is left out, so what happens more often is never taken for a fault.

/// How many times the others' largest magnitude is out of line.
const FACTOR: f32 = 8.0;
/// With fewer examples nothing is left out.
const MIN_EXAMPLES: usize = 16;

/// Indices of the examples to leave out, by their inputs and the largest magnitude in each unit.
pub(super) fn find(inputs: &[Vec<f32>], units: &[Vec<f32>]) -> Vec<usize> {
    let count = inputs.len();
    if count < MIN_EXAMPLES {
        return Vec::new();
    }
    let allowed = count.div_ceil(50);
    let largest = |x: &Vec<f32>| x.iter().fold(0f32, |m, v| m.max(v.abs()));
    let whole = usual(inputs.iter().map(largest).collect(), allowed);
    let mut excess = vec![0f32; count];
    for i in 0..inputs[0].len() {
        let values: Vec<f32> = inputs.iter().map(|x| x[i]).collect();
        let middle = median(values.clone());
        let away: Vec<f32> = values.iter().map(|v| (v - middle).abs()).collect();
        let own = usual(away.clone(), allowed);
        // A value that is nearly always the same, such as a rare category, has no usual magnitude
        // of its own.
        let is_rare = away.iter().filter(|d| **d > 0.0).count() * 2 < count;
        exceed(&mut excess, &away, if is_rare { own.max(whole) } else { own });
    }
    for i in 0..units[0].len() {
        let values: Vec<f32> = units.iter().map(|u| u[i]).collect();
        let own = usual(values.clone(), allowed);
        exceed(&mut excess, &values, own);
    }
    let mut out: Vec<usize> = (0..count).filter(|i| excess[*i] > FACTOR).collect();
    out.sort_by(|a, b| excess[*b].total_cmp(&excess[*a]));
    out.truncate(allowed);
    out
}

/// Raises each example's excess to how many times the usual magnitude its value is.
fn exceed(excess: &mut [f32], values: &[f32], usual: f32) {
    if usual > 0.0 {
        values.iter().zip(excess).for_each(|(v, e)| *e = e.max(v / usual));
    }
}

/// The largest magnitude but for `allowed` examples.
fn usual(mut values: Vec<f32>, allowed: usize) -> f32 {
    let at = values.len() - 1 - allowed;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}

fn median(mut values: Vec<f32>) -> f32 {
    let at = values.len() / 2;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feature 0 spreads evenly up to 1, feature 1 is 0 but for one example in 40.
    fn inputs() -> Vec<Vec<f32>> {
        (0..80).map(|i| vec![i as f32 / 80.0, f32::from(u8::from(i % 40 == 3))]).collect()
    }

    #[test]
    fn one_broken_example_is_found_and_rare_categories_stay() {
        let units = vec![vec![1.0]; 80];
        assert!(find(&inputs(), &units).is_empty());
        let mut broken = inputs();
        broken[17][0] = -1_000.0;
        assert_eq!(find(&broken, &units), [17]);
        let mut deep = units.clone();
        deep[5][0] = 9.0;
        assert_eq!(find(&inputs(), &deep), [5]);
    }

    #[test]
    fn what_happens_often_is_no_fault() {
        let mut often = inputs();
        (0..4).for_each(|i| often[i * 9][0] = 1_000.0);
        assert!(find(&often, &vec![vec![1.0]; 80]).is_empty());
    }
}
