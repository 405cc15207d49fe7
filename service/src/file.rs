//! Files and folders that only their owner reads.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Writes a file that its owner alone can read, so that a reader sees all of it or none, whatever
/// happens to the program or the machine.
///
/// # Errors
/// When the file cannot be written; what was there before is still there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = partial(path);
    // One that is there already is another writer's, and stays.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
    let written = fill(file, bytes).and_then(|()| std::fs::rename(&partial, path));
    if written.is_err() {
        // The cause is told; a partial file that cannot be removed either is only in the way.
        let _ = std::fs::remove_file(&partial);
        return written;
    }
    // The new name is durable once the folder is.
    File::open(folder_of(path))?.sync_all()
}

/// Creates a folder, and those above it, that its owner alone can enter. One that is there is
/// closed to others.
///
/// # Errors
/// When it cannot be created or is another's.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
}

fn fill(mut file: File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name of its own: programs of two containers have the same number and can share a folder.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(format!(".partial-{:016x}", RandomState::new().build_hasher().finish()));
    path.with_file_name(name)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_their_owner_s() {
        let folder = std::env::temp_dir().join(format!("dn-file-{}", std::process::id()));
        private_folder(&folder.join("inner")).unwrap();
        let file = folder.join("inner/key");
        write_whole(&file, b"one").unwrap();
        write_whole(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&folder.join("inner"))), (0o600, 0o700));
        assert_eq!(std::fs::read_dir(folder.join("inner")).unwrap().count(), 1);
        assert!(write_whole(&folder.join("nowhere/key"), b"three").is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
