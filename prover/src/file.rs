//! Files that are written whole.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use rand_core::{OsRng, RngCore as _};

/// Writes a file so that a reader sees all of it or none, however many write it at once.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = path.with_extension(format!("partial-{:016x}", OsRng.next_u64()));
    // One that is there already is another writer's, and stays.
    let mut file = fs::File::create_new(&partial)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let written = written.and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // The cause is told; a partial file that cannot be removed either is only in the way.
        let _ = fs::remove_file(&partial);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let folder = std::env::temp_dir().join(format!("dn-nothing-{}", std::process::id()));
        let taken = folder.join("taken.srs");
        fs::create_dir_all(taken.join("inside")).expect("a folder");
        assert!(write_whole(&taken, b"bytes").is_err());
        assert_eq!(fs::read_dir(&folder).expect("read").count(), 1);
        fs::remove_dir_all(&folder).expect("remove the folder");
    }

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
