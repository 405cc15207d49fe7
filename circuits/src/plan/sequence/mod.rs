//! Writes a sequence model as a program in the fixed columns.
//!
//! ```text
//! row 0        idle
//! digest       as of graphs
//! hashes       per sequence: Poseidon of its tokens
//! tokens       per sequence: its tokens, as many as lanes a row                  (words folded)
//! layers       embedding, dense layer, norm: per channel, per sequence: such rows
//!              residual sum: per token: its channels, as many as lanes a row; its root, if a norm reads it
//! zeros        words without labels
//! outputs      per sequence: Poseidon of the last tensor
//! ```
//!
//! With `n` counting the tokens of all sequences, `N` in number, the claim of a layer with `C` channels is
//!
//! ```text
//! left = sum_c e^(C-1-c) sum_n tau^(N-1-n) Y[n, c]
//!
//! embedding   left = (sum_n tau^(N-1-n) id[n]) sum_c e^(C-1-c)
//! dense       left = sum_i X_i K_i          X_i = sum_n tau^(N-1-n) x[n, i], K_i = sum_o e^(C-1-o) w[o, i]
//! residual    left = the same of its branch, and weight sum_n tau^(N-1-n) sum_c e^(C-1-c) old[n, c]
//! norm        left = sum_n tau^(N-1-n) s[n] sum_c e^(C-1-c) x[n, c]
//! ```
//!
//! Both sides are polynomials in `tau` and `e` whose coefficients are integers below `2^60`; no two values have one
//! monomial. Claims are kept apart by lambda: layer `i` has one that its first row begins.

mod check;
mod words;

use dn_core::commitment::{DOMAIN_INPUT, DOMAIN_OUTPUT};
use dn_core::quant::sequence::{Layer, Residual, Sequence};
use dn_core::statement::Form;
use halo2_proofs::halo2curves::bn256::Fr;

use super::frame::{Frame, PlanError};
use super::kernel::Program;
use super::sections::Sections;
use super::writer::{Move, Moves, Writer};
use crate::field::signed;
use crate::system::rows::{activation, embedding, root, sum, token};
use crate::system::sequence::Looked;
use crate::system::steering::Fx;
use crate::system::table::{Division, Table};
pub(super) use check::check;
use check::{depth, norm_of};
use words::Words;

/// Where the rows of a sequence model stand, and what they look up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Laid {
    /// By layer.
    pub(crate) looked: Vec<Looked>,
    /// First row of the tokens.
    pub(crate) tokens: usize,
    /// By layer: first row of each channel, or of each token where rows hold channels.
    pub(crate) values: Vec<Vec<usize>>,
}

/// What every layer's rows are written from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model<'a> {
    pub(super) sequence: &'a Sequence,
    pub(super) table: &'a Table,
    pub(super) looked: &'a [Looked],
}

/// Writes every row of a model; returns where they stand.
pub(super) fn write(w: &mut Writer, model: Model<'_>) -> (Sections, Laid) {
    let sequence = model.sequence;
    let mut sections = Sections::default();
    let mut laid = Laid { looked: model.looked.to_vec(), ..Laid::default() };
    if w.form == Form::Digest {
        w.row = Form::Digest.instances(w.slots);
        sections.digest = w.row;
        w.branches();
    }
    sections.input_hashes = w.row;
    w.hashes(DOMAIN_INPUT, sequence.tokens);
    sections.values = w.row;
    w.flush();
    laid.tokens = w.row;
    model.tokens(w);
    for (layer, l) in sequence.layers.iter().enumerate() {
        sections.node_starts.push(w.row);
        w.begin_claim();
        laid.values.push(match l {
            Layer::Residual(r) => model.sums(w, layer, r),
            Layer::Embedding(_)
            | Layer::Linear(_)
            | Layer::Norm(_)
            | Layer::Attention(_)
            | Layer::ArgMax { .. } => model.channels(w, layer),
        });
        w.close(0, depth(sequence));
        w.flush();
    }
    w.draft.gaps(sections.values..w.row);
    sections.quality = w.row;
    w.zeros();
    sections.output_hashes = w.row;
    w.hashes(DOMAIN_OUTPUT, sequence.output_len());
    w.instance();
    (sections, laid)
}

