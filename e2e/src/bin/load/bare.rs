//! What the database does with the same rows when nobody is around it.

use std::path::Path;
use std::process::Command;

use anyhow::{ensure, Context as _, Result};

use crate::network::Store;

/// Rows per second that `scripts/bare-commits.py` makes durable in groups of 64.
pub(crate) fn rows_per_s(store: &Store, state: &Path) -> Result<f64> {
    let place = match store.database("bench_bare")? {
        Some(url) => url,
        None => state.display().to_string(),
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/bare-commits.py");
    let ran = Command::new("python3").arg(script).arg(place).output().context("run python3")?;
    ensure!(ran.status.success(), "bare-commits.py: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).trim().parse().context("read its rate")
}
