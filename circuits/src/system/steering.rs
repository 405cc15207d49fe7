//! What the fixed columns do, and which of them share a column.
//!
//! Steering bits that are never set on one row, or of which one implies the other, share a column
//! with the values 0, 1 and 2 where their gates have a degree to spare. With `s` the cell:
//!
//! ```text
//! exclusive      first = s (2 - s)        second = s (s - 1) / 2
//! nested         first = s (3 - s) / 2    second = s (s - 1) / 2
//! ```

use ff::Field;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::Expression;

use dn_core::Width;

/// Weights side by side in one row.
pub(crate) const fn weight_lanes(width: Width) -> usize {
    match width {
        Width::Narrow => 2,
        Width::Default | Width::Sequence => 8,
        Width::Wide => 16,
    }
}

/// Column of constant `k` of a hash row: weights where there are enough, else what else is idle there.
pub(crate) fn round_constant(width: Width, k: usize) -> usize {
    let weights = weight_lanes(width);
    let idle = [Fx::Offset, Fx::TagA, Fx::TagB, Fx::Scale];
    if k < weights {
        Fx::Weight0.index(width) + k
    } else {
        idle[k - weights].index(width)
    }
}

/// Declares the fixed columns, in order, so that all that counts or lists them follows.
macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The fixed columns, by what they do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fx {
            $($(#[$doc])* $name,)*
        }

        /// Number of them, the weights being one.
        pub(crate) const MARKS: usize = [$(Fx::$name),*].len();

        impl Fx {
            /// Every one, in order.
            pub(crate) const ALL: [Self; MARKS] = [$(Self::$name),*];
        }
    };
}

/// A set of marks is one number.
const _: () = assert!(MARKS <= u128::BITS as usize, "too many marks for a set");

