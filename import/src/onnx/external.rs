//! Values of a tensor in a file beside the model.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::Tensor;

impl Tensor {
    fn entry(&self, key: &str) -> Option<&str> {
        self.external_data.iter().find(|e| e.key == key).map(|e| e.value.as_str())
    }

    fn extent(&self, key: &str) -> Result<Option<u64>, String> {
        let parse =
            |text: &str| text.parse().map_err(|_| format!("its {key} {text:?} is no number"));
        self.entry(key).map(parse).transpose()
    }

    /// Reads its `len` bytes from the file in `folder` that it names.
    ///
    /// Only files inside of the folder are read, whatever the name says and links point to.
    pub(super) fn external(&self, folder: Option<&Path>, len: usize) -> Result<Vec<u8>, String> {
        let location = self.entry("location").ok_or("the file of its values is not named")?;
        let folder = folder.ok_or_else(|| {
            format!("its values lie in {location:?}: import the model from its folder")
        })?;
        let path = inside(folder, location)?;
        let unreadable = |e: std::io::Error| {
            format!("its values lie in {location:?}, beside the model, which cannot be read: {e}")
        };
        let offset = self.extent("offset")?.unwrap_or(0);
        if self.extent("length")?.is_some_and(|l| l != len as u64) {
            return Err(format!(
                "its length in {location:?} is not that of its type and dimensions"
            ));
        }
        let mut file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        if offset.checked_add(len as u64).is_none_or(|end| end > size) {
            return Err(format!("{location:?} ends early: it has {size} bytes"));
        }
        file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
        let mut bytes = vec![0; len];
        file.read_exact(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }
}

/// The file `location` of `folder`, if it is there and inside.
fn inside(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let is_plain = Path::new(location).components().all(|c| matches!(c, Component::Normal(_)));
    let outside = || format!("its values lie outside of the model's folder, in {location:?}");
    if location.is_empty() || !is_plain {
        return Err(outside());
    }
    let missing = |e: std::io::Error| {
        format!(
            "its values lie in {location:?}, which is not beside the model ({e}); copy it there, or export with \
             external_data=False"
        )
    };
    let root = folder.canonicalize().map_err(missing)?;
    let path = root.join(location).canonicalize().map_err(missing)?;
    if path.starts_with(&root) {
        Ok(path)
    } else {
        Err(outside())
    }
}
