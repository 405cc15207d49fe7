//! A local EVM development chain: foundry's native anvil binary as a child process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{kill_process, Pid, Signal};
use thiserror::Error;

/// How long the chain may take to write its state.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A running chain. Dropping it ends the process.
#[derive(Debug)]
pub struct Anvil {
    child: Child,
    url: String,
}

/// Why there is no chain.
#[derive(Debug, Error)]
pub enum AnvilError {
    /// The program cannot be started.
    #[error("start {program}")]
    Start {
        /// Path of the program.
        program: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The program ended before it listened.
    #[error("anvil ended before it listened")]
    Ended,
}

impl Anvil {
    /// Starts `program` on a free port of 127.0.0.1. With a `state` file the chain goes on from it
    /// and is written to it, every two seconds and at the end.
    ///
    /// # Errors
    /// When it cannot be started or ends at once.
    pub fn spawn(program: &Path, state: Option<&Path>) -> Result<Self, AnvilError> {
        let source = |source| AnvilError::Start { program: program.display().to_string(), source };
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--port", "0", "--hardfork", "prague"]);
        if let Some(state) = state {
            command.arg("--state").arg(state).args(["--state-interval", "2"]);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .map_err(source)?;
        let stdout = child.stdout.take().ok_or(AnvilError::Ended)?;
        let mut lines = BufReader::new(stdout).lines();
        let address = lines.by_ref().find_map(|line| {
            let line = line.ok()?;
            line.strip_prefix("Listening on ").map(str::to_owned)
        });
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(AnvilError::Ended);
        };
        // The pipe is drained, so that a full one never blocks the chain.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, url: format!("http://{address}") })
    }

    /// The RPC endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // Asked to end, it writes its state. It may have ended already; then nothing is left to do.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