columns! {
    /// 1 where the two lookups of every lane apply.
    Lookup,
    /// 1 on every used row.
    Active,
    /// Table tag of the pair (`hi`, `out`).
    TagA,
    /// Table tag of (`lo`, 0); 1 on the first message of an output.
    TagB,
    /// Range of remainders on activations; what folded words are multiplied by on inputs; 1 on the first
    /// block of an input's message.
    Scale,
    /// Constant of the accumulator; minus the zero point of the second value on inputs; tag of a
    /// hashed message.
    Offset,
    /// Table: tag.
    Table0,
    /// Table: first value.
    Table1,
    /// Table: second value.
    Table2,
    /// First of the weight columns; round constants on hash rows, class numbers on class rows, what a label
    /// counts in its word on score rows.
    Weight0,
    /// Another chunk of the same position: fold by tau^LANES.
    Chunk,
    /// Spilled coefficients of three chunks, scaled by this.
    Spill,
    /// Three more chunks of the same coefficient: fold by tau^(3 LANES).
    SpillFold,
    /// Factors of products, and minus what these are scaled by.
    Factors,
    /// A position is complete: add it to the image and to the outputs.
    Position,
    /// Forget the image.
    ImageReset,
    /// Multiply the image by z.
    ImageStep,
    /// Forget the outputs of the channel.
    OutputsReset,
    /// Multiply the outputs of the channel by z.
    OutputsStep,
    /// A channel's outputs are complete: add them to the tensor.
    Channel,
    /// The same, except for the first channel: fold by e.
    ChannelFold,
    /// Multiply the tensor by z.
    TensorStep,
    /// Multiply the tensor by lambda.
    TensorClaim,
    /// Another row of weights: fold by e^WEIGHT_LANES.
    WeightFold,
    /// The row's weights pack words: scaled by omega.
    Word,
    /// The weights of a tap are complete: add them to the kernel.
    Tap,
    /// Forget the kernel.
    KernelReset,
    /// Multiply the kernel by z.
    KernelStep,
    /// Multiply the kernel by lambda.
    KernelClaim,
    /// Add the product of image and kernel.
    Product,
    /// Add the product of the channel's outputs and the kernel.
    ProductHeld,
    /// A tensor begins: separate its claim by lambda.
    Claim,
    /// A tensor ends: subtract its folded accumulators.
    Close,
    /// Inputs: multiply folded words by e and this.
    WordStep,
    /// Inputs: add the row's values to the folded words.
    Pack,
    /// Inputs: folded words are complete.
    WordsDone,
    /// Hash: full round, except for a message's; in the narrow layout the first half of any.
    Full,
    /// Hash: six partial rounds.
    Partial,
    /// The same, first row of them.
    PartialFirst,
    /// Hash: leave the partial rounds.
    PartialLast,
    /// Hash: a block of a message and the first full round.
    Absorb,
    /// The same, except for the first block.
    AbsorbNext,
    /// A task's folded words or output bytes are complete.
    Item,
    /// The same, except for the first task of a section: fold by tau.
    ItemFold,
    /// Subtract the folded words, scaled by omega.
    CloseWords,
    /// Subtract the folded output bytes; add the salts of inputs.
    CloseCopies,
    /// Separate a published value by rho.
    Publish,
    /// Publish a hash.
    PublishHash,
    /// Instance row: separate by rho.
    Read,
    /// Instance row: its coefficient.
    ReadScale,
    /// A row of a task's classes.
    Classes,
    /// The same, except for the first row.
    ClassesNext,
    /// A task's score.
    Score,
    /// Sequences: the stored zero of `out`.
    Zero,
    /// Sequences: accumulators of the lanes fold by e.
    AccumulatorsByE,
    /// Sequences: add the squares of the lanes' values, scaled by this.
    Squares,
    /// Sequences: a token's root, and what products with it are scaled by.
    Norm,
    /// Sequences: a word ends within the row.
    Split,
    /// Sequences: multiply folded words by this.
    WordKeep,
    /// Sequences: the weights are constants of the lanes' accumulators.
    BiasLane,
    /// Sequences: more channels of the same token: fold by e^LANES.
    ChunkE,
    /// Sequences: multiply the kernel by tau.
    KernelTau,
    /// Sequences: keep the squares of the channels before.
    SquaresKeep,
    /// Sequences: the words of a sequence are complete: add them to the image.
    Words,
    /// Sequences: multiply the outputs by tau.
    OutputsTau,
    /// Sequences: add the accumulators to the outputs, and nothing to the image.
    OutputsAlone,
    /// Sequences: multiply the image by tau.
    ImageTau,
    /// Sequences: add the kernel to the claims.
    Bare,
    /// Sequences: values of the lanes fold by e.
    ValuesByE,
    /// Sequences: add the product of image and values to the kernel, scaled by this.
    Pair,
    /// Sequences: the values take omega, times this.
    PairOmega,
    /// Sequences: more lanes of the same: values fold by e^LANES, accumulators by tau^LANES.
    ChunkValuesE,
    /// Sequences: the same, values by tau^LANES and accumulators by e^LANES.
    ChunkAccumulatorsE,
    /// Sequences: multiply the outputs by e.
    OutputsE,
    /// Sequences: a channel is added to what the tensor has.
    ChannelKeep,
    /// Sequences: the outputs take the accumulators times omega.
    OutputsOmega,
    /// Sequences: multiply tensor and kernel by tau^LANES.
    SequenceStep,
}

/// Marks that the layout of sequences does not have.
const OF_GRAPHS: [Fx; 7] =
    [Fx::Spill, Fx::SpillFold, Fx::Factors, Fx::WordsDone, Fx::Classes, Fx::ClassesNext, Fx::Score];

