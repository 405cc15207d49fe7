//! The command lines of the processes.

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use dn_core::api::Bytes32;

use crate::accounts::{key_file, prover_name, secret_file, ASKER};
use crate::process::Program;
use crate::{Deployment, Options};

/// The command lines of the services.
pub(crate) struct Programs<'a> {
    pub(crate) options: &'a Options,
    pub(crate) contracts: &'a Deployment,
    pub(crate) rpc: &'a str,
    /// The chain's own endpoint, which the explorer's visitors ask.
    pub(crate) web_rpc: &'a str,
    /// The account that pays for them.
    pub(crate) web_faucet: Address,
}

impl Programs<'_> {
    fn program(&self, name: &str, file: &str, args: &[(&str, String)]) -> Program {
        let args = args.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.clone()]);
        Program {
            name: name.to_owned(),
            file: self.options.programs.join(file),
            args: args.filter(|a| !a.is_empty()).collect(),
            log: self.options.state.join("logs").join(format!("{name}.log")),
        }
    }

    fn key(&self, name: &str) -> String {
        text(&key_file(&self.options.state, name))
    }

    pub(crate) fn sequencer(&self, listen: &str) -> Program {
        let (o, state) = (self.options, &self.options.state);
        let own = || format!("sqlite://{}", text(&state.join("sequencer.db")));
        let mut program = self.program(
            "sequencer",
            "dn-sequencer",
            &[
                ("--listen", listen.to_owned()),
                ("--database", o.database.clone().unwrap_or_else(own)),
                ("--rpc-url", self.rpc.to_owned()),
                ("--rollup", self.contracts.rollup.to_string()),
                ("--key-file", self.key("sequencer")),
                ("--models", text(&state.join("models"))),
                ("--batch-wait-ms", o.batch_wait.as_millis().to_string()),
                ("--lease-ms", o.lease.as_millis().to_string()),
                ("--proving-window-s", o.proving_window.as_secs().to_string()),
                ("--confirmations", o.confirmations.to_string()),
            ],
        );
        if let Some(folder) = &o.web {
            let web = text(folder);
            let faucet = self.web_faucet.to_string();
            let args = ["--web", &web, "--web-rpc", self.web_rpc, "--web-faucet", &faucet];
            program.args.extend(args.map(str::to_owned));
        }
        program.args.extend(o.sequencer_args.iter().cloned());
        program
    }

    pub(crate) fn worker(&self, url: &str, index: usize) -> Program {
        let name = format!("worker-{}", index + 1);
        let key = self.key(&name);
        self.program(
            &name,
            "dn-worker",
            &[
                ("serve", String::new()),
                ("--sequencer", url.to_owned()),
                ("--key-file", key),
                ("--backend", self.options.backend.clone()),
            ],
        )
    }

    pub(crate) fn prover(&self, url: &str, models: &[Bytes32], index: usize) -> Program {
        let name = prover_name(index);
        let warm: Vec<String> = models.iter().map(Bytes32::to_string).collect();
        let mut args = vec![
            ("--sequencer", url.to_owned()),
            ("--key-file", self.key(&name)),
            ("--data-dir", text(&self.options.data)),
        ];
        if !warm.is_empty() {
            args.push(("--warm", warm.join(",")));
        }
        self.program(&name, "dn-prover", &args)
    }

    pub(crate) fn gateway(&self, url: &str, listen: &str) -> Program {
        self.program(
            "gateway",
            "dn-gateway",
            &[
                ("--listen", listen.to_owned()),
                ("--sequencer", url.to_owned()),
                ("--rpc-url", self.rpc.to_owned()),
                ("--secret-file", text(&secret_file(&self.options.state))),
            ],
        )
    }

    pub(crate) fn validator(&self, url: &str) -> Program {
        let pool = |(service, file): &(String, PathBuf)| format!("{service}={}", text(file));
        let mut args = vec![
            ("--sequencer", url.to_owned()),
            ("--rpc-url", self.rpc.to_owned()),
            ("--key-file", self.key("validator")),
            ("--verdicts", text(&self.options.state.join("verdicts.jsonl"))),
        ];
        args.extend(self.options.pools.iter().map(|named| ("--pool", pool(named))));
        if !self.options.pools.is_empty() {
            args.push(("--asker-key-file", self.key(ASKER)));
        }
        self.program("validator", "dn-validator", &args)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
