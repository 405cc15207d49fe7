//! Where the rows of a batch stand.

/// Where a value of the input stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InputRow {
    /// Row of its first chunk.
    pub(crate) row: usize,
    /// In `lo`, not in `out`.
    pub(crate) is_second: bool,
}

/// First rows of a node's values.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeRows {
    /// Of every accumulator.
    pub(crate) accumulators: Vec<usize>,
    /// Of every output of a pooled node.
    pub(crate) pooled: Vec<usize>,
    /// Of the factors of every accumulator, if it has a product.
    pub(crate) factors: Vec<usize>,
    /// Channel, index of the exponent, row.
    pub(crate) spilled: Vec<(usize, usize, usize)>,
}

/// Where everything stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sections {
    pub(crate) digest: usize,
    pub(crate) input_hashes: usize,
    pub(crate) inputs: Vec<InputRow>,
    pub(crate) nodes: Vec<NodeRows>,
    pub(crate) quality: usize,
    pub(crate) output_hashes: usize,
}