/// Pairs that no kind of row has together ([`super::rows`] proves it), and that share a column.
pub(super) const EXCLUSIVE: [(Fx, Fx); 21] = [
    (Fx::Chunk, Fx::SpillFold),
    (Fx::Position, Fx::Publish),
    (Fx::ImageReset, Fx::ImageStep),
    (Fx::OutputsReset, Fx::OutputsStep),
    (Fx::TensorStep, Fx::TensorClaim),
    (Fx::WeightFold, Fx::AbsorbNext),
    (Fx::Word, Fx::Read),
    (Fx::Tap, Fx::KernelClaim),
    (Fx::KernelReset, Fx::KernelStep),
    (Fx::Claim, Fx::CloseWords),
    (Fx::Pack, Fx::WordsDone),
    (Fx::PartialFirst, Fx::ClassesNext),
    (Fx::PartialLast, Fx::PublishHash),
    (Fx::Close, Fx::CloseCopies),
    (Fx::ChunkE, Fx::KernelTau),
    (Fx::SquaresKeep, Fx::Words),
    (Fx::OutputsTau, Fx::OutputsAlone),
    (Fx::ImageTau, Fx::Bare),
    (Fx::ChunkValuesE, Fx::ChunkAccumulatorsE),
    (Fx::OutputsE, Fx::ChannelKeep),
    (Fx::OutputsOmega, Fx::SequenceStep),
];

/// Pairs of which the second implies the first.
pub(crate) const NESTED: [(Fx, Fx); 2] = [(Fx::Channel, Fx::ChannelFold), (Fx::Item, Fx::ItemFold)];

/// Whole columns that are one: where the first is not zero beside public inputs, nothing reads what
/// it spills; where the second is not zero behind them, the public input is 0.
pub(crate) const SAME: [(Fx, Fx); 1] = [(Fx::Spill, Fx::ReadScale)];

/// The mark that a mark's column is named for: itself, or the first one of its pair.
const fn column(fx: Fx) -> Fx {
    const fn partner(pairs: &[(Fx, Fx)], fx: Fx) -> Fx {
        let mut i = 0;
        while i < pairs.len() {
            if pairs[i].1 as usize == fx as usize {
                return pairs[i].0;
            }
            i += 1;
        }
        fx
    }
    partner(&SAME, partner(&NESTED, partner(&EXCLUSIVE, fx)))
}

/// Columns of a layout that are named for marks in front of `end`, the weights being one.
const fn columns_before(end: usize, width: Width) -> usize {
    let (mut named, mut count) = (0, 0);
    while named < end {
        let mut i = named;
        while i < MARKS {
            if column(Fx::ALL[i]) as usize == named && Fx::ALL[i].is_in(width) {
                count += 1;
                break;
            }
            i += 1;
        }
        named += 1;
    }
    count
}

/// Number of fixed columns.
#[must_use]
pub const fn fixed_columns(width: Width) -> usize {
    columns_before(MARKS, width) - 1 + weight_lanes(width)
}

/// How a fixed column is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// It has the column to itself.
    Whole,
    /// 1, and the second bit 2.
    First,
    /// The first bit of a nested pair: 1 or 2.
    Outer,
    /// 2.
    Second,
}

impl Share {
    /// The value of the bit, or of the whole column.
    pub(crate) fn read(self, cell: Expression<Fr>) -> Expression<Fr> {
        let constant = |x: u64| Expression::Constant(Fr::from(x));
        let half = (Fr::ONE + Fr::ONE).invert().unwrap_or(Fr::ZERO);
        match self {
            Self::Whole => cell,
            Self::First => cell.clone() * (constant(2) - cell),
            Self::Outer => cell.clone() * (constant(3) - cell) * half,
            Self::Second => cell.clone() * (cell - constant(1)) * half,
        }
    }
}

impl Fx {
    /// Its bit in a set of marks.
    pub(crate) const fn bit(self) -> u128 {
        1 << self as u32
    }

