//! Links a function by the script that functions/.cargo/config.toml names; elsewhere it names none.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a build script is told and tells so"
)]

use std::env::var_os;

fn main() {
    println!("cargo::rerun-if-env-changed=TRYON_LINKER_SCRIPT");
    if let Some(script) = var_os("TRYON_LINKER_SCRIPT") {
        println!("cargo::rerun-if-changed={}", script.display());
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
}
