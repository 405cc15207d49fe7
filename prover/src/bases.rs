//! The bases of merged commitments, made once for a reference string and kept in a file.

use std::fs;
use std::path::Path;

use dn_circuits::protocol::Generators;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::engine::arithmetic::Arithmetic;
use crate::engine::grid::Grid;
use crate::file::write_whole;
use crate::srs::{Srs, SrsError, Tau};
use crate::usage::Usage;

/// Bases, and what making them took: nothing where they were read.
pub(crate) struct Loaded<A: Arithmetic> {
    pub(crate) grid: Grid<A>,
    pub(crate) made: Usage,
    pub(crate) bytes: u64,
}

/// The bases of `places` columns of `2^k` rows, from a file in `cache` or made and written there.
///
/// # Errors
/// When the string is too short, or a file there does not hold its bases.
pub(crate) fn load<A: Arithmetic>(
    srs: &Srs,
    string: &Generators,
    cache: &Path,
    (k, places): (u32, usize),
) -> Result<Loaded<A>, SrsError> {
    let path = cache.join(format!("merged-{}-{places}-{k}.bases", tag(string)));
    if let Ok(bytes) = fs::read(&path) {
        let grid = Grid::from_bytes(&bytes, k, places);
        let mut rng = ChaCha20Rng::from_entropy();
        let is_good = |grid: &Grid<A>| grid.is_of(string, &mut rng);
        let grid = grid.filter(is_good).ok_or(SrsError::Bases { path })?;
        return Ok(Loaded { grid, made: Usage::default(), bytes: bytes.len() as u64 });
    }
    let (grid, made) = Usage::of(|| make(srs, string, k, places));
    let grid = grid?;
    let bytes = grid.to_bytes();
    write_whole(&path, &bytes).map_err(|source| SrsError::Io { path, source })?;
    Ok(Loaded { grid, made, bytes: bytes.len() as u64 })
}

fn make<A: Arithmetic>(
    srs: &Srs,
    string: &Generators,
    k: u32,
    places: usize,
) -> Result<Grid<A>, SrsError> {
    let grid = match srs.tau(places << k)? {
        Tau::Public(tau) => Grid::of_secret(tau, &string.g1, k, places),
        Tau::Secret(powers) => Grid::of_powers(&powers, k, places),
    };
    grid.ok_or(SrsError::Degenerate)
}

/// Names a reference string in names of files.
pub(crate) fn tag(string: &Generators) -> String {
    use sha3::Digest as _;
    let point = format!("{:?}", string.s_g2);
    hex::encode(&sha3::Keccak256::digest(point)[..4])
}
