//! `deepnode gateway key ...`
//!
//! Keys follow from the gateway's secret and need no list. The file of names beside the secret serves `list` alone.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use dn_sdk::deposit::{format_dn, Deposits};
use dn_sdk::{read_key, wire, Client, KeyMaker, NameError};
use dn_service::file::write_whole;
use dn_service::Report;
use serde_json::{json, Value};

use crate::args::{KeyAdd, KeyCommand, KeyList};
use crate::error::Failure;
use crate::member::{amount, connect};

impl From<NameError> for Failure {
    fn from(e: NameError) -> Self {
        Self::of("name", &e, "give another name, as acme or acme.phone")
    }
}

/// Adds a key, or lists those that were added.
#[tokio::main]
pub(crate) async fn key(command: &KeyCommand) -> Result<Report, Failure> {
    match command {
        KeyCommand::Add(args) => add(args).await,
        KeyCommand::List(args) => list(args).await,
    }
}

/// Prints the key of a name and puts DN into its escrow.
async fn add(args: &KeyAdd) -> Result<Report, Failure> {
    let deposit = amount(&args.deposit)?;
    let keys = KeyMaker::read_or_create(&args.secret_file)
        .map_err(|e| Failure::of("secret", &e, "give a file with 64 hex digits, or a new one"))?;
    let (key, account) = (keys.key(&args.name)?, keys.account(&args.name)?);
    let payer = read_key(&args.of.key_file)
        .map_err(|e| Failure::of("key", &e, "give a file with 64 hex digits"))?;
    let chain = Client::new(&args.of.sequencer)?.chain().await?;
    if !deposit.is_zero() {
        let payer = connect(&args.of.rpc_url, payer)?;
        let to = wire::api_address(account.address());
        Deposits::new(&payer, chain).deposit_for(to, deposit).await?;
    }
    remember(&args.secret_file, &args.name)?;
    let account = connect(&args.of.rpc_url, account)?;
    let holdings = Deposits::new(&account, chain).holdings().await?;
    let mut report = Report::default();
    report
        .set("key", key)
        .set("account", account.address().to_string())
        .set("spendable_dn", format_dn(holdings.spendable));
    Ok(report)
}

/// Lists the names of keys that were added.
async fn list(args: &KeyList) -> Result<Report, Failure> {
    let keys = KeyMaker::read(&args.secret_file)
        .map_err(|e| Failure::of("secret", &e, "give the file that the gateway has"))?;
    let chain = Client::new(&args.sequencer)?.chain().await?;
    let mut rows = Vec::new();
    for name in names(&args.secret_file)? {
        let account = connect(&args.rpc_url, keys.account(&name)?)?;
        let holdings = Deposits::new(&account, chain).holdings().await?;
        rows.push(json!({
            "name": name,
            "account": account.address().to_string(),
            "spendable_dn": format_dn(holdings.spendable),
        }));
    }
    let mut report = Report::default();
    report.set("keys", Value::from(rows));
    Ok(report)
}

/// The file of names beside a secret.
fn names_file(secret: &Path) -> PathBuf {
    let mut file = OsString::from(secret);
    file.push(".names");
    file.into()
}

fn names(secret: &Path) -> Result<BTreeSet<String>, Failure> {
    let file = names_file(secret);
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Err(e) => Err(Failure::file(&file, &e)),
    }
}

/// Adds a name to the list.
pub(crate) fn remember(secret: &Path, name: &str) -> Result<(), Failure> {
    let mut all = names(secret)?;
    if !all.insert(name.to_owned()) {
        return Ok(());
    }
    let text: String = all.iter().map(|name| format!("{name}\n")).collect();
    let file = names_file(secret);
    write_whole(&file, text.as_bytes()).map_err(|e| Failure::file(&file, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_remembered_once_beside_the_secret() {
        let folder = tempfile::tempdir().expect("a folder");
        let secret = folder.path().join("gateway.secret");
        assert!(names(&secret).expect("none").is_empty());
        for name in ["b", "a", "b"] {
            remember(&secret, name).expect("written");
        }
        assert_eq!(names(&secret).expect("read").into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }
}
