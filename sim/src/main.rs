//! Prints what each strategy earns beside the honest one, and draws it.
//!
//! `DN_SIM_NODES`, `DN_SIM_EPOCHS`, `DN_SIM_SEED` choose the size; the argument is where the picture goes.

use std::process::ExitCode;

use dn_sim::{payoffs, plot, table, Size};

fn number(name: &str, otherwise: u64) -> Result<u64, String> {
    match std::env::var(name) {
        Ok(text) => text.parse().map_err(|_| format!("{name} is not a number: {text}")),
        Err(_) => Ok(otherwise),
    }
}

fn run() -> Result<bool, String> {
    let nodes = number("DN_SIM_NODES", 10_000)?.clamp(10, 1_000_000);
    let epochs = number("DN_SIM_EPOCHS", 1_000)?.clamp(1, 1_000_000);
    let size = Size {
        nodes: usize::try_from(nodes).map_err(|e| e.to_string())?,
        epochs: u32::try_from(epochs).map_err(|e| e.to_string())?,
        seed: number("DN_SIM_SEED", 1)?,
    };
    let payoffs = payoffs(size);
    println!("{} nodes, {} epochs, seed {}\n", size.nodes, size.epochs, size.seed);
    print!("{}", table(&payoffs));
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(&path, plot(&payoffs)).map_err(|e| format!("write {path}: {e}"))?;
        println!("\n{path}");
    }
    Ok(payoffs.iter().all(|p| p.strategy.is_out_of_reach() || p.advantage() <= 0.01))
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("a strategy beats honesty");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
