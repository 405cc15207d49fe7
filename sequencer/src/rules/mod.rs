//! The rules: facts in, decisions out.
//!
//! Nothing here reads a database, a chain or a clock; whoever asks brings the facts and carries out
//! the decision. So the rules can be tried for days of faults in seconds: `tests/sim`.
//!
//! | file | decides |
//! |---|---|
//! | `admit` | whether a task is taken |
//! | `fair` | whose task is next |
//! | `lease` | who gets how much work, and what the end of a lease means |
//! | `observe` | what a node's trust is after what was seen of it |
//! | `form` | when a batch is closed, and which tasks it takes |
//! | `settle` | the next step of a batch towards the chain |
//! | `outbox` | the next step of a transaction |
//! | `follow` | which blocks are read next, and where a reorganisation began |
//! | `watch` | whether settlement moves |

pub(crate) mod admit;
pub(crate) mod fair;
pub(crate) mod follow;
pub(crate) mod form;
pub(crate) mod lease;
pub(crate) mod observe;
pub(crate) mod outbox;
pub(crate) mod settle;
pub(crate) mod watch;
