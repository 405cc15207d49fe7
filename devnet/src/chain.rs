//! The development chain: foundry's native anvil as a process like the others.
//!
//! It listens on one port for the life of the state folder, so that a chain that is started again is
//! found where it was.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use alloy::providers::{Provider as _, ProviderBuilder};
use anyhow::{ensure, Context as _, Result};
use dn_service::file::write_whole;
use serde::de::IgnoredAny;

use crate::process::{Process, Program};
use crate::Options;

/// Longest wait for the chain to answer.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Between two copies of its state.
const COPY_EVERY: Duration = Duration::from_secs(5);
/// Between two looks whether it does.
const LOOK: Duration = Duration::from_millis(20);

/// Starts the chain, or goes on with the one of the state folder. Returns its RPC endpoint too, which
/// answers by then.
pub(crate) async fn start(options: &Options) -> Result<(Process, String)> {
    guard(&options.state, true)?;
    let port = port(&options.state.join("chain.port"))?;
    let url = format!("http://127.0.0.1:{port}");
    let mut process = Process::start(program(options, port))?;
    let provider = ProviderBuilder::new().connect_http(url.parse().context("the chain's URL")?);
    let deadline = Instant::now() + START_LIMIT;
    while provider.get_chain_id().await.is_err() {
        process.ensure_running()?;
        ensure!(Instant::now() < deadline, "the chain does not answer at {url}");
        tokio::time::sleep(LOOK).await;
    }
    // Another program may have answered on the port that the chain did not get.
    process.ensure_running()?;
    Ok((process, url))
}

/// Keeps a whole copy of the chain's state beside it. The chain writes its file in place, so one that
/// was killed meanwhile leaves half of it: then the copy takes its place before the next start.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn guard(state: &Path, has_ended: bool) -> Result<()> {
    let (file, copy) = (state.join("chain.json"), state.join("chain.good.json"));
    let age = std::fs::metadata(&copy).and_then(|m| m.modified()).ok();
    let age = age.and_then(|at| at.elapsed().ok());
    if !has_ended && age.is_some_and(|age| age < COPY_EVERY) {
        return Ok(());
    }
    let Ok(bytes) = std::fs::read(&file) else { return Ok(()) };
    let is_whole = serde_json::from_slice::<IgnoredAny>(&bytes).is_ok();
    if is_whole {
        return write_whole(&copy, &bytes).context("copy the chain's state");
    }
    match std::fs::read(&copy) {
        Ok(good) if has_ended => {
            tracing::warn!("the chain's state is torn: going on from its copy");
            write_whole(&file, &good).context("mend the chain's state")
        }
        _ => Ok(()),
    }
}

/// The port of the state folder; a free one at the first start.
fn port(file: &Path) -> Result<u16> {
    if let Ok(text) = std::fs::read_to_string(file) {
        return text.trim().parse().context("read chain.port");
    }
    let free = TcpListener::bind(("127.0.0.1", 0)).context("find a free port")?;
    let port = free.local_addr().context("find a free port")?.port();
    write_whole(file, port.to_string().as_bytes()).context("write chain.port")?;
    Ok(port)
}

fn program(options: &Options, port: u16) -> Program {
    let state = options.state.join("chain.json").display().to_string();
    let mut args = vec!["--host", "127.0.0.1", "--port", &port.to_string(), "--hardfork", "prague"]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    args.extend(["--state", &state, "--state-interval", "1", "--quiet"].map(str::to_owned));
    if let Some(time) = options.block_time {
        args.extend(["--block-time".to_owned(), time.as_secs_f64().to_string()]);
    }
    let log = options.state.join("logs").join("chain.log");
    Program { name: "chain".to_owned(), file: options.anvil.clone(), args, log }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use alloy::primitives::{Address, U256};

    use super::*;

    #[test]
    fn a_torn_state_is_mended_from_its_copy() {
        let state = std::env::temp_dir().join(format!("dn-torn-{}", std::process::id()));
        dn_service::file::private_folder(&state).expect("a folder");
        let file = state.join("chain.json");
        std::fs::write(&file, r#"{"block":1}"#).expect("written");
        guard(&state, false).expect("copied");
        std::fs::write(&file, r#"{"blo"#).expect("torn");
        guard(&state, false).expect("left alone while the chain writes");
        assert_eq!(std::fs::read(&file).expect("there"), br#"{"blo"#);
        guard(&state, true).expect("mended");
        assert_eq!(std::fs::read(&file).expect("there"), br#"{"block":1}"#);
        std::fs::remove_dir_all(state).expect("removed");
    }

    #[tokio::test]
    async fn a_chain_that_dies_goes_on_at_the_same_address() {
        let state = std::env::temp_dir().join(format!("dn-chain-{}", std::process::id()));
        dn_service::file::private_folder(&state.join("logs")).expect("a folder");
        let anvil = "../contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil";
        let anvil = Path::new(env!("CARGO_MANIFEST_DIR")).join(anvil);
        let none = PathBuf::new();
        let options = Options::new(state.clone(), none.clone(), none, anvil);
        let (mut process, url) = start(&options).await.expect("a chain");
        let provider = ProviderBuilder::new().connect_http(url.parse().expect("a URL"));
        let params = (Address::repeat_byte(7), U256::from(5));
        provider.raw_request::<_, ()>("anvil_setBalance".into(), params).await.expect("funded");

        process.kill();
        assert!(provider.get_chain_id().await.is_err());
        process.restart_if_ended().expect("started again");
        let deadline = Instant::now() + START_LIMIT;
        while provider.get_chain_id().await.is_err() {
            assert!(Instant::now() < deadline, "the chain does not come back");
            tokio::time::sleep(LOOK).await;
        }
        provider.raw_request::<_, ()>("anvil_setBalance".into(), params).await.expect("funded");
        // Asked to end, it writes its state, and the next start goes on from there.
        drop(process);
        let (process, again) = start(&options).await.expect("a chain");
        assert_eq!(again, url);
        let balance = provider.get_balance(Address::repeat_byte(7)).await.expect("a balance");
        assert_eq!(balance, U256::from(5));
        drop(process);
        std::fs::remove_dir_all(&state).expect("removed");
    }
}
