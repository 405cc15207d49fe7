//! `dn-worker doctor`: whether this machine and account can serve.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{bail, ensure, Context as _, Result};
use dn_core::api::Role;
use dn_core::quant::{Activation, Graph, Node, Shape};
use dn_sdk::{read_key, Client};
use dn_service::Report;
use serde_json::{json, Value};

use crate::backend::{self, BackendKind};
use crate::daemon::ServeArgs;

/// Largest difference to the sequencer's clock, in seconds. Receipts bear the worker's times.
const MAX_SKEW_S: f64 = 5.0;
/// Least free bytes beside the key file.
const MIN_FREE: u64 = 1 << 30;

/// What an examination found.
#[derive(Debug)]
pub struct Findings {
    /// A line for each check.
    pub report: Report,
    /// Whether every check passed.
    pub is_healthy: bool,
}

/// Examines the backend, the clock, the account and the disk. A worker that runs with the same key
/// has to renew its session afterwards, which it does by itself.
pub async fn examine(args: &ServeArgs) -> Findings {
    let checks = [
        ("backend", backend(args.backend).await),
        ("clock", clock(&args.sequencer).await),
        ("account", account(args).await),
        ("disk", disk(&args.key_file)),
    ];
    let is_healthy = checks.iter().all(|(_, found)| found.is_ok());
    let line = |(name, found): &(&str, Result<String>)| {
        let (state, text) = match found {
            Ok(text) => ("ok", text.clone()),
            Err(error) => ("failed", format!("{error:#}")),
        };
        json!({ "check": name, "found": text, "state": state })
    };
    let mut report = Report::default();
    report.set("healthy", is_healthy);
    report.set("checks", checks.iter().map(line).collect::<Vec<Value>>());
    Findings { report, is_healthy }
}

/// Runs the self-test over a small layer.
async fn backend(kind: BackendKind) -> Result<String> {
    let input = Shape::vector(4);
    let weights = vec![3, -1, 4, 1, -5, 9, 2, 6];
    let layer = Node::dense((0, input), weights, vec![1, 2], 4, Activation::relu());
    let graph = Graph { input, nodes: vec![layer] };
    let opened = tokio::task::spawn_blocking(move || backend::open(kind, &graph)).await??;
    Ok(format!("{} on {} computes exactly", opened.name(), opened.device()))
}

/// Compares this machine's clock with the sequencer's, which is told in whole seconds.
async fn clock(sequencer: &str) -> Result<String> {
    let theirs = Client::new(sequencer)?.clock().await?.context("the sequencer tells no time")?;
    let skew = match SystemTime::now().duration_since(theirs) {
        Ok(ahead) => ahead.as_secs_f64(),
        Err(behind) => -behind.duration().as_secs_f64(),
    };
    ensure!(skew.abs() <= MAX_SKEW_S, "{skew:+.1} s from the sequencer's clock");
    Ok(format!("{skew:+.1} s from the sequencer's clock"))
}

/// Registers, which the sequencer allows to staked workers only.
async fn account(args: &ServeArgs) -> Result<String> {
    let key = read_key(&args.key_file)?;
    Client::new(&args.sequencer)?.register(Role::Worker, &key).await?;
    Ok(format!("{} may serve", key.address()))
}

fn disk(key_file: &Path) -> Result<String> {
    let folder = key_file.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stat = rustix::fs::statvfs(folder).context("ask for the free space")?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    if free < MIN_FREE {
        bail!("{} MB free in {}", free >> 20, folder.display());
    }
    Ok(format!("{} MB free in {}", free >> 20, folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_check_fails_by_itself() {
        let args = ServeArgs {
            sequencer: "http://127.0.0.1:1".into(),
            key_file: std::env::temp_dir().join("dn-no-such-key"),
            batch: 1,
            backend: BackendKind::Reference,
        };
        assert!(!examine(&args).await.is_healthy);
        assert!(backend(args.backend).await.is_ok());
        assert!(clock(&args.sequencer).await.is_err() && account(&args).await.is_err());
    }
}
