//! Kinds of rows. Each has a file in [`super::rows`].

use super::poseidon::Round;

/// What the cells of a row hold. Kernels, the table and public inputs stand beside rows of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Nothing, in front of and behind everything else.
    Idle,
    /// Nothing, where folds of a layer need more rows than its values.
    Gap,
    /// One or two values of the input.
    Input,
    /// Values of a layer.
    Activation,
    /// Values in front of a pool.
    Window,
    /// Largest values of windows.
    Pooled,
    /// Coefficients that no output takes.
    Spill,
    /// Factors of products.
    Product,
    /// Tokens of a sequence.
    Token,
    /// Vectors of tokens.
    Embedding,
    /// Values of a token's sum with a tensor before.
    Sum,
    /// A token's root.
    Root,
    /// Queries of a sequence.
    Query,
    /// Its keys.
    Key,
    /// Largest scores of its tokens.
    Maximum,
    /// What maxima are paired with.
    Constant,
    /// Exponentials of a key's scores.
    Exponential,
    /// Values of a key.
    Value,
    /// The sum of a token's exponentials.
    Total,
    /// A token's values, weighed by them.
    Context,
    /// Classes of a task.
    Classes,
    /// The score of a task.
    Score,
    /// Nothing: a word of labels that there are none of.
    Zero,
    /// First row of a block of a message.
    Message,
    /// First row of a branch of a digest's tree.
    Branch,
    /// Another row of a permutation.
    Round(Round),
}

impl Kind {
    /// One of each.
    pub(crate) const ALL: [Self; 26] = [
        Self::Idle,
        Self::Gap,
        Self::Input,
        Self::Activation,
        Self::Window,
        Self::Pooled,
        Self::Spill,
        Self::Product,
        Self::Token,
        Self::Embedding,
        Self::Sum,
        Self::Root,
        Self::Query,
        Self::Key,
        Self::Maximum,
        Self::Constant,
        Self::Exponential,
        Self::Value,
        Self::Total,
        Self::Context,
        Self::Classes,
        Self::Score,
        Self::Zero,
        Self::Message,
        Self::Branch,
        Self::Round(Round::Full),
    ];
}
