//! The validator's log: one line of JSON per batch, in the order of the verdicts. It is also its
//! memory: after a restart it judges what has no whole line.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use dn_core::api::BatchView;
use serde::{Deserialize, Serialize};

/// What the validator says about a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The sequencer's name for the batch.
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
            batch_id: batch.id,
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

/// The log with the batches that are in it.
#[derive(Debug)]
pub(super) struct Verdicts {
    file: File,
    /// Bytes of whole lines.
    end: u64,
    judged: BTreeSet<u64>,
}

impl Verdicts {
    /// Opens or creates the log. A last line that was cut off is dropped.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path)?;
        let (mut end, mut judged) = (0, BTreeSet::new());
        let mut reader = BufReader::new(&file);
        let mut line = String::new();
        while reader.read_line(&mut line)? != 0 {
            let Ok(verdict) = serde_json::from_str::<Verdict>(&line) else { break };
            if !line.ends_with('\n') {
                break;
            }
            end += line.len() as u64;
            judged.insert(verdict.batch_id);
            line.clear();
        }
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        Ok(Self { file, end, judged })
    }

    /// How many batches have a verdict.
    pub(super) fn len(&self) -> usize {
        self.judged.len()
    }

    /// Whether a batch has a verdict.
    pub(super) fn has(&self, batch_id: u64) -> bool {
        self.judged.contains(&batch_id)
    }

    /// The lowest number that names no judged batch.
    pub(super) fn lowest_unjudged(&self) -> u64 {
        (0..)
            .zip(&self.judged)
            .find(|(i, id)| i != *id)
            .map_or(self.judged.len() as u64, |(i, _)| i)
    }

    /// Adds a verdict; it is on disk when this returns. After an error nothing of it is.
    pub(super) fn append(&mut self, verdict: &Verdict) -> io::Result<()> {
        let mut line = serde_json::to_vec(verdict)?;
        line.push(b'\n');
        // What a failed attempt left is written over.
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.end += line.len() as u64;
        self.judged.insert(verdict.batch_id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("verdicts-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_cut_line_is_dropped_and_judged_again() {
        let path = path("cut");
        let mut log = Verdicts::open(&path).unwrap();
        log.append(&Verdict::expired(0)).unwrap();
        log.append(&Verdict::expired(1)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let mut log = Verdicts::open(&path).unwrap();
        assert_eq!((log.lowest_unjudged(), log.len()), (1, 1));
        log.append(&Verdict::expired(1)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn verdicts_come_in_any_order() {
        let path = path("order");
        let mut log = Verdicts::open(&path).unwrap();
        for id in [3, 0, 7, 1] {
            assert!(!log.has(id));
            log.append(&Verdict::expired(id)).unwrap();
        }
        for log in [log, Verdicts::open(&path).unwrap()] {
            assert_eq!((log.lowest_unjudged(), log.len()), (2, 4));
            assert!([0, 1, 3, 7].into_iter().all(|id| log.has(id)) && !log.has(2));
        }
        std::fs::remove_file(&path).unwrap();
    }
}
