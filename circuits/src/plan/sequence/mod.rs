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
//! Attention has four claims, and its rows have the queries, keys and values too ([`attention`]).
//!
//! Both sides are polynomials in `tau`, `e`, `z` and `omega` whose coefficients are integers below `2^60`; no two values
//! have one monomial. Claims are kept apart by lambda: each begins where its first row stands.

mod attention;
mod channels;
mod check;
mod claims;
mod model;
mod sums;
mod words;

use dn_core::commitment::{DOMAIN_INPUT, DOMAIN_OUTPUT};
use dn_core::quant::sequence::{Layer, Sequence};
use dn_core::statement::Form;

use super::frame::{Frame, PlanError};
use super::sections::Sections;
use super::writer::Writer;
use crate::system::sequence::Looked;
use crate::system::table::Table;
pub(crate) use attention::Attended;
pub(super) use check::check;
use claims::{attention_of, Claims};
use model::Model;

/// Where the rows of a sequence model stand, and what they look up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Laid {
    /// By layer.
    pub(crate) looked: Vec<Looked>,
    /// First row of the tokens.
    pub(crate) tokens: usize,
    /// By layer: first row of each channel, or of each token where rows hold channels; nothing where an attention's rows
    /// have the values.
    pub(crate) values: Vec<Vec<usize>>,
    /// By layer; nothing where it is no attention.
    pub(crate) attended: Vec<Attended>,
}

/// Writes every row of a validated and checked model; returns where they stand.
pub(super) fn write(
    w: &mut Writer,
    sequence: &Sequence,
    (table, looked): (&Table, &[Looked]),
) -> (Sections, Laid) {
    let model = Model { sequence, table, looked, claims: Claims::new(sequence) };
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
        laid.attended.push(match l {
            Layer::Attention(a) => model.attention(w, layer, a),
            _ => Attended::default(),
        });
        if attention_of(sequence, layer).is_some() {
            laid.values.push(Vec::new());
            continue;
        }
        w.begin_claim();
        laid.values.push(match l {
            Layer::Residual(r) => model.sums(w, layer, r),
            _ => model.channels(w, layer),
        });
        w.close(0, model.claims.depth);
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
    write(&mut w, sequence, (table, looked));
    Ok(w.row.max(table.rows.len()))
}
