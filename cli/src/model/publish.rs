//! `deepnode model publish`, `deprecate` and `return-bond`

use std::fs;
use std::path::{Path, PathBuf};

use dn_core::api::Bytes32;
use dn_core::statement::Form;
use dn_import::{PackageError, Stored};
use dn_sdk::deposit::format_dn;
use dn_sdk::registry::{Registry, Version};
use dn_service::file::write_whole;
use dn_service::Report;

use super::id_text;
use super::provable::Provable;
use crate::args::{Deprecate, Global, OwnModel, Publish};
use crate::error::Failure;
use crate::member::{amount, Member};
use crate::output::spinner;

/// Registers a version and writes what a sequencer serves.
pub(crate) fn publish(args: &Publish, global: &Global) -> Result<Report, Failure> {
    let provable = Provable::read(&args.package)?;
    let Stored::Graph(package) = &provable.stored else {
        return Err(PackageError::IsSequence.into());
    };
    let price = u128::try_from(amount(&args.price)?)
        .map_err(|_| Failure::new("amount", "the price is too large", "give a smaller one"))?;
    let frame = provable.frame(args.slots as usize, Form::Listed);
    let progress = spinner("deriving the verifying key");
    let prover = provable.prover(frame, global)?;
    let version = Version {
        model_id: Bytes32(provable.id),
        protocol: prover.keys().protocol().clone(),
        slots: args.slots,
        work_units: package.graph.macs(),
        price_wei: price,
        input_len: package.graph.input_len(),
        service: args.service.clone(),
    };
    progress.set_message("registering the version");
    let mut report = register(args, &version)?;
    progress.finish_and_clear();
    let (file, key) = files(args, &version);
    report.set("package", file.display().to_string()).set("key", key.display().to_string()).set(
        "next",
        "a sequencer serves it once both files are in its folder of models and it starts anew",
    );
    Ok(report)
}

/// Where what is served stands.
fn files(args: &Publish, version: &Version) -> (PathBuf, PathBuf) {
    let file = args.output.join(format!("{}.dnpkg", id_text(&version.model_id.0)));
    (file.clone(), file.with_extension("protocol"))
}

#[tokio::main]
async fn register(args: &Publish, version: &Version) -> Result<Report, Failure> {
    let Member { account, chain } = Member::connect(&args.of).await?;
    let registry = Registry::from(&chain);
    let bond = registry.check(&account, version.model_id).await?;
    // Before anything is paid for; the key first, since a package beside which there is none is refused.
    let (file, key) = files(args, version);
    let kept = |path: &Path, bytes: &[u8]| {
        fs::create_dir_all(&args.output)
            .and_then(|()| write_whole(path, bytes))
            .map_err(|e| Failure::file(path, &e))
    };
    kept(&key, &version.protocol.to_bytes())?;
    kept(&file, &super::read(&args.package)?)?;
    let vk = registry.publish(&account, version).await?;
    let mut report = Report::default();
    report
        .set("model_id", id_text(&version.model_id.0))
        .set("developer", account.address().to_string())
        .set("service", version.service.clone())
        .set("slots", version.slots)
        .set("price_dn", args.price.clone())
        .set("bond_dn", format_dn(bond))
        .set("vk", vk.to_string());
    Ok(report)
}

/// Stops a version for good.
#[tokio::main]
pub(crate) async fn deprecate(args: &Deprecate) -> Result<Report, Failure> {
    let (model, successor) = (id(&args.own.model)?, args.successor.as_deref().map(id).transpose()?);
    let Member { account, chain } = Member::connect(&args.own.of).await?;
    Registry::from(&chain).deprecate(&account, model, successor).await?;
    let mut report = Report::default();
    report
        .set("model_id", id_text(&model.0))
        .set("deprecated", true)
        .set("successor", successor.map(|id| id_text(&id.0)));
    Ok(report)
}

/// Pays the bond of a deprecated version back.
#[tokio::main]
pub(crate) async fn return_bond(args: &OwnModel) -> Result<Report, Failure> {
    let model = id(&args.model)?;
    let Member { account, chain } = Member::connect(&args.of).await?;
    Registry::from(&chain).return_bond(&account, model).await?;
    let mut report = Report::default();
    report.set("model_id", id_text(&model.0)).set("bond_returned", true);
    Ok(report)
}

fn id(text: &str) -> Result<Bytes32, Failure> {
    text.parse().map_err(|_| {
        let message = format!("{text} is no model id");
        Failure::new("model_id", message, "give 0x and 64 hex digits, as GET /v1/models shows them")
    })
}
