//! The architecture, as a test: every crate of the workspace and every normal dependency between
//! them is listed here; what is not listed fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;

const PORTS: [&str; 5] =
    ["raas-deal-status", "raas-lotus", "raas-aggregator", "raas-job-store", "raas-retrieval"];

/// Each crate, and the crates of the workspace that it may depend on.
fn allowed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let vocabulary = ["raas-types", "raas-piece"];
    let adapter = |port: &'static str| [&[port][..], &vocabulary].concat();
    let runtime = [&["raas-types", "raas-core", "raas-piece"][..], &PORTS].concat();
    let rows: Vec<(&str, Vec<&str>)> = vec![
        ("raas-types", vec![]),
        ("raas-core", vec!["raas-types"]),
        ("raas-piece", vec!["raas-types"]),
        ("raas-deal-status", vec!["raas-types"]),
        ("raas-lotus", vec!["raas-types"]),
        ("raas-aggregator", vec!["raas-types"]),
        ("raas-job-store", vec!["raas-types"]),
        ("raas-retrieval", vec!["raas-types"]),
        ("raas-deal-status-evm", adapter("raas-deal-status")),
        ("raas-lotus-jsonrpc", adapter("raas-lotus")),
        ("raas-aggregator-lighthouse", adapter("raas-aggregator")),
        ("raas-job-store-sqlite", adapter("raas-job-store")),
        ("raas-retrieval-http", adapter("raas-retrieval")),
        ("raas-runtime", runtime),
        ("raas-api-types", vec![]),
        ("raas-api", vec!["raas-api-types", "raas-runtime", "raas-types"]),
        ("raas-client", vec!["raas-api-types", "raas-types", "raas-retrieval"]),
        ("raas-sim", [&["raas-types", "raas-core", "raas-runtime"][..], &PORTS].concat()),
        ("raas-devnet", vec!["raas-types", "raas-piece", "raas-retrieval"]),
        ("raas-sim", [&["raas-types", "raas-core", "raas-runtime"][..], &PORTS].concat()),
    ];
    rows.into_iter().map(|(name, may)| (name, may.into_iter().collect())).collect()
}

/// Those that wire everything together may depend on any crate.
const EDGE: [&str; 2] = ["raas", "raas-examples"];

/// Outside crates that the inner circle and the ports may use. A port's signature can only name
/// what its crate depends on, so this also keeps HTTP, RPC and database types out of the ports.
const INNER: [(&str, &[&str]); 8] = [
    ("raas-types", &["cid", "hex", "serde", "thiserror"]),
    ("raas-core", &["cid", "serde", "smallvec"]),
    ("raas-piece", &["cid", "sha2", "thiserror"]),
    ("raas-deal-status", &["async-trait", "cid", "mockall", "thiserror"]),
    ("raas-lotus", &["async-trait", "cid", "mockall", "thiserror"]),
    ("raas-aggregator", &["async-trait", "bytes", "cid", "futures", "mockall", "thiserror"]),
    ("raas-job-store", &["async-trait", "cid", "futures", "mockall", "thiserror"]),
    (
        "raas-retrieval",
        &[
            "async-trait",
            "bytes",
            "cid",
            "futures",
            "ipld-core",
            "ipld-dagpb",
            "mockall",
            "multihash-codetable",
            "rust-unixfs",
            "serde_ipld_dagcbor",
            "tempfile",
            "thiserror",
            "tokio",
            "tokio-util",
        ],
    ),
];

#[test]
fn every_crate_keeps_to_its_layer() {
    let allowed = allowed();
    let mut wrong = Vec::new();
    for (name, dependencies) in workspace() {
        if EDGE.contains(&name.as_str()) {
            continue;
        }
        let Some(may) = allowed.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the list of crates"));
            continue;
        };
        let inside = dependencies.iter().filter(|d| d.starts_with("raas"));
        wrong.extend(
            inside
                .filter(|d| !may.contains(d.as_str()))
                .map(|d| format!("{name} may not depend on {d}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_inner_circle_and_the_ports_use_few_outside_crates() {
    let workspace = workspace();
    let mut wrong = Vec::new();
    for (name, may) in INNER {
        let outside = workspace[name].iter().filter(|d| !d.starts_with("raas"));
        wrong.extend(
            outside
                .filter(|d| !may.contains(&d.as_str()))
                .map(|d| format!("{name} may not depend on {d}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A dependency that nothing uses is weight for everybody who embeds the crate.
#[test]
fn every_normal_dependency_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut unused = Vec::new();
    for (name, dependencies) in workspace() {
        // Examples stand beside their manifest.
        let dir = match name.as_str() {
            "raas" => root.join("bins/raas/src"),
            "raas-examples" => root.join("examples"),
            _ => root.join("crates").join(&name).join("src"),
        };
        let source = sources(&dir);
        for dependency in dependencies {
            let used = dependency.replace('-', "_");
            if !source.contains(&format!("{used}::")) && !source.contains(&format!("use {used}")) {
                unused.push(format!("{name} does not use {dependency}"));
            }
        }
    }
    assert!(unused.is_empty(), "{}", unused.join("\n"));
}

/// All Rust sources below a directory, one after the other.
fn sources(dir: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry")) {
        let path = entry.path();
        if path.is_dir() {
            all.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(&path).expect("a source"));
        }
    }
    all
}

/// The crates that are free of clocks share one list of what they may not call.
#[test]
fn the_pure_crates_ban_the_same_calls() {
    let ban = |name: &str| {
        let path = format!("{}/../../crates/{name}/clippy.toml", env!("CARGO_MANIFEST_DIR"));
        fs::read_to_string(path).expect("a clippy.toml")
    };
    assert!(ban("raas-core").contains("SystemTime::now"));
    assert_eq!(ban("raas-core"), ban("raas-types"));
    assert_eq!(ban("raas-core"), ban("raas-piece"));
}

#[test]
fn every_listed_crate_is_there() {
    let workspace = workspace();
    let missing: Vec<_> =
        allowed().into_keys().filter(|name| !workspace.contains_key(*name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// The crates of the workspace with their normal dependencies.
fn workspace() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline", "--manifest-path"])
        .arg(manifest)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(|package| (text(&package["name"]), normal(package))).collect()
}

fn normal(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().expect("dependencies");
    let normal = dependencies.iter().filter(|d| d["kind"].is_null());
    normal.map(|d| text(&d["name"])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}
