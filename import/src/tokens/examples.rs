//! Examples of a model of tokens.

use crate::error::ImportError;
use crate::examples::ExampleError;

/// Sequences of token ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenExamples {
    /// One sequence per example.
    pub ids: Vec<Vec<usize>>,
    /// The id that is to be predicted at each token, if there is one; absent if the file has none.
    pub next: Option<Vec<Vec<Option<usize>>>>,
}

impl TokenExamples {
    /// Checks that every sequence is an input of so many tokens and ids.
    ///
    /// # Errors
    /// The first one that is not.
    pub fn check(&self, tokens: usize, vocabulary: usize) -> Result<(), ImportError> {
        if let Some(row) = self.ids.iter().find(|row| row.len() != tokens) {
            return Err(ExampleError::Length { got: row.len(), expected: tokens }.into());
        }
        for (row, ids) in self.ids.iter().enumerate() {
            if let Some(id) = ids.iter().find(|id| **id >= vocabulary) {
                let id = *id as i64;
                return Err(ExampleError::Id { row, id, vocabulary }.into());
            }
        }
        Ok(())
    }

    /// What is to be predicted at each token of an example: what the file says, or in a model whose tokens see none
    /// behind them the next id of the sequence.
    pub(super) fn labels(&self, example: usize, is_causal: bool) -> Vec<Option<usize>> {
        match &self.next {
            Some(next) => next[example].clone(),
            None if is_causal => {
                let ids = &self.ids[example];
                ids.iter().skip(1).map(|id| Some(*id)).chain([None]).collect()
            }
            None => vec![None; self.ids[example].len()],
        }
    }
}
