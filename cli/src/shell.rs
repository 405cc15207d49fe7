//! `deepnode completions` and `deepnode man`: both follow from the description of the command line.

use std::io::Write as _;
use std::path::Path;

use clap::CommandFactory as _;
use dn_service::Report;

use crate::args::{Cli, Completions, Man};
use crate::error::Failure;

/// Prints a shell's completions.
pub(crate) fn completions(args: &Completions) -> Result<Report, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "deepnode", &mut script);
    let written = std::io::stdout().write_all(&script);
    written.map_err(|e| Failure::file(Path::new("stdout"), &e))?;
    Ok(Report::default())
}

/// Writes a page for the program and for each of its commands.
pub(crate) fn man(args: &Man) -> Result<Report, Failure> {
    let failed = |e| Failure::file(&args.folder, &e);
    std::fs::create_dir_all(&args.folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command().name("deepnode"), &args.folder).map_err(failed)?;
    let mut report = Report::default();
    report.set("pages", args.folder.display().to_string());
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().expect("a folder");
        man(&Man { folder: folder.path().join("man1") }).expect("written");
        let read = |name: &str| std::fs::read_to_string(folder.path().join("man1").join(name));
        assert!(read("deepnode.1").expect("a page").contains("deepnode"));
        assert!(read("deepnode-model-import.1").expect("a page").contains("calibration"));
    }

    #[test]
    fn completions_know_the_commands() {
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "deepnode", &mut script);
            assert!(String::from_utf8_lossy(&script).contains("check-key"));
        }
    }
}
