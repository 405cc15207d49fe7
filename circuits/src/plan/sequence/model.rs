//! What the rows of every layer are written from.

use dn_core::quant::sequence::Sequence;

use super::claims::Claims;
use crate::plan::writer::Writer;
use crate::system::sequence::Looked;
use crate::system::table::Table;

/// A validated and checked model.
#[derive(Clone, Debug)]
pub(super) struct Model<'a> {
    pub(super) sequence: &'a Sequence,
    pub(super) table: &'a Table,
    /// By layer.
    pub(super) looked: &'a [Looked],
    pub(super) claims: Claims,
}

impl Model<'_> {
    /// Rows of one channel.
    pub(super) fn chunks(&self, w: &Writer) -> usize {
        w.slots * self.sequence.tokens / w.width.lanes()
    }

    /// How many claims a product of a tensor with a layer's kernel is moved on.
    pub(super) fn moves(&self, tensor: usize, layer: usize) -> usize {
        self.claims.moves(tensor, self.claims.reads(self.sequence, layer))
    }
}
