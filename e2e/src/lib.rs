//! What the demonstration and the end-to-end tests share: the digits model, a development network
//! around it, users who send their images in, and faults between the services and their chain.

mod answer;
mod digits;
mod network;
mod proxy;
mod stage;
mod user;

pub use answer::answer;
pub use digits::{pool, Digits};
pub use network::{options, programs, BATCH};
pub use proxy::{Fault, Proxy};
pub use stage::{paid_once, Stage};
pub use user::{settled, User};
