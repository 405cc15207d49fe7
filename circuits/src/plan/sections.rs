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
    /// First row of the inputs' values.
    pub(crate) values: usize,
    pub(crate) inputs: Vec<InputRow>,
    pub(crate) nodes: Vec<NodeRows>,
    /// First row of every node.
    pub(crate) node_starts: Vec<usize>,
    pub(crate) quality: usize,
    pub(crate) output_hashes: usize,
}

/// How many rows of a batch belong to what. The parts but for the table, and one idle row, are all rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsByPart {
    /// Of the inputs' values.
    pub inputs: usize,
    /// Of each node's values.
    pub nodes: Vec<usize>,
    /// Of scores and labels.
    pub quality: usize,
    /// Of the hashes of inputs and outputs, and of the digest's tree.
    pub hashes: usize,
    /// Of the lookup table, which stands beside the others: by node, the quotients that it adds.
    pub quotients: Vec<usize>,
    /// Of the whole table.
    pub table: usize,
}

impl Sections {
    /// Rows of the parts, of `rows` that are in use; the table's are left at 0.
    pub(crate) fn by_part(&self, rows: usize) -> RowsByPart {
        let first = self.node_starts.first().copied().unwrap_or(self.quality);
        let ends = self.node_starts.iter().skip(1).copied().chain([self.quality]);
        RowsByPart {
            inputs: first - self.values,
            nodes: self.node_starts.iter().zip(ends).map(|(start, end)| end - start).collect(),
            quality: self.output_hashes - self.quality,
            hashes: self.values - 1 + rows - self.output_hashes,
            quotients: Vec::new(),
            table: 0,
        }
    }
}
