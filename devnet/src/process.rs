//! A child process with a log file.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{bail, Context as _, Result};
use rustix::process::{kill_process, Pid, Signal};

/// How long a process may take to end when it is asked to.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks at a process or its log.
const LOOK: Duration = Duration::from_millis(20);
/// Lines of a log that an error shows.
const TAIL: usize = 5;

/// How to start a process.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) log: PathBuf,
}

/// A running process. Dropping it asks it to end, and insists after a while.
#[derive(Debug)]
pub(crate) struct Process {
    program: Program,
    child: Child,
}

impl Process {
    pub(crate) fn start(program: Program) -> Result<Self> {
        let open = OpenOptions::new().create(true).append(true).open(&program.log);
        let log = open.with_context(|| format!("open {}", program.log.display()))?;
        let child = Command::new(&program.file)
            .args(&program.args)
            // One thread per process: several on a small machine only get in each other's way.
            .env("OMP_NUM_THREADS", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", program.file.display()))?;
        tracing::info!(name = program.name, pid = child.id(), "process started");
        Ok(Self { program, child })
    }

    pub(crate) fn name(&self) -> &str {
        &self.program.name
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What to start when it has ended.
    pub(crate) fn replace_program(&mut self, program: Program) {
        self.program = program;
    }

    pub(crate) fn kill(&mut self) {
        // A process that has ended cannot be killed, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Fails with the end of the log when the process has ended.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let log = std::fs::read_to_string(&self.program.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
            bail!("{} ended ({status}):\n{tail}", self.program.name);
        }
        Ok(())
    }

    pub(crate) fn restart_if_ended(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            tracing::warn!(name = self.program.name, %status, "process ended; starting it again");
            // The old child is reaped: replacing it stops nothing.
            *self = Self::start(self.program.clone())?;
        }
        Ok(())
    }

    /// The address that the process says it listens on.
    pub(crate) async fn listening_address(&mut self, limit: Duration) -> Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            self.ensure_running()?;
            let log = std::fs::read_to_string(&self.program.log).unwrap_or_default();
            let line = log.lines().rev().find(|l| l.contains("listening address="));
            let pid = format!("pid={}", self.id());
            if let Some(line) = line.filter(|l| l.contains(&pid)) {
                let address = line.split("address=").nth(1).unwrap_or_default();
                return Ok(address.split_whitespace().next().unwrap_or_default().to_owned());
            }
            if Instant::now() > deadline {
                bail!("{} does not listen; see {}", self.program.name, self.program.log.display());
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // It may have ended already; then there is nothing left to do.
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        self.kill();
    }
}
