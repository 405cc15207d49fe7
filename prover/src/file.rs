//! Files that are written whole.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells apart the files that one program writes at once.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// Writes a file so that a reader sees all of it or none, however many write it at once.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let count = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let partial = path.with_extension(format!("partial-{}-{count}", std::process::id()));
    let mut file = fs::File::create(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_can_write_one_file_at_once() {
        let folder = std::env::temp_dir().join(format!("dn-whole-{}", std::process::id()));
        let path = folder.join("a.srs");
        std::thread::scope(|scope| {
            for byte in 0..8u8 {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..20 {
                        write_whole(path, &[byte; 999]).expect("written");
                    }
                });
            }
        });
        let read = fs::read(&path).expect("read");
        assert!(read.len() == 999 && read.iter().all(|b| *b == read[0]));
        fs::remove_dir_all(&folder).expect("remove the folder");
    }
}
