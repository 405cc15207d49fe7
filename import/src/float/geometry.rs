//! How windows meet an image.

use dn_core::quant::{Geometry, Shape, MAX_LEN};

/// Most multiply-accumulates of one operation on one example.
const MAX_MACS: usize = 1 << 34;

/// The windows of a convolution or a pool; rows first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    /// Above and to the left.
    pub(crate) pad: [usize; 2],
    /// Below and to the right.
    pub(crate) pad_end: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// Whether a last window that is partly outside counts.
    pub(crate) ceil: bool,
}

impl Window {
    /// A kernel with stride 1 and without padding.
    pub(crate) fn plain(kernel: [usize; 2]) -> Self {
        let none = [0; 2];
        Self { kernel, stride: [1; 2], pad: none, pad_end: none, dilation: [1; 2], ceil: false }
    }

    /// The same with groups of channels.
    pub(crate) fn geometry(&self, groups: usize) -> Geometry {
        let Self { kernel, stride, pad, dilation, .. } = *self;
        Geometry { kernel, stride, pad, dilation, groups }
    }

    /// Rows and columns of the output, or why there are none.
    pub(crate) fn output(&self, input: Shape) -> Result<[usize; 2], String> {
        let mut out = [0; 2];
        for (axis, from) in [input.height, input.width].into_iter().enumerate() {
            let [kernel, stride, pad, end, dilation] =
                [self.kernel, self.stride, self.pad, self.pad_end, self.dilation].map(|x| x[axis]);
            if [kernel, stride, dilation].iter().any(|x| !(1..=MAX_LEN).contains(x)) {
                return Err("a kernel, stride or dilation is zero or too large".to_owned());
            }
            if pad > MAX_LEN || end > MAX_LEN {
                return Err("a padding is too large".to_owned());
            }
            let span = (kernel - 1).saturating_mul(dilation).saturating_add(1);
            let room = (from + pad + end).checked_sub(span).ok_or_else(|| {
                format!("a window of {span} exceeds the padded extent {}", from + pad + end)
            })?;
            out[axis] = if self.ceil { room.div_ceil(stride) } else { room / stride } + 1;
            if self.ceil && (out[axis] - 1) * stride >= from + pad {
                out[axis] -= 1;
            }
            if out[axis] == 0 {
                return Err("the output is empty".to_owned());
            }
        }
        Ok(out)
    }
}

/// Input index that tap `tap` of output `output` reads along `axis`; negative in the padding.
pub(crate) fn reads(g: &Geometry, axis: usize, output: usize, tap: usize) -> i64 {
    (output * g.stride[axis] + tap * g.dilation[axis]) as i64 - g.pad[axis] as i64
}

/// Whether a window of `g` on `input` reads a place outside of it.
pub(crate) fn reads_outside(g: &Geometry, input: Shape, output: Shape) -> bool {
    [(input.height, output.height), (input.width, output.width)].into_iter().enumerate().any(
        |(axis, (from, to))| {
            g.pad[axis] > 0 || reads(g, axis, to - 1, g.kernel[axis] - 1) >= from as i64
        },
    )
}

/// Checks that a value with these extents can be held.
pub(crate) fn shape(channels: usize, [height, width]: [usize; 2]) -> Result<Shape, String> {
    let len = channels.checked_mul(height).and_then(|n| n.checked_mul(width));
    match len {
        Some(0) => Err("an extent is zero".to_owned()),
        Some(n) if n <= MAX_LEN => Ok(Shape { channels, height, width }),
        _ => Err(format!("a tensor of {channels} x {height} x {width} is too large")),
    }
}

/// Length of the weights of a convolution, if they and the work can be afforded.
pub(crate) fn weights_len(g: &Geometry, input: Shape, output: Shape) -> Result<usize, String> {
    let factors = [g.kernel[0], g.kernel[1], input.channels / g.groups, output.channels];
    let len = factors.into_iter().try_fold(1usize, usize::checked_mul);
    let len = len.filter(|n| *n <= MAX_LEN).ok_or("there are too many weights")?;
    let macs = len.checked_mul(output.positions()).filter(|n| *n <= MAX_MACS);
    macs.map(|_| len).ok_or_else(|| "there are too many multiplications".to_owned())
}
