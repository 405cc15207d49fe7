//! What each kind of row tells of itself.

use crate::system::columns::Acc;
use crate::system::steering::Fx;

/// What is told of a kind.
#[derive(Debug)]
pub(crate) struct About {
    /// Its name.
    pub(crate) name: &'static str,
    /// `hi`, `lo` and `out` of a lane where the lanes look up, else what the cells hold.
    pub(crate) cells: &'static [&'static str],
    /// Marks of its own: on a row at most one of each group is set.
    pub(crate) marks: &'static [&'static [Fx]],
    /// What may run beside it.
    pub(crate) beside: &'static [&'static [&'static [Fx]]],
    /// Registers that it turns or adds to, beyond those that look-ups fold.
    pub(crate) registers: &'static [(Acc, &'static str)],
}
