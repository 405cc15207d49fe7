//! Functions on int8.

use serde::{Deserialize, Serialize};

use super::requantize::ZERO_POINT;

/// A function on int8 given by its 256 values, the value for `q` at index `q + 128`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation(pub Vec<i8>);

impl Activation {
    /// The identity.
    #[must_use]
    pub fn identity() -> Self {
        Self((i8::MIN..=i8::MAX).collect())
    }

    /// `max(q, 0)`.
    #[must_use]
    pub fn relu() -> Self {
        Self((i8::MIN..=i8::MAX).map(|q| q.max(0)).collect())
    }

    /// Looks `q` up.
    #[must_use]
    pub fn apply(&self, q: i8) -> i8 {
        self.0[(i32::from(q) + ZERO_POINT) as usize]
    }
}
