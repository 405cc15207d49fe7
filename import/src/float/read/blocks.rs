//! Blocks of an image as channels, and back.

use super::axes::permuted_index;
use super::select::Selection;
use crate::onnx;

/// Extents of a batch of images.
fn image(dims: &[usize], block: i64) -> Result<(usize, [usize; 4]), String> {
    let block = usize::try_from(block).ok().filter(|b| (1..=64).contains(b));
    match (dims, block) {
        ([n, c, h, w], Some(block)) => Ok((block, [*n, *c, *h, *w])),
        (_, None) => Err("the block size is not between 1 and 64".to_owned()),
        _ => Err(format!("{dims:?} is not a batch of images")),
    }
}

pub(super) fn depth_to_space(node: &onnx::Node, dims: &[usize]) -> Result<Selection, String> {
    let (b, [n, c, h, w]) = image(dims, node.int("blocksize", 0))?;
    if !c.is_multiple_of(b * b) {
        return Err(format!("{c} channels are no multiple of the block's {}", b * b));
    }
    let out = c / (b * b);
    let (split, order) = match node.text("mode") {
        "" | "DCR" => ([n, b, b, out, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, out, b, b, h, w], [0, 1, 4, 2, 5, 3]),
        mode => return Err(format!("mode {mode:?} is not known")),
    };
    let (_, index) = permuted_index(&split, &order);
    Ok(Selection::of(vec![n, out, h * b, w * b], index))
}

pub(super) fn space_to_depth(node: &onnx::Node, dims: &[usize]) -> Result<Selection, String> {
    let (b, [n, c, h, w]) = image(dims, node.int("blocksize", 0))?;
    if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
        return Err(format!("blocks of {b} do not tile {h} x {w}"));
    }
    let (_, index) = permuted_index(&[n, c, h / b, b, w / b, b], &[0, 3, 5, 1, 2, 4]);
    Ok(Selection::of(vec![n, c * b * b, h / b, w / b], index))
}
