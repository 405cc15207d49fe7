//! Public inputs, which stand beside other rows from row 0 on, and what they must be.
//!
//! ```text
//! publish   act P = (act act' + publish (rho - 1)) P' + publish_hash (M z)_0 + score w label + first_output K'
//! read      act R = (act act' + read (rho - 1) + branch (rho^5 - 1)) R' + read_scale instance
//!                 + branch (rho^4 m_1 + .. + m_5)
//! equal     act' (1 - act) (P' - R') = 0
//! ```
//!
//! Published values (branches, input commitments, words of labels, the sum of scores, output commitments) and what is
//! read are folded by the same powers of `rho`; they meet on the last used row.

use crate::system::columns::{Acc, Ch};
use crate::system::row::Row;
use crate::system::steering::Fx;
use crate::system::view::{constant, Ex, View};

pub(crate) fn constraints(v: &mut View<'_, '_>) -> Vec<(&'static str, Ex)> {
    let (active, before) = (v.fx(Fx::Active), v.active_prev());
    let difference = v.before(Acc::Published) - v.before(Acc::Read);
    vec![("equal", before * (constant(1) - active) * difference)]
}

#[inline(always)]
pub(super) fn turns<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Published => r.times(Fx::Publish, |r| r.power(Ch::Rho, 1)),
        Acc::Read => r.times(Fx::Read, |r| r.power(Ch::Rho, 1)),
        _ => None,
    }
}

#[inline(always)]
pub(super) fn terms<R: Row>(r: &mut R, acc: Acc) -> Option<R::X> {
    match acc {
        Acc::Read => r.when(Fx::ReadScale, Row::instance),
        _ => None,
    }
}