impl Model<'_> {
    /// Rows of one channel.
    fn chunks(&self, w: &Writer) -> usize {
        w.slots * self.sequence.tokens / w.width.lanes()
    }

    /// The digits from `first` on of every sequence, whose rows begin at `row`.
    fn words(&self, w: &mut Writer, row: usize, first: usize) -> Words {
        let (tokens, lanes) = (self.sequence.tokens, w.width.lanes());
        let (mut row, mut last) = (row, Words::default());
        for slot in 0..w.slots {
            let mut words = Words::default();
            for token in (0..tokens).step_by(lanes) {
                words.pack(w, row, first + token);
                row += 1;
            }
            Words::end(w, row - 1, slot);
            last = words;
        }
        last
    }

    /// The tokens' rows, their words and the products with embeddings.
    fn tokens(&self, w: &mut Writer) {
        let first = w.row;
        let row = first + self.chunks(w) - 1;
        for r in first..=row {
            token::marks(&mut w.draft, r, r == first, self.table.tag_input);
        }
        let words = self.words(w, first, 0);
        w.mark(Fx::OutputsReset, row);
        w.mark(Fx::OutputsAlone, row);
        w.row = row + 1;
        w.flush();
        if let Some(program) = words.program(self.sequence.tokens, w.width) {
            w.product(&program, false, row);
        }
        for (layer, l) in self.sequence.layers.iter().enumerate() {
            if let Layer::Embedding(e) = l {
                let ones = vec![Fr::one(); e.channels];
                let program = Program::dense(&ones, self.claims(0, layer), w.width);
                w.product(&program, true, row);
            }
        }
        w.flush();
    }

    /// How many claims a product of a tensor with a layer's kernel is moved on.
    fn claims(&self, tensor: usize, layer: usize) -> usize {
        depth(self.sequence) - (layer + 1 - tensor)
    }

    /// Rows that hold tokens of a channel; returns the first one of each channel.
    fn channels(&self, w: &mut Writer, layer: usize) -> Vec<usize> {
        let (chunks, channels) = (self.chunks(w), self.sequence.channels(layer + 1));
        let is_last = layer + 1 == self.sequence.layers.len();
        let mut rows = Vec::with_capacity(channels);
        for channel in 0..channels {
            let (first, row) = if is_last {
                self.answers(w, channel)
            } else {
                w.await_tensor(chunks);
                w.position(chunks, Moves { image: Move::Reset, outputs: Move::Reset, rows: 0 })
            };
            for r in first..=row {
                self.values(w, (layer, channel), r, r == first);
            }
            w.channel(row, channel == 0);
            rows.push(first);
            self.products(w, layer + 1, channel, row);
        }
        rows
    }

    /// Rows of a channel of the last tensor, whose words the image takes; returns the first and the last one.
    fn answers(&self, w: &mut Writer, channel: usize) -> (usize, usize) {
        w.flush();
        let (first, row) = (w.row, w.row + self.chunks(w) - 1);
        let words = self.words(w, first, channel * self.sequence.tokens);
        w.mark(Fx::OutputsReset, row);
        w.mark(Fx::OutputsAlone, row);
        w.row = row + 1;
        w.flush();
        if let Some(program) = words.program(self.sequence.output_len(), w.width) {
            w.product(&program, false, row);
        }
        (first, row)
    }

    fn values(&self, w: &mut Writer, (layer, channel): (usize, usize), row: usize, is_first: bool) {
        match (&self.looked[layer], &self.sequence.layers[layer]) {
            (Looked::Embedding { tags }, _) => {
                embedding::marks(&mut w.draft, row, is_first, tags[channel]);
            }
            (Looked::Values { division, .. }, Layer::Linear(l)) => {
                let offset = division.offset(channel, l.bias[channel]);
                self.divided(w, row, is_first, (division, offset));
            }
            (Looked::Values { division, .. } | Looked::Norm { division, .. }, _) => {
                self.divided(w, row, is_first, (division, division.offset(channel, 0)));
            }
        }
    }

    fn divided(
        &self,
        w: &mut Writer,
        row: usize,
        is_first: bool,
        (division, offset): (&Division, i64),
    ) {
        let tags = (division.tag_hi, self.table.tag_lo);
        activation::divided(&mut w.draft, row, is_first, (tags, self.table.lo_bits), offset);
        w.draft.set(Fx::Zero, row, crate::system::table::zero_point());
    }

    /// Adds the products of a complete channel, which ends on `row`, with everything that reads it.
    fn products(&self, w: &mut Writer, tensor: usize, channel: usize, row: usize) {
        for layer in tensor..self.sequence.layers.len() {
            let Some(weights) = self.weights(tensor, channel, layer) else { continue };
            if weights.iter().any(|weight| *weight != 0) {
                let weights: Vec<Fr> = weights.into_iter().map(signed).collect();
                let program = Program::dense(&weights, self.claims(tensor, layer), w.width);
                w.product(&program, false, row);
            }
        }
    }

    /// Weights with which a channel enters a layer's accumulators, scaled to the remainders' range.
    fn weights(&self, tensor: usize, channel: usize, layer: usize) -> Option<Vec<i64>> {
        let Looked::Values { division, .. } = &self.looked[layer] else { return None };
        let outputs = self.sequence.channels(layer + 1);
        let inputs = self.sequence.channels(tensor);
        let column = |weights: &[i16]| -> Vec<i64> {
            weights.iter().skip(channel).step_by(inputs).map(|w| i64::from(*w)).collect()
        };
        let mut weights = vec![0; outputs];
        match &self.sequence.layers[layer] {
            Layer::Linear(l) if l.tensor == tensor => weights = column(&l.weights),
            Layer::Residual(r) => {
                if let Some((_, w)) = r.branch.as_ref().filter(|(t, _)| *t == tensor) {
                    weights = column(w);
                }
                if r.shortcut.0 == tensor {
                    weights[channel] += i64::from(r.shortcut.1);
                }
            }
            _ => return None,
        }
        weights.iter_mut().enumerate().for_each(|(o, w)| *w *= division.scale(o));
        Some(weights)
    }

    /// Rows of a residual sum; returns the first one of each token.
    fn sums(&self, w: &mut Writer, layer: usize, r: &Residual) -> Vec<usize> {
        let Looked::Values { division, zero } = &self.looked[layer] else { return Vec::new() };
        let tensor = layer + 1;
        let norm = norm_of(self.sequence, tensor).and_then(|norm| match &self.looked[norm] {
            Looked::Norm { tag, squares, division } => Some((norm, *tag, *squares, division)),
            Looked::Embedding { .. } | Looked::Values { .. } => None,
        });
        let of = sum::Of {
            tags: (division.tag_hi, self.table.tag_lo),
            lo_bits: self.table.lo_bits,
            offset: division.offset(0, 0),
            zero: *zero,
            squares: norm.map(|(_, _, squares, _)| squares),
        };
        w.flush();
        let (lanes, mut rows) = (w.width.lanes(), Vec::new());
        let mut end = w.row;
        for n in 0..w.slots * self.sequence.tokens {
            rows.push(w.row);
            let constants = constants(r, n % self.sequence.tokens, division.scale(0));
            for (i, lanes) in constants.chunks_exact(lanes).enumerate() {
                sum::marks(&mut w.draft, w.row, i == 0, &of, lanes);
                w.row += 1;
            }
            end = w.row - 1;
            sum::end(&mut w.draft, end, n == 0);
            if let Some((_, tag, _, products)) = norm {
                let tags = (tag, self.table.tag_lo);
                let scale = products.scale(0).unsigned_abs();
                root::marks(&mut w.draft, w.row, n == 0, (tags, of.lo_bits), scale);
                w.row += 1;
            }
        }
        w.channel(end, true);
        w.flush();
        if let Some((norm, ..)) = norm {
            w.bare(self.claims(tensor, norm));
        }
        for (reader, l) in self.sequence.layers.iter().enumerate() {
            let Layer::Residual(r) = l else { continue };
            let Looked::Values { division, .. } = &self.looked[reader] else { continue };
            if r.shortcut.0 == tensor && r.shortcut.1 != 0 {
                let weight = signed(i64::from(r.shortcut.1) * division.scale(0));
                let program = Program::dense(&[weight], self.claims(tensor, reader), w.width);
                w.product(&program, false, end);
            }
        }
        rows
    }
}

/// Constants of a token's accumulators, scaled.
fn constants(r: &Residual, token: usize, scale: i64) -> Vec<i64> {
    let channels = r.bias.len();
    let position = r.positions.get(token * channels..(token + 1) * channels);
    let of = |(channel, bias): (usize, &i32)| {
        let position = position.map_or(0, |p| i64::from(p[channel]));
        (i64::from(*bias) + position) * scale
    };
    r.bias.iter().enumerate().map(of).collect()
}

/// Used rows of `sequence`, which must be validated, without a plan.
///
/// # Errors
/// When the shape does not fit the layout.
pub(super) fn count_rows(
    sequence: &Sequence,
    frame: Frame,
    (table, looked): (&Table, &[Looked]),
) -> Result<usize, PlanError> {
    check(sequence, frame)?;
    let mut w = Writer::new(frame, true);
    write(&mut w, Model { sequence, table, looked });
    Ok(w.row.max(table.rows.len()))
}
