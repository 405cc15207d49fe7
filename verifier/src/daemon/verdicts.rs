//! The validator's log: one line of JSON per batch, in order. It is also its memory: after a
//! restart it goes on behind the last whole line.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use dn_core::api::BatchView;
use serde::{Deserialize, Serialize};

/// What the validator says about a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The batch.
    pub batch_id: u64,
    /// Tasks in it.
    pub tasks: u32,
    /// Whether header, slots, key, statement and proof all hold.
    pub is_valid: bool,
    /// What does not hold; `expired` for a batch that ended without a proof.
    pub flaw: Option<String>,
    /// False receipts that were reported and slashed.
    pub slashed: u32,
    /// Wall time of the native verification.
    pub verify_ms: u64,
}

impl Verdict {
    pub(super) fn of(batch: &BatchView, flaw: Option<&str>) -> Self {
        Self {
            batch_id: batch.header.batch_id,
            tasks: batch.count,
            is_valid: flaw.is_none(),
            flaw: flaw.map(str::to_owned),
            slashed: 0,
            verify_ms: 0,
        }
    }

    pub(super) fn expired(batch_id: u64) -> Self {
        let flaw = Some("expired".to_owned());
        Self { batch_id, tasks: 0, is_valid: false, flaw, slashed: 0, verify_ms: 0 }
    }
}

#[derive(Debug)]
pub(super) struct Verdicts {
    file: File,
    next: u64,
}

impl Verdicts {
    /// Opens or creates the log. A last line that was cut off is dropped.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let (mut end, mut next) = (0, 0);
        let mut reader = BufReader::new(&file);
        let mut line = String::new();
        while reader.read_line(&mut line)? != 0 {
            let Ok(verdict) = serde_json::from_str::<Verdict>(&line) else { break };
            if !line.ends_with('\n') {
                break;
            }
            end += line.len() as u64;
            next = verdict.batch_id + 1;
            line.clear();
        }
        file.set_len(end)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, next })
    }

    /// The first batch without a verdict.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Adds a verdict; it is on disk when this returns.
    pub(super) fn append(&mut self, verdict: &Verdict) -> io::Result<()> {
        let mut line = serde_json::to_vec(verdict)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.next = verdict.batch_id + 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_is_dropped_and_judged_again() {
        let path = std::env::temp_dir().join(format!("verdicts-{}", std::process::id()));
        let mut log = Verdicts::open(&path).unwrap();
        log.append(&Verdict::expired(0)).unwrap();
        log.append(&Verdict::expired(1)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let mut log = Verdicts::open(&path).unwrap();
        assert_eq!(log.next(), 1);
        log.append(&Verdict::expired(1)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        std::fs::remove_file(&path).unwrap();
    }
}
