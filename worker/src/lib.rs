//! The worker: runs quantised models for others and answers for every bit.
//!
//! A [`backend::Backend`] executes a model. [`backend::open`] is the only way to a backend that a
//! program should take: it compares the backend with `dn_core::quant`, the integer semantics that
//! proofs are about, and refuses one that differs.

pub mod backend;
pub mod daemon;
pub mod doctor;
pub mod self_test;
