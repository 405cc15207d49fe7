//! What a session may spend.

use std::sync::{Mutex, PoisonError};

/// An amount that only becomes less, in wei of DN.
#[derive(Debug)]
pub(super) struct Budget(Mutex<u128>);

impl Budget {
    pub(super) fn new(wei: u128) -> Self {
        Self(Mutex::new(wei))
    }

    /// What is left.
    pub(super) fn left(&self) -> u128 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `wei`, or says what is left when that is less.
    pub(super) fn take(&self, wei: u128) -> Result<(), u128> {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.checked_sub(wei).ok_or(*left)?;
        Ok(())
    }

    /// Gives back what was not spent.
    pub(super) fn give_back(&self, wei: u128) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.saturating_add(wei);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let budget = Budget::new(10);
        assert_eq!(budget.take(7), Ok(()));
        assert_eq!(budget.take(4), Err(3));
        assert_eq!(budget.left(), 3);
        budget.give_back(1);
        assert_eq!(budget.take(4), Ok(()));
        assert_eq!(budget.take(u128::MAX), Err(0));
    }
}
