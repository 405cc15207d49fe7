//! Which sequence models have rows, and in which order their values stand.

use dn_core::quant::sequence::{Layer, Sequence};
use dn_core::statement::Form;
use dn_core::{Scoring, Width};

use crate::plan::frame::{Frame, PlanError, MAX_K, MAX_SLOTS};
use crate::system::sequence::table_rows;

/// Whether a tensor's rows hold channels of a token, instead of tokens of a channel.
pub(super) fn is_by_token(sequence: &Sequence, tensor: usize) -> bool {
    tensor.checked_sub(1).is_some_and(|i| matches!(sequence.layers[i], Layer::Residual(_)))
}

/// The norm that reads a tensor.
pub(super) fn norm_of(sequence: &Sequence, tensor: usize) -> Option<usize> {
    let reads = |layer: &Layer| matches!(layer, Layer::Norm(n) if n.tensor == tensor);
    sequence.layers.iter().position(reads)
}

/// Largest number of layers between a tensor and one that reads it.
pub(super) fn depth(sequence: &Sequence) -> usize {
    let distance = |(layer, l): (usize, &Layer)| {
        l.reads().into_iter().map(|tensor| layer + 1 - tensor).max().unwrap_or(1)
    };
    sequence.layers.iter().enumerate().map(distance).max().unwrap_or(1)
}

pub(crate) fn check(sequence: &Sequence, frame: Frame) -> Result<(), PlanError> {
    if frame.width != Width::Sequence || frame.scoring != Scoring::None {
        return Err(PlanError::Layout { width: frame.width, model: "sequences" });
    }
    let (slots, lanes, tokens) = (frame.slots, frame.width.lanes(), sequence.tokens);
    if frame.form == Form::Digest && !slots.is_multiple_of(2) {
        return Err(PlanError::Slots { slots, lanes: 2 });
    }
    if slots == 0 {
        return Err(PlanError::Slots { slots, lanes: 1 });
    }
    if slots > MAX_SLOTS {
        return Err(PlanError::TooManySlots { slots });
    }
    if !tokens.is_multiple_of(lanes) {
        return Err(PlanError::Tokens { tokens, lanes });
    }
    for (layer, l) in sequence.layers.iter().enumerate() {
        check_layer(sequence, layer, l, lanes).map_err(|what| PlanError::Layer { layer, what })?;
    }
    // Rows of the values alone: what is larger is not counted row by row.
    let channels: usize = (0..=sequence.layers.len()).map(|at| sequence.channels(at)).sum();
    let rows = table_rows(sequence).max(channels.saturating_mul(tokens / lanes * slots));
    if rows > 1 << MAX_K {
        return Err(PlanError::Rows { rows });
    }
    Ok(())
}

fn check_layer(
    sequence: &Sequence,
    index: usize,
    layer: &Layer,
    lanes: usize,
) -> Result<(), &'static str> {
    let holds = |is_so: bool, what| if is_so { Ok(()) } else { Err(what) };
    match layer {
        Layer::Embedding(_) => Ok(()),
        Layer::Linear(l) => holds(
            !is_by_token(sequence, l.tensor),
            "it reads a residual sum; a norm must stand between",
        ),
        Layer::Residual(r) => {
            let branch = r.branch.as_ref();
            holds(
                branch.is_none_or(|(tensor, _)| !is_by_token(sequence, *tensor)),
                "its branch is a residual sum; a norm must stand between",
            )?;
            let channels = sequence.channels(index + 1);
            holds(channels.is_multiple_of(lanes), "its channels do not fill rows of eight")
        }
        Layer::Norm(n) => {
            holds(is_by_token(sequence, n.tensor), "it reads something else than a residual sum")?;
            let is_first = norm_of(sequence, n.tensor) == Some(index);
            holds(is_first, "another norm reads the same residual sum")
        }
        Layer::Attention(_) => Err("attention has no rows yet"),
        Layer::ArgMax { .. } => Err("an arg-max has no rows yet"),
    }
}
