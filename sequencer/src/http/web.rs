//! The explorer: the files of a folder, read at the start, compressed once, and told apart by their hash.
//!
//! Scripts and styles have their hash in their name, so browsers keep them; the page itself is asked for each time, and
//! not sent again while it is the same. `config.json` is not a file of the folder: it tells the page where chain node
//! and contracts are.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use alloy::primitives::keccak256;
use axum::body::{Body, Bytes};
use axum::http::{header, HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use clap::Args;
use dn_core::api::{Address, ChainView};
use dn_service::Failure;
use flate2::{write::GzEncoder, Compression};
use serde_json::json;

use super::error::ApiError;

/// What the page may do: run its own scripts, and ask any chain node that its visitor names.
const POLICY: &str =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self' http: https:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// The folder of files that have their hash in their name.
const HASHED: &str = "/assets/";

/// The explorer.
#[derive(Args, Clone, Debug)]
pub struct WebArgs {
    /// Folder of the built explorer, which is then served at `/`.
    #[arg(long, env = "DN_WEB")]
    pub web: Option<PathBuf>,
    /// Chain node that its visitors ask, unless they name one of their own. Everybody can read it.
    #[arg(long, env = "DN_WEB_RPC", default_value = "")]
    pub web_rpc: String,
    /// Account for which that chain node signs, whoever asks, and which has approved the rollup: its DN are everybody's.
    /// On development chains only.
    #[arg(long, env = "DN_WEB_FAUCET")]
    pub web_faucet: Option<Address>,
}

/// The files of the explorer, by the path of their address.
#[derive(Debug, Default)]
pub(crate) struct Web(BTreeMap<String, File>);

#[derive(Debug)]
struct File {
    bytes: Bytes,
    /// Where it is smaller.
    gzip: Option<Bytes>,
    etag: HeaderValue,
    kind: &'static str,
    is_hashed: bool,
}

impl Web {
    /// Reads the folder that is asked for; no file if none is.
    ///
    /// # Errors
    /// `web` when the folder has no page, or cannot be read.
    pub(crate) fn load(args: &WebArgs, chain: &ChainView) -> Result<Self, Failure> {
        let Some(folder) = &args.web else { return Ok(Self::default()) };
        let hint = "--web takes the folder that make web builds: web/dist";
        let mut files = BTreeMap::new();
        read(folder, "", &mut files)
            .map_err(|e| Failure::new("web", format!("{}: {e}", folder.display()), hint))?;
        let Some(page) = files.remove("/index.html") else {
            return Err(Failure::new(
                "web",
                format!("{} has no index.html", folder.display()),
                hint,
            ));
        };
        files.insert("/".into(), page);
        let config = json!({
            "api": "",
            "rpc": args.web_rpc,
            "faucet": args.web_faucet,
            "chain_id": chain.chain_id,
            "rollup": chain.rollup,
            "token": chain.token,
            "staking": chain.staking,
            "registry": chain.registry,
        });
        files.insert("/config.json".into(), File::new("/config.json", config.to_string().into()));
        Ok(Self(files))
    }

    /// The answer to a request that no route of the interface takes.
    pub(crate) fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        match self.0.get(path) {
            None => ApiError::NotFound("path").into_response(),
            Some(_) if ![Method::GET, Method::HEAD].contains(method) => {
                let mut refusal = ApiError::MethodNotAllowed.into_response();
                refusal.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
                refusal
            }
            Some(file) => file.answer(headers),
        }
    }
}

/// Reads a folder's files and those below it; what starts with a dot or is no file is left out.
fn read(folder: &Path, at: &str, files: &mut BTreeMap<String, File>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{at}/{name}");
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &path, files)?;
        } else if std::fs::metadata(entry.path()).is_ok_and(|file| file.is_file()) {
            let file = File::new(&path, std::fs::read(entry.path())?);
            files.insert(path, file);
        }
    }
    Ok(())
}

impl File {
    fn new(path: &str, bytes: Vec<u8>) -> Self {
        let etag = format!("\"{}\"", &hex(&bytes)[..32]);
        Self {
            gzip: compressed(&bytes).filter(|gzip| gzip.len() < bytes.len()).map(Bytes::from),
            etag: HeaderValue::try_from(etag).unwrap_or(HeaderValue::from_static("\"\"")),
            kind: kind(path),
            is_hashed: path.starts_with(HASHED),
            bytes: bytes.into(),
        }
    }

    fn answer(&self, asked: &HeaderMap) -> Response {
        let gzip = self.gzip.as_ref().filter(|_| takes_gzip(asked));
        let is_known = named(asked, header::IF_NONE_MATCH).any(|tag| {
            tag == "*" || tag.trim_start_matches("W/").as_bytes() == self.etag.as_bytes()
        });
        let mut response = if is_known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            Response::new(Body::from(gzip.unwrap_or(&self.bytes).clone()))
        };
        let headers = response.headers_mut();
        let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
        if !is_known {
            set(header::CONTENT_TYPE, self.kind);
            if gzip.is_some() {
                set(header::CONTENT_ENCODING, "gzip");
            }
        }
        let kept = if self.is_hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
        set(header::CACHE_CONTROL, kept);
        set(header::VARY, "accept-encoding");
        set(header::CONTENT_SECURITY_POLICY, POLICY);
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(header::REFERRER_POLICY, "no-referrer");
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
        headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
        let none = HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()");
        headers.insert("permissions-policy", none);
        headers.insert(header::ETAG, self.etag.clone());
        response
    }
}

