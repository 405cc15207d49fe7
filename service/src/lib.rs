//! What every program does in the same way: start, logging, repeated steps, metrics, listening,
//! shutdown, reports, last words.

mod failure;
pub mod file;
pub mod metrics;
mod plain;
mod program;
mod repeat;
mod report;
mod serve;
mod shutdown;
mod trace;

pub use failure::{exit_code, Failure};
pub use plain::plain;
pub use program::{init_tracing, main, start};
pub use repeat::repeat;
pub use report::Report;
pub use serve::{bind, serve, Serving, Tls};
pub use shutdown::{Shutdown, Stop};
