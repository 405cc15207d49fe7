//! Examples: inputs of a model, with or without labels.

use dn_core::quant::Shape;
use thiserror::Error;

/// Inputs that set the scales or are run, with labels if accuracy is to be reported.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calibration {
    /// One row per example, raw model inputs.
    pub x: Vec<Vec<f32>>,
    /// Class of each example.
    pub y: Option<Vec<i64>>,
    /// Whether there are labels that are no classes: real numbers.
    pub has_quantities: bool,
    /// Extents of one example as the file has them; empty where they are not known.
    pub extents: Vec<usize>,
}

/// Why examples are no inputs of a model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ExampleError {
    /// They do not have its length.
    #[error("an example has {got} values, the model takes {expected}")]
    Length {
        /// Length found.
        got: usize,
        /// Length required.
        expected: usize,
    },
    /// They have its length and other extents.
    #[error("array x has shape {got:?} per example, the model takes {expected:?}")]
    Extents {
        /// Extents found.
        got: Vec<usize>,
        /// Extents required: channels, rows, columns, without those that are 1.
        expected: Vec<usize>,
    },
    /// A value is no token id.
    #[error("row {row} of array x holds {id}, which is no token id: those are whole numbers from 0, below {vocabulary}")]
    Id {
        /// The example, counted from 0.
        row: usize,
        /// The value, without its fraction.
        id: i64,
        /// Number of ids.
        vocabulary: usize,
    },
    /// A value is not a number, or infinite.
    #[error("row {row} of array x has a value that is not finite (NaN or infinity)")]
    NotFinite {
        /// The example, counted from 0.
        row: usize,
    },
}

impl ExampleError {
    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Length { .. } => "give array x with one row of that length per example",
            Self::Extents { .. } => {
                "put the axes of x into the model's order, channels first, or flatten its rows in that order"
            }
            Self::Id { .. } => "encode the text with the model's own vocabulary",
            Self::NotFinite { .. } => "fill in or leave out what is missing",
        }
    }
}

impl Calibration {
    /// Checks that every row is an input of these extents.
    ///
    /// Rows of two or more extents must have those of the model, where axes of 1 do not count and
    /// neighbouring ones may be flattened: equal counts in another order are other values.
    ///
    /// # Errors
    /// The first row or axis that does not fit.
    pub fn check(&self, input: Shape) -> Result<(), ExampleError> {
        let expected = input.len();
        if let Some(row) = self.x.iter().find(|row| row.len() != expected) {
            return Err(ExampleError::Length { got: row.len(), expected });
        }
        let shape = [input.channels, input.height, input.width];
        if !is_flattened(&self.extents, &shape) && !is_flattened(&shape, &self.extents) {
            let expected = shape.into_iter().filter(|n| *n != 1).collect();
            return Err(ExampleError::Extents { got: self.extents.clone(), expected });
        }
        match self.x.iter().position(|row| row.iter().any(|v| !v.is_finite())) {
            Some(row) => Err(ExampleError::NotFinite { row }),
            None => Ok(()),
        }
    }

    /// A single example that lies there without a batch, of `len` values, as one row.
    #[must_use]
    pub fn or_one(self, len: usize) -> Self {
        let is_one = self.x.len() == len && len > 1 && self.x.iter().all(|row| row.len() == 1);
        if is_one && self.y.is_none() {
            return Self { x: vec![self.x.concat()], extents: vec![len], ..self };
        }
        self
    }

    /// The same without some rows.
    #[must_use]
    pub fn without(&self, rows: &[usize]) -> Self {
        let kept = |i: &usize| !rows.contains(i);
        let pick = |i: usize| self.x[i].clone();
        let labels = |y: &Vec<i64>| (0..y.len()).filter(kept).map(|i| y[i]).collect();
        Self {
            x: (0..self.x.len()).filter(kept).map(pick).collect(),
            y: self.y.as_ref().map(labels),
            ..self.clone()
        }
    }

    /// Share of `outputs` whose class is the label, in `[0, 1]`: the class of the largest of several
    /// numbers; of a single one, whether it is above 0.5, or above 0 where some are no
    /// probabilities. `None` without labels or where these are no classes of such outputs.
    #[must_use]
    pub fn accuracy(&self, outputs: &[Vec<f32>]) -> Option<f64> {
        let labels = self.y.as_ref()?;
        let count = outputs.first()?.len();
        if !self.has_classes(count) {
            return None;
        }
        let pairs = classes(outputs).into_iter().zip(labels);
        let right = pairs.filter(|(class, y)| i64::try_from(*class) == Ok(**y)).count();
        Some(right as f64 / outputs.len() as f64)
    }

