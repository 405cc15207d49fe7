//! What a piece of work cost this process.

use std::time::Instant;

use serde::{Deserialize, Serialize};

/// CPU and wall-clock seconds of a piece of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// User plus system time over all threads, in seconds.
    pub cpu_s: f64,
    /// Elapsed time, in seconds.
    pub wall_s: f64,
}

impl Usage {
    /// Runs `work` and measures it.
    pub fn of<T>(work: impl FnOnce() -> T) -> (T, Self) {
        let (start, cpu) = (Instant::now(), cpu_seconds());
        let result = work();
        let wall_s = start.elapsed().as_secs_f64();
        (result, Self { cpu_s: cpu_seconds() - cpu, wall_s })
    }
}

/// User plus system seconds of this process so far.
#[must_use]
#[allow(unsafe_code, reason = "getrusage has no safe wrapper in the standard library")]
pub fn cpu_seconds() -> f64 {
    // SAFETY: `rusage` is plain data, valid when zeroed, and outlives the call that fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Memory that the system could give to this process, in MiB; `None` where it does not tell.
#[must_use]
pub fn available_mb() -> Option<u64> {
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// Largest resident set of this process so far, in MiB; 0 where the system does not tell.
#[must_use]
pub fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