fn hex(bytes: &[u8]) -> String {
    format!("{:x}", keccak256(bytes))
}

fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// The parts of a header that lists things.
fn named(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    named(headers, header::ACCEPT_ENCODING).any(|coding| {
        let (name, terms) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = terms.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
        ["gzip", "*"].contains(&name.trim()) && weight != Some(0.0)
    })
}

/// The content type of a file, by the end of its name.
fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> ChainView {
        let some = Address([7; 20]);
        ChainView {
            chain_id: 5,
            rollup: some,
            token: some,
            staking: some,
            registry: some,
            sequencer: some,
        }
    }

    fn args(web: Option<&Path>) -> WebArgs {
        let web_rpc = "https://chain.example".to_owned();
        WebArgs { web: web.map(Path::to_owned), web_rpc, web_faucet: Some(Address([9; 20])) }
    }

    fn site() -> (tempfile::TempDir, Web) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("assets")).unwrap();
        std::fs::write(folder.path().join("index.html"), "<!doctype html>".repeat(50)).unwrap();
        std::fs::write(folder.path().join("assets/app-3f.js"), "let x = 1;").unwrap();
        std::fs::write(folder.path().join(".secret"), "no").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("gone.js")).unwrap();
        std::os::unix::net::UnixListener::bind(folder.path().join("pipe.js")).unwrap();
        let web = Web::load(&args(Some(folder.path())), &chain()).unwrap();
        (folder, web)
    }

    fn asked(web: &Web, path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let headers = headers.iter().map(|(n, v)| (n.clone(), v.parse().unwrap())).collect();
        web.answer(&Method::GET, path, &headers)
    }

    async fn body(response: Response) -> Vec<u8> {
        axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn a_page_is_compressed_for_whom_takes_that_and_sent_once() {
        let (_folder, web) = site();
        let plain = asked(&web, "/", &[(header::ACCEPT_ENCODING, "br, gzip;q=0")]);
        assert_eq!(plain.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(plain.headers()[header::CACHE_CONTROL], "no-cache");
        assert_eq!(plain.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
        let tag = plain.headers()[header::ETAG].to_str().unwrap().to_owned();
        let plain = body(plain).await;
        let gzip = asked(&web, "/", &[(header::ACCEPT_ENCODING, "br;q=1.0, gzip;q=0.8")]);
        assert_eq!(gzip.headers()[header::CONTENT_ENCODING], "gzip");
        let mut whole = Vec::new();
        let packed = body(gzip).await;
        assert!(packed.len() < plain.len());
        std::io::copy(&mut flate2::read::GzDecoder::new(&packed[..]), &mut whole).unwrap();
        assert_eq!(whole, plain);
        for known in [format!("\"x\", W/{tag}"), "*".to_owned()] {
            let same = asked(&web, "/", &[(header::IF_NONE_MATCH, &known)]);
            assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
        }
        assert_eq!(asked(&web, "/", &[(header::IF_NONE_MATCH, "\"x\"")]).status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn files_named_by_their_hash_are_kept_and_others_are_not_there() {
        let (_folder, web) = site();
        let script = asked(&web, "/assets/app-3f.js", &[]);
        assert!(script.headers()[header::CACHE_CONTROL].to_str().unwrap().ends_with("immutable"));
        for path in [
            "/.secret",
            "/gone.js",
            "/pipe.js",
            "/index.html",
            "/assets",
            "/../Cargo.toml",
            "/assets/../.secret",
        ] {
            assert_eq!(asked(&web, path, &[]).status(), StatusCode::NOT_FOUND, "{path}");
        }
        let sent = web.answer(&Method::POST, "/", &HeaderMap::new());
        assert_eq!(sent.status(), StatusCode::METHOD_NOT_ALLOWED);
        let config = body(asked(&web, "/config.json", &[])).await;
        let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["rpc"], "https://chain.example");
        assert_eq!(config["rollup"], Address([7; 20]).to_string());
        assert_eq!(config["faucet"], Address([9; 20]).to_string());
    }

    #[test]
    fn a_folder_without_a_page_is_refused_and_none_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Web::load(&args(Some(folder.path())), &chain()).unwrap_err().code, "web");
        let missing = folder.path().join("none");
        assert_eq!(Web::load(&args(Some(&missing)), &chain()).unwrap_err().code, "web");
        let none = Web::load(&args(None), &chain()).unwrap();
        assert_eq!(asked(&none, "/", &[]).status(), StatusCode::NOT_FOUND);
    }
}
