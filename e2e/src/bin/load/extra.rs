//! Processes beside those of a network: a second interface, and nodes that talk to it.

use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use dn_devnet::{Devnet, Options};

/// Longest wait for a process to listen.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks at its log.
const LOOK: Duration = Duration::from_millis(50);

/// A process that ends with this value.
#[derive(Debug)]
pub(crate) struct Extra(Child);

impl Drop for Extra {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing left to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(options: &Options, name: &str, program: &str, args: &[String]) -> Result<Extra> {
    let log = File::create(options.state.join("logs").join(format!("{name}.log")))?;
    let mut command = Command::new(options.programs.join(program));
    command.args(args).env("OMP_NUM_THREADS", "1").stdin(Stdio::null());
    let child = command.stdout(log.try_clone()?).stderr(log).spawn();
    Ok(Extra(child.with_context(|| format!("start {program}"))?))
}

/// A second sequencer on the same database that serves HTTP only, and its URL.
pub(crate) async fn interface(devnet: &Devnet, options: &Options) -> Result<(Extra, String)> {
    let state = |path: &str| options.state.join(path).display().to_string();
    let database = options.database.clone().context("two processes need a Postgres")?;
    let rollup = devnet.contracts.rollup.to_string();
    let (key, models, rpc) = (state("keys/sequencer.key"), state("models"), devnet.rpc_url());
    let given = [
        ("--listen", "127.0.0.1:0"),
        ("--database", &database),
        ("--rpc-url", rpc),
        ("--rollup", &rollup),
        ("--key-file", &key),
        ("--models", &models),
    ];
    let given = given.iter().flat_map(|(flag, value)| [*flag, *value]).chain(["--api-only"]);
    let mut args: Vec<String> = given.map(str::to_owned).collect();
    args.extend(options.sequencer_args.iter().cloned());
    let mut process = spawn(options, "interface", "dn-sequencer", &args)?;
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let log = std::fs::read_to_string(options.state.join("logs/interface.log"))?;
        let line = log.lines().find_map(|l| l.split("listening address=").nth(1));
        if let Some(address) = line.and_then(|l| l.split_whitespace().next()) {
            return Ok((process, format!("http://{address}")));
        }
        ensure!(process.0.try_wait()?.is_none(), "the second sequencer ended: {log}");
        ensure!(Instant::now() < deadline, "the second sequencer does not listen: {log}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Worker `index` of a network, told another interface than the others.
pub(crate) fn worker(options: &Options, url: &str, index: usize) -> Result<Extra> {
    let name = format!("worker-{}", index + 1);
    let key = options.state.join("keys").join(format!("{name}.key")).display().to_string();
    let backend = options.backend.as_str();
    let args = ["serve", "--sequencer", url, "--key-file", &key, "--backend", backend];
    spawn(options, &name, "dn-worker", &args.map(str::to_owned))
}
