//! CPU time of processes, and the sequencer's own account of its groups.

use anyhow::{Context as _, Result};
use dn_devnet::Devnet;

use crate::wire::{address, request, Connection};

/// Clock ticks of a second in `/proc`.
const TICKS: f64 = 100.0;

/// CPU seconds that a process has taken.
pub(crate) fn cpu_s(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("read /proc")?;
    // The name may hold spaces; it ends with the last bracket.
    let fields: Vec<&str> =
        text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / TICKS)
}

/// A process of a network by its name.
pub(crate) fn pid(devnet: &Devnet, name: &str) -> Result<u32> {
    let processes = devnet.processes();
    let found = processes.iter().find(|(n, _)| *n == name);
    found.map(|(_, pid)| *pid).with_context(|| format!("no process {name}"))
}

/// Groups of changes that the sequencer has made durable.
pub(crate) async fn groups(url: &str) -> Result<f64> {
    let mut connection = Connection::open(address(url)).await?;
    let answer = connection.exchange(&request("GET", "/metrics", b"")).await?;
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let line = text.lines().find_map(|l| l.strip_prefix("deepnode_store_group_changes_count "));
    Ok(line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0))
}
