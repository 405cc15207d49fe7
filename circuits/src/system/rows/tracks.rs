//! Marks that run beside rows of several kinds: at most one of each group is set on a row.

use crate::system::steering::Fx;

/// Images and outputs of channels, and kernels.
pub(crate) const FOLDS: &[&[Fx]] = &[
    &[Fx::Position],
    &[Fx::ImageReset, Fx::ImageStep],
    &[Fx::OutputsReset, Fx::OutputsStep],
    &[Fx::Weight0],
    &[Fx::WeightFold],
    &[Fx::Word],
    // A kernel is moved to its claim when its taps are complete.
    &[Fx::Tap, Fx::KernelClaim],
    &[Fx::KernelReset, Fx::KernelStep],
    &[Fx::Product],
    &[Fx::ProductHeld],
];

/// Tensors of layers.
pub(crate) const TENSORS: &[&[Fx]] = &[
    &[Fx::Claim],
    &[Fx::Channel],
    &[Fx::ChannelFold],
    &[Fx::TensorStep, Fx::TensorClaim],
    &[Fx::Close],
];

/// Words of inputs. They end behind the last value.
pub(crate) const WORDS: &[&[Fx]] = &[&[Fx::Scale], &[Fx::WordStep], &[Fx::Pack, Fx::WordsDone]];

/// Words of sequences, beside values that lanes of tokens hold.
pub(crate) const LANES: &[&[Fx]] = &[
    &[Fx::Pack],
    &[Fx::Split],
    &[Fx::WordKeep],
    &[Fx::WordStep],
    &[Fx::Words],
    &[Fx::ImageTau],
    &[Fx::OutputsAlone],
];

/// Public inputs, which stand on rows from 0 on.
pub(crate) const PUBLIC: &[&[Fx]] = &[&[Fx::Read], &[Fx::ReadScale]];

/// A task's fold, and where a section of tasks ends.
pub(crate) const ITEMS: &[&[Fx]] = &[&[Fx::Item], &[Fx::ItemFold]];
