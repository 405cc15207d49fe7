//! Writes rows of fixed cells and keeps the accumulators' timetables.

use dn_core::statement::Form;
use dn_core::{Scoring, Width};
use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;

use super::frame::Frame;
use super::kernel::Program;
use crate::system::fixed::Draft;
use crate::system::poseidon::Constants;
use crate::system::steering::Fx;

/// How a fold moves on at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    /// It begins here.
    Reset,
    /// It is multiplied by `z` this often.
    Steps(i64),
}

impl Move {
    fn rows(self) -> usize {
        match self {
            Self::Reset => 1,
            Self::Steps(n) => n as usize,
        }
    }

    /// From the coordinate before, if there is one, to `to`.
    pub(crate) fn to(before: &mut Option<i64>, to: i64) -> Self {
        let from = before.replace(to);
        from.map_or(Self::Reset, |from| Self::Steps(to - from))
    }
}

/// The moves of a position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moves {
    pub(crate) image: Move,
    pub(crate) outputs: Move,
    /// Rows that something else needs up to the position.
    pub(crate) rows: usize,
}

/// A plan in the making. A dry writer only counts rows.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) width: Width,
    pub(crate) slots: usize,
    pub(crate) form: Form,
    pub(crate) scoring: Scoring,
    /// The next row.
    pub(crate) row: usize,
    pub(crate) poseidon: Constants,
    pub(crate) draft: Draft,
    /// First row on which the weight columns are free.
    kernel_free: usize,
    /// Last rows on which image and outputs are still read.
    held: [usize; 2],
    /// Last row on which the tensor is still read.
    tensor_held: usize,
}

impl Writer {
    pub(crate) fn new(frame: Frame, dry: bool) -> Self {
        let Frame { slots, width, form, scoring, .. } = frame;
        Self {
            width,
            slots,
            form,
            scoring,
            row: 1,
            poseidon: Constants::new(width),
            draft: Draft::new(width, dry),
            kernel_free: 0,
            held: [0; 2],
            tensor_held: 0,
        }
    }

    /// Rows of one chunk for every value.
    pub(crate) fn chunks(&self) -> usize {
        self.slots / self.width.lanes()
    }

    /// Sets a mark. Of a nested pair the first one is set before the second.
    pub(crate) fn mark(&mut self, fx: Fx, row: usize) {
        self.draft.mark(fx, row);
    }

    /// Begins the rows of a tensor with a claim of their own.
    pub(crate) fn begin_claim(&mut self) {
        self.mark(Fx::Claim, self.row);
    }

    /// A row on which a claim without rows of its own begins.
    pub(crate) fn claim(&mut self) {
        self.begin_claim();
        self.row += 1;
    }

    /// Moves behind everything that is scheduled.
    pub(crate) fn flush(&mut self) {
        let last = self.held.into_iter().fold(self.tensor_held, usize::max);
        self.row = self.row.max(last + 1);
        self.kernel_free = self.row;
    }

    /// Adds the kernel, which is complete in front of the next row, times `z^steps lambda^claims`, to the claims.
    pub(crate) fn bare(&mut self, steps: usize, claims: usize) {
        let turns = [(Fx::KernelStep, steps), (Fx::KernelClaim, claims)];
        for fx in turns.into_iter().flat_map(|(fx, n)| std::iter::repeat_n(fx, n)) {
            self.mark(fx, self.row);
            self.row += 1;
        }
        self.mark(Fx::Bare, self.row);
        self.row += 1;
        self.kernel_free = self.row;
    }

    /// A position whose `chunks` rows end where the folds move; returns its first and last row.
    pub(crate) fn position(&mut self, chunks: usize, moves: Moves) -> (usize, usize) {
        let needed = [moves.image.rows(), moves.outputs.rows(), moves.rows, chunks];
        let rows = needed.into_iter().fold(1, usize::max);
        let mut last = self.row + rows - 1;
        for (held, by) in self.held.into_iter().zip([moves.image, moves.outputs]) {
            if by.rows() > 0 {
                last = last.max(held + by.rows());
            }
        }
        let columns = [
            (moves.image, Fx::ImageReset, Fx::ImageStep),
            (moves.outputs, Fx::OutputsReset, Fx::OutputsStep),
        ];
        for (by, reset, step) in columns {
            match by {
                Move::Reset => self.mark(reset, last),
                Move::Steps(n) => (0..n as usize).for_each(|i| self.mark(step, last - i)),
            }
        }
        self.mark(Fx::Position, last);
        self.row = last + 1;
        (last + 1 - chunks, last)
    }

    /// Makes sure that a position of `chunks` rows ends where the tensor may be changed.
    pub(crate) fn await_tensor(&mut self, chunks: usize) {
        self.row = self.row.max((self.tensor_held + 2).saturating_sub(chunks));
    }

    /// The outputs of a channel are complete on `row`.
    pub(crate) fn channel(&mut self, row: usize, is_first: bool) {
        self.mark(Fx::Channel, row);
        if !is_first {
            self.mark(Fx::ChannelFold, row);
        }
        self.tensor_held = row;
    }

    /// The same, and the tensor keeps what it has.
    pub(crate) fn channel_kept(&mut self, row: usize) {
        self.mark(Fx::Channel, row);
        self.mark(Fx::ChannelKeep, row);
        self.tensor_held = row;
    }

    /// Subtracts the tensor, which the last channel completed, times `z^steps lambda^claims`.
    pub(crate) fn close(&mut self, steps: i64, claims: usize) {
        for _ in 0..steps {
            self.tensor_held += 1;
            self.mark(Fx::TensorStep, self.tensor_held);
        }
        for _ in 1..claims {
            self.tensor_held += 1;
            self.mark(Fx::TensorClaim, self.tensor_held);
        }
        self.mark(Fx::Close, self.tensor_held);
    }

    /// Adds the product of a kernel with the image, or with the outputs if `held`, that is complete
    /// on row `complete`.
    pub(crate) fn product(&mut self, program: &Program, held: bool, complete: usize) {
        let len = program.0.len();
        let end = complete.max(self.kernel_free + len - 1);
        for (i, step) in program.0.iter().enumerate() {
            let row = end + 1 - len + i;
            let marks = [
                (step.fold, Fx::WeightFold),
                (step.word, Fx::Word),
                (step.tap, Fx::Tap),
                (step.reset, Fx::KernelReset),
                (step.step, Fx::KernelStep),
                (step.claim, Fx::KernelClaim),
            ];
            for (_, fx) in marks.into_iter().filter(|(set, _)| *set) {
                self.mark(fx, row);
            }
            for (lane, w) in step.weights.iter().enumerate().filter(|(_, w)| **w != Fr::ZERO) {
                self.draft.weight(row, lane, *w);
            }
        }
        self.mark(if held { Fx::ProductHeld } else { Fx::Product }, end);
        self.kernel_free = end + 1;
        let at = &mut self.held[usize::from(held)];
        *at = (*at).max(end);
    }
}
