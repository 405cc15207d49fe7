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
    // Rows of values and scores alone: what is larger is not counted row by row.
    let channels: usize = (0..=sequence.layers.len()).map(|at| sequence.channels(at)).sum();
    let scores = sequence.layers.iter().map(|layer| match layer {
        Layer::Attention(a) => a.heads * tokens,
        _ => 0,
    });
    let columns = channels + scores.sum::<usize>();
    let rows = table_rows(sequence).max(columns.saturating_mul(tokens / lanes * slots));
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
        Layer::Attention(a) => {
            let depth = sequence.channels(a.value) / a.heads;
            holds(depth.is_multiple_of(lanes), "a head's channels do not fill rows of eight")?;
            let read = [a.query, a.key, a.value];
            let is_apart = read[0] != read[1] && read[1] != read[2] && read[0] != read[2];
            holds(is_apart, "queries, keys and values are not three tensors")?;
            read.into_iter().try_for_each(|tensor| {
                let layer = tensor.checked_sub(1).map(|layer| &sequence.layers[layer]);
                holds(
                    matches!(layer, Some(Layer::Linear(_))),
                    "queries, keys or values are not a dense layer's",
                )?;
                let reads = |l: &Layer| l.reads().contains(&tensor);
                let readers = sequence.layers.iter().filter(|l| reads(l)).count();
                holds(readers == 1, "something else reads its queries, keys or values")
            })
        }
        Layer::ArgMax { .. } => Err("an arg-max has no rows yet"),
    }
}
