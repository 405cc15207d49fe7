//! The sections, one after the other.

use std::path::{Path, PathBuf};

use anyhow::{ensure, Result};
use dn_e2e::Digits;

use crate::network::Store;
use crate::table::Table;
use crate::{accepts, blocks, cluster, latency, restart, streams};

/// What there is to measure.
pub(crate) const SECTIONS: [&str; 6] =
    ["accepts", "latency", "restart", "blocks", "streams", "cluster"];

/// What the sections share.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The model that is served.
    pub(crate) digits: Digits,
    /// Folder of the services' state; emptied by each section.
    pub(crate) state: PathBuf,
    /// Folder of proving keys.
    pub(crate) data: PathBuf,
    /// Databases to measure on.
    pub(crate) stores: Vec<Store>,
    /// What was measured.
    pub(crate) table: Table,
    /// Sections that did not end.
    failed: Vec<String>,
}

impl Bench {
    pub(crate) fn new(state: PathBuf, data: PathBuf) -> Result<Self> {
        let mut stores = vec![Store::Sqlite];
        stores.extend(std::env::var("DN_TEST_POSTGRES").ok().map(Store::Postgres));
        let (digits, table) = (Digits::import()?, Table::default());
        Ok(Self { digits, state, data, stores, table, failed: Vec::new() })
    }

    /// Runs the named sections, or all. A section that fails does not keep the others from running.
    pub(crate) async fn run(&mut self, names: &[&str]) -> Result<()> {
        let unknown: Vec<_> = names.iter().filter(|n| !SECTIONS.contains(n)).collect();
        ensure!(unknown.is_empty(), "no section {unknown:?}: there are {SECTIONS:?}");
        for name in SECTIONS.iter().filter(|n| names.is_empty() || names.contains(n)) {
            self.table.begin(name);
            let ran = match *name {
                "accepts" => accepts::measure(self).await,
                "latency" => latency::measure(self).await,
                "restart" => restart::measure(self).await,
                "blocks" => blocks::measure(self).await,
                "streams" => streams::measure(self).await,
                _ => cluster::measure(self).await,
            };
            if let Err(error) = ran {
                self.failed.push(format!("{name}: {error:#}"));
                self.table.say(&format!("did not end: {error:#}"));
            }
        }
        Ok(())
    }

    /// Prints the table and writes it down.
    pub(crate) fn finish(self, json: &Path) -> Result<()> {
        self.table.print();
        self.table.write(json)?;
        ensure!(self.failed.is_empty(), "did not end: {}", self.failed.join("; "));
        Ok(())
    }

    /// The Postgres to measure on, if there is one.
    pub(crate) fn postgres(&self) -> Option<&Store> {
        self.stores.iter().find(|s| matches!(s, Store::Postgres(_)))
    }
}
