//! What a reader makes of the numbers behind a model: the ends of a file that order and classes do not
//! depend on, and that therefore are not proven.

use serde::{Deserialize, Serialize};

/// How a reader gets an output's values from the model's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readout {
    /// They are the values.
    #[default]
    Plain,
    /// Their softmax: probabilities from logits.
    Softmax,
    /// Each as a share of their sum.
    Share,
}

/// One of the outputs that lie one behind the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its name in the file.
    pub name: String,
    /// How many numbers it has.
    pub len: usize,
    /// How they are read.
    #[serde(default)]
    pub readout: Readout,
}

impl Readout {
    /// The values of one example.
    #[must_use]
    pub fn apply(self, numbers: &[f32]) -> Vec<f32> {
        let shares = |parts: Vec<f32>| -> Vec<f32> {
            let sum: f32 = parts.iter().sum();
            let sum = if sum == 0.0 { 1.0 } else { sum };
            parts.into_iter().map(|part| part / sum).collect()
        };
        match self {
            Self::Plain => numbers.to_vec(),
            Self::Softmax => {
                let most = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                shares(numbers.iter().map(|x| (x - most).exp()).collect())
            }
            Self::Share => shares(numbers.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_1() {
        assert_eq!(Readout::Plain.apply(&[3.0, -1.0]), [3.0, -1.0]);
        assert_eq!(Readout::Share.apply(&[1.0, 3.0]), [0.25, 0.75]);
        assert_eq!(Readout::Share.apply(&[0.0, 0.0]), [0.0, 0.0]);
        assert_eq!(Readout::Softmax.apply(&[1000.0, 1000.0]), [0.5, 0.5]);
        let thirds = Readout::Softmax.apply(&[0.0, 2f32.ln()]);
        assert!((thirds[0] - 1.0 / 3.0).abs() < 1e-6 && (thirds[1] - 2.0 / 3.0).abs() < 1e-6);
    }
}
