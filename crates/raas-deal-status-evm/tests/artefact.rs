//! The committed artefact is what the compiler makes of the committed sources.

use std::{path::Path, process::Command};

use serde_json::Value;

/// Names a directory with the compiler: `npm i --prefix DIR solc@0.8.37`.
const SOLC_DIR: &str = "RAAS_SOLC_DIR";

fn contracts() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/contracts"))
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the artefact");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
#[allow(clippy::print_stdout, reason = "a skipped test says so by name")]
fn the_artefact_is_what_the_compiler_makes_of_the_sources() {
    let node = Command::new("node").arg("--version").output();
    if !node.is_ok_and(|node| node.status.success()) {
        println!("skipped: the_artefact_is_what_the_compiler_makes_of_the_sources: no node here");
        return;
    }
    let Ok(solc) = std::env::var(SOLC_DIR) else {
        println!(
            "skipped: the_artefact_is_what_the_compiler_makes_of_the_sources: \
             {SOLC_DIR} names no directory with solc"
        );
        return;
    };
    let dir = tempfile::TempDir::new().expect("a directory");
    let compiled = dir.path().join("DealStatus.json");
    let output = Command::new("node")
        .arg(contracts().join("compile.mjs"))
        .arg(&compiled)
        .env(SOLC_DIR, solc)
        .output()
        .expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (committed, made) = (read(&contracts().join("DealStatus.json")), read(&compiled));
    assert!(committed == made, "the sources changed: run contracts/compile.mjs");
}

#[test]
fn the_contract_fits_the_limit_of_the_evm() {
    let artefact = read(&contracts().join("DealStatus.json"));
    let code = artefact["deployedBytecode"].as_str().expect("hex");
    // EIP-170: 24 KiB; two digits a byte after the prefix.
    assert!((code.len() - 2) / 2 <= 24 * 1024);
}
