//! `deepnode devnet`

use std::path::{Path, PathBuf};
use std::time::Duration;

use dn_core::api::Amount;
use dn_devnet::{Devnet, Offer, Options, DEMO_KEY};
use dn_service::{Report, Shutdown};

use crate::args::{self, Global};
use crate::error::Failure;
use crate::gateway::remember;
use crate::output::spinner;

/// Where the chain's program is in a checkout after `make setup`.
const ANVIL: &str = "contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";

/// Where the explorer is in a checkout after `make web`.
const WEB: &str = "web/dist";

/// Starts everything, says where it is, and keeps it running until Ctrl-C.
#[tokio::main]
pub(crate) async fn devnet(args: &args::Devnet, global: &Global) -> Result<Report, Failure> {
    let shutdown = Shutdown::on_signal().map_err(|e| failed(&e.into()))?;
    let options = options(args, global)?;
    let progress = spinner("starting chain, contracts and services");
    let mut devnet = Devnet::start(&options).await.map_err(|e| failed(&e))?;
    progress.finish_and_clear();
    remember(&options.state.join("keys/gateway.secret"), DEMO_KEY)?;
    report(&devnet, &options).print(global.json);
    devnet.supervise(shutdown).await.map_err(|e| failed(&e))?;
    let progress = spinner("stopping");
    drop(devnet);
    progress.finish_and_clear();
    Ok(Report::default())
}

fn failed(error: &anyhow::Error) -> Failure {
    let hint = "look into the logs folder of the state folder; make setup fetches what is missing";
    Failure::new("devnet", format!("{error:#}"), hint)
}

fn options(args: &args::Devnet, global: &Global) -> Result<Options, Failure> {
    let programs = match &args.programs {
        Some(folder) => folder.clone(),
        None => own_folder()?,
    };
    let anvil = args.anvil.clone().unwrap_or_else(|| PathBuf::from(ANVIL));
    for program in [
        &anvil,
        &programs.join("dn-sequencer"),
        &programs.join("dn-worker"),
        &programs.join("dn-gateway"),
    ] {
        if !program.exists() {
            let message = format!("{} is not there", program.display());
            return Err(Failure::new("missing_program", message, "run make build first"));
        }
    }
    let offers: Result<Vec<Offer>, Failure> =
        args.models.iter().map(|path| offer(path, args)).collect();
    let built = || Some(PathBuf::from(WEB)).filter(|web| web.join("index.html").exists());
    Ok(Options {
        web: args.web.clone().or_else(built),
        gateway: true,
        offers: offers?,
        users: args.users,
        workers: args.workers,
        running_workers: args.workers,
        provers: args.provers,
        block_time: args.block_time_s.map(Duration::from_secs),
        backend: args.backend.clone(),
        ..Options::new(args.state.clone(), global.data_dir.clone(), programs, anvil)
    })
}

fn offer(path: &Path, args: &args::Devnet) -> Result<Offer, Failure> {
    let package = std::fs::read(path).map_err(|e| Failure::file(path, &e))?;
    let service = dn_import::Package::from_bytes(&package)?.name;
    Ok(Offer { package, slots: args.batch, price: Amount(args.price), service })
}

fn own_folder() -> Result<PathBuf, Failure> {
    let exe = std::env::current_exe().map_err(|e| Failure::file(Path::new("deepnode"), &e))?;
    Ok(exe.parent().map(Path::to_owned).unwrap_or_default())
}

/// Where the explorer is, or how to have one.
fn explorer(devnet: &Devnet, options: &Options) -> String {
    match options.web {
        Some(_) => format!("{}/", devnet.url),
        None => "not built: make web builds it, and the next start serves it".to_owned(),
    }
}

fn report(devnet: &Devnet, options: &Options) -> Report {
    let mut report = Report::default();
    report
        .set("sequencer", devnet.url.clone())
        .set("explorer", explorer(devnet, options))
        .set("gateway", devnet.gateway.as_ref().map(|g| g.url.clone()))
        .set("api_key", devnet.gateway.as_ref().map(|g| g.api_key.clone()))
        .set("rpc", devnet.rpc_url())
        .set("rollup", devnet.contracts.rollup.to_string())
        .set("token", devnet.contracts.token.to_string())
        .set("models", devnet.models.iter().map(ToString::to_string).collect::<Vec<_>>())
        .set("state", options.state.display().to_string());
    for (name, pid) in devnet.processes() {
        report.set(&format!("pid {name}"), pid);
    }
    report
}
