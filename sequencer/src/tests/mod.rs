//! Tests of the whole: the store on both databases, and days of faults in seconds.

mod conformance;
mod sim;
mod writer;
