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
/// A process that ran so long was well: it is started again at once when it ends.
const STEADY: Duration = Duration::from_secs(10);
/// Pause before the second start in a row. Each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
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
    started: Instant,
    /// Starts in a row that did not last.
    restarts: u32,
    /// When to start again, once it has ended.
    due: Option<Instant>,
}

impl Process {
    pub(crate) fn start(program: Program) -> Result<Self> {
        let child = spawn(&program)?;
        Ok(Self { program, child, started: Instant::now(), restarts: 0, due: None })
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

    /// Starts the process again when it has ended: at once, and later each time that it did not last.
    /// Whether it runs no more.
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    pub(crate) fn restart_if_ended(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else { return Ok(()) };
        let now = Instant::now();
        let due = match self.due {
            Some(due) => due,
            None => {
                if now - self.started >= STEADY {
                    self.restarts = 0;
                }
                let pause = pause(self.restarts);
                tracing::warn!(name = self.program.name, %status, ?pause, "process ended; starting it again");
                *self.due.insert(now + pause)
            }
        };
        if now >= due {
            self.child = spawn(&self.program)?;
            (self.started, self.due) = (now, None);
            self.restarts += 1;
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

/// The pause before a start, after so many in a row that did not last.
fn pause(restarts: u32) -> Duration {
    match restarts.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => (FIRST_PAUSE * 2u32.pow(doublings.min(16))).min(LONGEST_PAUSE),
    }
}

fn spawn(program: &Program) -> Result<Child> {
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
    Ok(child)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_and_further_ones_back_off() {
        let pauses: Vec<u128> = (0..5).map(|n| pause(n).as_millis()).collect();
        assert_eq!(pauses, [0, 500, 1000, 2000, 4000]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_process_that_ends_at_once_is_not_started_in_a_loop() {
        let log = std::env::temp_dir().join(format!("dn-process-{}", std::process::id()));
        let file = PathBuf::from("/bin/false");
        let program = Program { name: "false".into(), file, args: Vec::new(), log: log.clone() };
        let mut process = Process::start(program).expect("started");
        let deadline = Instant::now() + Duration::from_millis(400);
        while Instant::now() < deadline {
            process.restart_if_ended().expect("started again");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(process.restarts, 1);
        assert!(process.due.is_some());
        std::fs::remove_file(log).expect("removed");
    }
}