    /// Whether there are labels and all of them are classes that `count` outputs can tell apart.
    #[must_use]
    pub fn has_classes(&self, count: usize) -> bool {
        let labels = self.y.as_deref().unwrap_or_default();
        let classes = i64::try_from(count.max(2)).unwrap_or(i64::MAX);
        !labels.is_empty() && labels.iter().all(|y| (0..classes).contains(y))
    }
}

/// Whether every axis of `flat` is some neighbouring axes of `shape`.
fn is_flattened(flat: &[usize], shape: &[usize]) -> bool {
    let ends = |extents: &[usize]| -> Vec<usize> {
        let product = |n: &mut usize, extent: &usize| {
            *n = n.saturating_mul(*extent);
            Some(*n)
        };
        extents.iter().scan(1, product).collect()
    };
    let all = ends(shape);
    ends(flat).iter().all(|end| *end == 1 || all.contains(end))
}

/// The class that each example's outputs name.
pub(crate) fn classes(outputs: &[Vec<f32>]) -> Vec<usize> {
    let is_probability = outputs.iter().flatten().all(|v| (0.0..=1.0).contains(v));
    let threshold = if is_probability { 0.5 } else { 0.0 };
    let class = |row: &Vec<f32>| match row[..] {
        [one] => usize::from(one > threshold),
        _ => arg_max(row),
    };
    outputs.iter().map(class).collect()
}

/// Index of the largest value, the first of several.
#[must_use]
pub fn arg_max<T: PartialOrd>(values: &[T]) -> usize {
    (0..values.len()).reduce(|best, i| if values[i] > values[best] { i } else { best }).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(extents: &[usize]) -> Calibration {
        let len = extents.iter().product();
        Calibration {
            x: vec![vec![0.0; len]; 2],
            extents: extents.to_vec(),
            ..Calibration::default()
        }
    }

    #[test]
    fn extents_that_are_only_equal_in_count_are_refused() {
        let image = Shape { channels: 3, height: 8, width: 8 };
        for right in [&[3, 8, 8][..], &[192], &[3, 64], &[1, 3, 8, 8], &[24, 8]] {
            assert_eq!(of(right).check(image), Ok(()), "{right:?}");
        }
        for wrong in [&[8, 8, 3][..], &[8, 24], &[64, 3]] {
            assert!(
                matches!(of(wrong).check(image), Err(ExampleError::Extents { .. })),
                "{wrong:?}"
            );
        }
        assert_eq!(of(&[8, 8]).check(Shape::vector(64)), Ok(()));
        assert!(matches!(of(&[8, 8]).check(image), Err(ExampleError::Length { .. })));
    }

    #[test]
    fn the_row_that_is_not_finite_is_named() {
        let mut examples = of(&[4]);
        examples.x[1][2] = f32::NAN;
        assert_eq!(examples.check(Shape::vector(4)), Err(ExampleError::NotFinite { row: 1 }));
        examples.x[1][2] = f32::INFINITY;
        assert!(examples.check(Shape::vector(4)).is_err());
    }

    #[test]
    fn accuracy_has_a_threshold_for_one_output_and_is_absent_for_quantities() {
        let labelled = |y: &[i64]| Calibration { y: Some(y.to_vec()), ..of(&[1]) };
        let one = |values: &[f32]| values.iter().map(|v| vec![*v]).collect::<Vec<_>>();
        assert_eq!(labelled(&[0, 1]).accuracy(&one(&[0.3, 0.7])), Some(1.0));
        assert_eq!(labelled(&[0, 1]).accuracy(&one(&[-3.0, 0.2])), Some(1.0));
        assert_eq!(labelled(&[0, 7]).accuracy(&one(&[0.3, 0.7])), None);
        assert_eq!(labelled(&[1, 2]).accuracy(&[vec![0.0, 1.0], vec![0.0, 1.0]]), None);
        assert_eq!(labelled(&[1, 1]).accuracy(&[vec![0.0, 1.0], vec![1.0, 0.0]]), Some(0.5));
        assert_eq!(of(&[1]).accuracy(&one(&[0.3, 0.7])), None);
    }
}
