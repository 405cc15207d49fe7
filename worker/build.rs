//! Writes the folder of libtorch into the programs, which then find it without `LD_LIBRARY_PATH`.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    // torch-sys publishes it under the name of its `links` key.
    match env::var("DEP_TCH_LIBTORCH_LIB") {
        Ok(folder) => println!("cargo:rustc-link-arg=-Wl,-rpath={folder}"),
        Err(_) => println!(
            "cargo:warning=torch-sys does not say where libtorch is; \
             the programs will find it only through LD_LIBRARY_PATH"
        ),
    }
}
