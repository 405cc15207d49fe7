//! Where model packages and their keys lie: a folder, or a bucket of an S3 store.
//!
//! Nothing here is trusted: whoever reads a file checks it against the hash that the registry has.

use alloy::transports::http::reqwest::Url;
use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{parse_url_opts, ObjectStore, ObjectStoreExt as _};
use thiserror::Error;

/// Scheme of a bucket.
const BUCKET: &str = "s3://";
/// Largest file: a package of half a billion weights.
const MAX_BYTES: u64 = 1 << 29;

/// Why an artifact cannot be had.
#[derive(Debug, Error)]
pub(crate) enum ArtifactError {
    /// The place is no folder and no bucket.
    #[error("{place} is no folder and no bucket")]
    Place {
        /// What was given.
        place: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file cannot be read.
    #[error("read {name}")]
    Read {
        /// The file.
        name: String,
        /// The cause.
        #[source]
        source: object_store::Error,
    },
    /// A file is larger than any package.
    #[error("{name} has {bytes} bytes, and no package more than {MAX_BYTES}")]
    TooLarge {
        /// The file.
        name: String,
        /// Its size.
        bytes: u64,
    },
}

impl ArtifactError {
    /// Whether it says nothing about the file, which an answer of the place would.
    pub(crate) fn is_silence(&self) -> bool {
        let Self::Read { name, source } = self else { return false };
        name.starts_with(BUCKET) && !matches!(source, object_store::Error::NotFound { .. })
    }
}

/// A folder or a bucket of artifacts.
#[derive(Debug)]
pub(crate) struct Artifacts {
    place: String,
    store: Box<dyn ObjectStore>,
    prefix: Path,
}

impl Artifacts {
    /// Opens `s3://BUCKET/PREFIX`, with the endpoint, region and credentials of the environment
    /// (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
    /// `AWS_ALLOW_HTTP`), or a folder, which is created if it is missing.
    ///
    /// # Errors
    /// When there is no such place.
    pub(crate) fn open(place: &str) -> Result<Self, ArtifactError> {
        let bad = |source: Box<dyn std::error::Error + Send + Sync>| ArtifactError::Place {
            place: place.to_owned(),
            source,
        };
        let (store, prefix): (Box<dyn ObjectStore>, _) = if place.starts_with(BUCKET) {
            let url = Url::parse(place).map_err(|e| bad(e.into()))?;
            let settings = std::env::vars_os()
                .filter_map(|(key, value)| {
                    Some((key.into_string().ok()?, value.into_string().ok()?))
                })
                .filter(|(key, _)| key.starts_with("AWS_"))
                .map(|(key, value)| (key.to_ascii_lowercase(), value));
            parse_url_opts(&url, settings).map_err(|e| bad(e.into()))?
        } else {
            std::fs::create_dir_all(place).map_err(|e| bad(e.into()))?;
            let folder = LocalFileSystem::new_with_prefix(place).map_err(|e| bad(e.into()))?;
            (Box::new(folder), Path::default())
        };
        Ok(Self { place: place.to_owned(), store, prefix })
    }

    /// Every file with this suffix that lies in the place itself, in the order of their names. Pipes
    /// and devices, which may never end, are none.
    ///
    /// # Errors
    /// When the place cannot be listed.
    pub(crate) async fn list(&self, suffix: &str) -> Result<Vec<Path>, ArtifactError> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await;
        let listed =
            listed.map_err(|source| ArtifactError::Read { name: self.place.clone(), source })?;
        let mut files: Vec<Path> = listed.objects.into_iter().map(|o| o.location).collect();
        let is_bucket = self.place.starts_with(BUCKET);
        let is_file = |path: &Path| {
            is_bucket || std::fs::metadata(self.name(path)).is_ok_and(|m| m.is_file())
        };
        files.retain(|path| path.extension() == Some(suffix) && is_file(path));
        files.sort();
        Ok(files)
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When it cannot be read, or is larger than any package.
    pub(crate) async fn read(&self, path: &Path) -> Result<Vec<u8>, ArtifactError> {
        let fails = |source| ArtifactError::Read { name: self.name(path), source };
        let found = self.store.get(path).await.map_err(fails)?;
        let bytes = found.meta.size;
        if bytes > MAX_BYTES {
            return Err(ArtifactError::TooLarge { name: self.name(path), bytes });
        }
        let chunks: Vec<_> = found.into_stream().try_collect().await.map_err(fails)?;
        Ok(chunks.concat())
    }

    /// What a file is called in messages.
    pub(crate) fn name(&self, path: &Path) -> String {
        let file = path.filename().unwrap_or_default();
        format!("{}/{file}", self.place.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn holds_packages(place: &str) {
        let artifacts = Artifacts::open(place).unwrap();
        assert!(artifacts.list("dnpkg").await.unwrap().is_empty());
        let put = |name: &'static str, bytes: Vec<u8>| {
            let path = artifacts.prefix.clone().join(name);
            let store = &artifacts.store;
            async move { store.put(&path, bytes.into()).await.unwrap() }
        };
        let large: Vec<u8> = (0u32..400_000).flat_map(u32::to_le_bytes).collect();
        put("b.dnpkg", large.clone()).await;
        put("a.dnpkg", vec![1, 2, 3]).await;
        put("a.protocol", vec![4]).await;
        let files = artifacts.list("dnpkg").await.unwrap();
        let names: Vec<_> = files.iter().map(|f| artifacts.name(f)).collect();
        assert_eq!(names, [format!("{place}/a.dnpkg"), format!("{place}/b.dnpkg")]);
        assert_eq!(artifacts.read(&files[0]).await.unwrap(), [1, 2, 3]);
        assert_eq!(artifacts.read(&files[1]).await.unwrap(), large);
        let missing = artifacts.read(&artifacts.prefix.clone().join("c.protocol")).await;
        let error = missing.unwrap_err().to_string();
        assert_eq!(error, format!("read {place}/c.protocol"));
    }

    #[tokio::test]
    async fn pipes_folders_and_devices_are_no_packages() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("folder.dnpkg")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("zero.dnpkg")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("lost.dnpkg")).unwrap();
        std::fs::write(at("empty.dnpkg"), []).unwrap();
        let made = std::process::Command::new("mkfifo").arg(at("pipe.dnpkg")).status();
        assert!(made.unwrap().success());
        let artifacts = Artifacts::open(&folder.path().display().to_string()).unwrap();
        let files = artifacts.list("dnpkg").await.unwrap();
        let names: Vec<_> = files.iter().filter_map(Path::filename).collect();
        assert_eq!(names, ["empty.dnpkg"]);
    }

    #[tokio::test]
    async fn a_folder_holds_packages() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("models");
        holds_packages(&place.display().to_string()).await;
        let file = place.join("a.dnpkg/x");
        let error = Artifacts::open(&file.display().to_string()).unwrap_err();
        assert!(matches!(error, ArtifactError::Place { .. }), "{error}");
    }

    /// Runs when `DN_TEST_S3` names an empty bucket, as scripts/with-s3.sh does.
    #[tokio::test]
    async fn a_bucket_holds_packages() {
        let Some(bucket) = std::env::var_os("DN_TEST_S3") else { return };
        let bucket = bucket.to_string_lossy();
        holds_packages(&format!("{bucket}/served/today")).await;
        let elsewhere = Artifacts::open(&format!("{bucket}-missing/served")).unwrap();
        let error = elsewhere.list("dnpkg").await.unwrap_err();
        assert!(error.to_string().ends_with("-missing/served"), "{error}");
    }
}
