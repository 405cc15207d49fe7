//! All constraints, in the order in which powers of a challenge separate them. Every gate has degree at most 3 and
//! vanishes where all fixed columns are zero, so blinding rows are free.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::ConstraintSystem;

use super::accumulators::recurrence;
use super::columns::{Acc, Columns};
use super::lookup;
use super::poseidon::Constants;
use super::row::Row;
use super::rows::{classes, instance, message, root, round, round_narrow, score};
use super::steering::Fx;
use super::view::{Ex, View};
use dn_core::Width;

/// Constraints by name.
type Named = Vec<(&'static str, Ex)>;

/// Adds every gate to the constraint system.
pub(crate) fn configure(cs: &mut ConstraintSystem<Fr>, columns: &Columns) {
    let constants = Constants::new(columns.width);
    lookup::configure(cs, columns, &constants);
    let mut gate = |name: &'static str, constraints: &dyn Fn(&mut View<'_, '_>) -> Named| {
        cs.create_gate(name, |meta| constraints(&mut View::new(meta, columns, &constants)));
    };
    gate("fold items", &|v| registers(v, &[Acc::X, Acc::Y]));
    let positions = [Acc::Image, Acc::Outputs, Acc::Tensor];
    gate("fold positions and channels", &|v| registers(v, &positions));
    gate("fold weights", &|v| registers(v, &[Acc::W, Acc::Kernel]));
    gate("claims", &|v| registers(v, &[Acc::Claims]));
    match columns.width {
        Width::Narrow => {
            gate("poseidon full rounds", &round_narrow::full_rounds);
            gate("poseidon S-boxes", &round_narrow::sboxes);
            gate("poseidon partial states", &round_narrow::partial_states);
        }
        Width::Default | Width::Wide | Width::Sequence => {
            gate("poseidon S-boxes", &round::sboxes);
            gate("poseidon partial states", &round::partial_states);
        }
    }
    gate("poseidon absorb", &message::constraints);
    match columns.width {
        Width::Narrow | Width::Default | Width::Wide => {
            gate("quality classes", &|v| {
                let mut all = classes::constraints(v);
                all.extend(registers(v, &[Acc::Classes]));
                all
            });
            gate("quality score", &score::constraints);
        }
        Width::Sequence => {
            gate("words", &|v| registers(v, &[Acc::Classes]));
            gate("roots", &root::constraints);
        }
    }
    gate("salts", &|v| registers(v, &[Acc::Salts]));
    gate("public inputs", &|v| {
        let mut all = registers(v, &[Acc::Published, Acc::Read]);
        all.extend(instance::constraints(v));
        all
    });
}

/// The gates `act A = recurrence`.
fn registers(v: &mut View<'_, '_>, registers: &[Acc]) -> Named {
    let gate = |acc: &Acc| {
        let left = v.fx(Fx::Active) * v.here(*acc);
        let right = recurrence(v, *acc).expect("gates have every term");
        (acc.name(), left - right)
    };
    registers.iter().map(gate).collect()
}
