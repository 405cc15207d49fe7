//! Pools: files of questions whose answers the validator knows.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{ensure, Context as _, Result};
use serde::Deserialize;

/// A pool's file and the service whose models it is for: `SERVICE=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolFile {
    /// The task category.
    pub service: String,
    /// JSON, one example a line.
    pub file: PathBuf,
}

impl FromStr for PoolFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, file) = text.split_once('=').ok_or("write SERVICE=FILE")?;
        Ok(Self { service: service.to_owned(), file: file.into() })
    }
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// The input, raw values as the model's file takes them.
    pub x: Vec<f32>,
    /// Its class.
    pub y: u16,
}

/// Questions for the models of a service.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The task category.
    pub service: String,
    /// Questions, at least one.
    pub examples: Vec<Example>,
}

impl Pool {
    /// Reads a pool.
    ///
    /// # Errors
    /// When the file cannot be read, a line is no example, or there is none.
    pub fn read(from: &PoolFile) -> Result<Self> {
        let name = from.file.display();
        let text = std::fs::read_to_string(&from.file);
        let text = text.with_context(|| format!("read the pool {name}"))?;
        let examples: Vec<Example> = text
            .lines()
            .enumerate()
            .map(|(i, line)| {
                serde_json::from_str(line).with_context(|| format!("{name}, line {}", i + 1))
            })
            .collect::<Result<_>>()?;
        ensure!(!examples.is_empty(), "the pool {name} is empty");
        Ok(Self { service: from.service.clone(), examples })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Pool> {
        let file =
            std::env::temp_dir().join(format!("dn-pool-{}-{}", std::process::id(), text.len()));
        std::fs::write(&file, text)?;
        let pool = Pool::read(&PoolFile { service: "s".into(), file: file.clone() });
        std::fs::remove_file(file)?;
        pool
    }

    #[test]
    fn pools_are_lines_of_examples() {
        let pool = read("{\"x\":[1,2.5],\"y\":3}\n{\"x\":[0,0],\"y\":0}\n").unwrap();
        assert_eq!(pool.examples[0], Example { x: vec![1.0, 2.5], y: 3 });
        assert_eq!(pool.examples.len(), 2);
        let wrong = read("{\"x\":[1],\"y\":3}\n{\"x\":[1],\"y\":-3}\n").unwrap_err();
        assert!(format!("{wrong:#}").contains("line 2"), "{wrong:#}");
        assert!(read("").is_err());
        assert!("digits".parse::<PoolFile>().is_err());
    }
}
