//! Requests and responses of the sequencer's HTTP interface, shared by server and clients.
//!
//! 32-byte values, addresses and byte strings are `0x` hex; token amounts are decimal strings of
//! the token's smallest unit; times are unix milliseconds unless the name says seconds.

mod batches;
mod encoding;
mod nodes;
mod problem;
mod tasks;

pub use batches::{BatchSlot, BatchState, BatchView, HeaderView, ProofView, ScoreView};
pub use encoding::{Address, Amount, Bytes, Bytes32, EncodingError};
pub use nodes::{
    Beat, Challenge, InvoiceJob, Invoices, LeaseRequest, LeasedTask, NodeView, ProofJob,
    ProofResult, ProofSlot, Register, Role, Session, SignedInvoice, TaskResult, TrustView,
};
pub use problem::Problem;
pub use tasks::{
    BundleView, ChainView, Event, LabelOpening, ModelView, OrderView, ReceiptView, SubmitTask,
    TaskView,
};