    /// Whether a layout has it.
    pub(crate) const fn is_in(self, width: Width) -> bool {
        match width {
            Width::Narrow | Width::Default | Width::Wide => (self as u32) < Self::Zero as u32,
            Width::Sequence => {
                let mut i = 0;
                while i < OF_GRAPHS.len() && OF_GRAPHS[i] as u32 != self as u32 {
                    i += 1;
                }
                i == OF_GRAPHS.len()
            }
        }
    }

    /// Whether it has its column to itself, which may then have any value.
    pub(crate) const fn is_whole(self) -> bool {
        let mut i = 0;
        while i < EXCLUSIVE.len() {
            if EXCLUSIVE[i].0 as u32 == self as u32 || EXCLUSIVE[i].1 as u32 == self as u32 {
                return false;
            }
            i += 1;
        }
        let mut i = 0;
        while i < NESTED.len() {
            if NESTED[i].0 as u32 == self as u32 || NESTED[i].1 as u32 == self as u32 {
                return false;
            }
            i += 1;
        }
        true
    }

    /// The pair that it belongs to, and whether it is nested.
    fn pair(self) -> Option<((Self, Self), bool)> {
        let has = |p: &&(Self, Self)| p.0 == self || p.1 == self;
        let exclusive = EXCLUSIVE.iter().find(has).map(|p| (*p, false));
        exclusive.or_else(|| NESTED.iter().find(has).map(|p| (*p, true)))
    }

    pub(crate) fn is_nested(self) -> bool {
        self.pair().is_some_and(|(_, is_nested)| is_nested)
    }

    pub(crate) fn share(self) -> Share {
        match self.pair() {
            None => Share::Whole,
            Some(((_, second), _)) if second == self => Share::Second,
            Some((_, true)) => Share::Outer,
            Some((_, false)) => Share::First,
        }
    }

    /// Index among the fixed columns of a layout that has it.
    pub(crate) fn index(self, width: Width) -> usize {
        let column = column(self) as usize;
        let weights = if column > Self::Weight0 as usize { weight_lanes(width) - 1 } else { 0 };
        columns_before(column, width) + weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(share: Share, cell: u64) -> Fr {
        let read = share.read(Expression::Constant(Fr::from(cell)));
        read.evaluate(
            &|x| x,
            &|_| Fr::ZERO,
            &|_| Fr::ZERO,
            &|_| Fr::ZERO,
            &|_| Fr::ZERO,
            &|_| Fr::ZERO,
            &|x| -x,
            &|a, b| a + b,
            &|a, b| a * b,
            &|a, x| a * x,
        )
    }

    #[test]
    fn shared_bits_are_read_apart() {
        let bits = |share| [0, 1, 2].map(|cell| value(share, cell));
        let (zero, one) = (Fr::ZERO, Fr::ONE);
        assert_eq!(bits(Share::First), [zero, one, zero]);
        assert_eq!(bits(Share::Outer), [zero, one, one]);
        assert_eq!(bits(Share::Second), [zero, zero, one]);
    }

    #[test]
    fn every_column_has_an_index() {
        for width in Width::ALL.into_iter().chain([Width::Sequence]) {
            let mut pairs = EXCLUSIVE.iter().chain(&NESTED).chain(&SAME);
            let same = |(a, b): &(Fx, Fx)| a.index(width) == b.index(width);
            assert!(pairs.all(|p| (p.0 as usize) < p.1 as usize && same(p)));
            let marks = Fx::ALL.into_iter().filter(|fx| fx.is_in(width));
            let mut columns: Vec<usize> = marks.map(|fx| fx.index(width)).collect();
            let weights = Fx::Weight0.index(width);
            columns.extend(weights..weights + weight_lanes(width));
            columns.sort_unstable();
            columns.dedup();
            assert!(columns.into_iter().eq(0..fixed_columns(width)));
        }
    }

    #[test]
    fn layouts_have_the_columns_that_keys_are_made_of() {
        assert_eq!(Width::ALL.map(fixed_columns), [37, 43, 51]);
        assert_eq!(fixed_columns(Width::Sequence), 57);
    }
}
