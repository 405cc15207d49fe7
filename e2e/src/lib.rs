//! What the demonstration and the end-to-end tests share: the digits model, a development network
//! around it, users who send their images in.

mod digits;
mod network;
mod user;

pub use digits::Digits;
pub use network::{options, programs, BATCH};
pub use user::{settled, User};
