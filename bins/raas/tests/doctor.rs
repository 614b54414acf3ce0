//! `raas doctor` on devnets of every kind of node, well and ill.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
    time::Duration,
};

use raas_deal_status_evm::SigningKey;
use raas_devnet::RpcMode;
use serde_json::Value;
use support::{
    last_line, raas, stderr,
    ward::{self, Ward, secret},
};

/// A port of this machine at which nobody listens.
const NOBODY: &str = "http://127.0.0.1:1/";

/// A key that controls nothing on a devnet.
const POOR_KEY: [u8; 32] = [7; 32];

/// What the doctor says of a configuration: all its lines, and the exit code.
async fn visit(ward: &Ward, config: &str) -> Visit {
    let output = call(ward, config, &["--json"]).await;
    let code = output.status.code();
    let report = last_line(&output);
    let checks = report["checks"].as_array().unwrap_or_else(|| panic!("{}", stderr(&output)));
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let lines = checks.iter().map(|check| {
        let (level, about) = (text(check, "level"), text(check, "about"));
        assert!(level == "ok" || !text(check, "mend").is_empty(), "{check}");
        format!("{level} {about}: {}", text(check, "says"))
    });
    Visit { lines: lines.collect(), code, level: text(&report, "level") }
}

/// Calls the doctor. It never takes long, and never tells a secret.
async fn call(ward: &Ward, config: &str, args: &[&str]) -> Output {
    let path = ward.dir.path().join("raas.toml");
    fs::write(&path, config).expect("written");
    let mut command = raas();
    command.args(["doctor", "--timeout", "5", "--config"]).arg(&path).args(args);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = tokio::time::timeout(Duration::from_secs(100), output).await;
    let output = output.expect("it does not hang").expect("it runs").expect("it runs");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
    for secret in ["sesame", &hex::encode(ward.devnet.funded_key()), &hex::encode(POOR_KEY)] {
        assert!(!said.contains(secret), "{said}");
    }
    output
}

struct Visit {
    lines: Vec<String>,
    code: Option<i32>,
    level: String,
}

impl Visit {
    /// Asserts that there is a line that begins and ends or goes on so.
    #[track_caller]
    fn says(&self, begins: &str, contains: &str) {
        let found = |line: &String| line.starts_with(begins) && line.contains(contains);
        assert!(self.lines.iter().any(found), "no {begins:?} … {contains:?} in {:#?}", self.lines);
    }

    #[track_caller]
    fn ends(&self, level: &str, code: i32) {
        assert_eq!((&*self.level, self.code), (level, Some(code)), "{:#?}", self.lines);
    }

    fn count(&self, level: &str) -> usize {
        self.lines.iter().filter(|line| line.starts_with(level)).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_two_nodes_of_one_chain_all_is_well() {
    let ward = Ward::open().await;
    let config = ward.config(&[ward.node(0), ward.node(1)]);
    let told = visit(&ward, &config).await;
    told.ends("ok", 0);
    told.says("ok lotus 127.0.0.1", "network devnet, version 28");
    told.says("ok lotus 127.0.0.1", "in sync");
    told.says("ok lotus 127.0.0.1", "(a Lotus node)");
    told.says("ok lotus localhost", "(a Forest node)");
    told.says("ok lotus localhost", "names the final tipset, epoch");
    told.says("ok lotus localhost", "takes batches of 100");
    told.says("ok lotus localhost", "by partition");
    told.says("ok lotus localhost", "faults dated exactly");
    told.says("ok lotus localhost", "looks back two days");
    told.says("ok lotus localhost", "tells when deadlines end");
    told.says("ok endpoints", "one chain");
    told.says("ok contract", "answers like a DealStatus contract");
    told.says("ok funds of 0x", " FIL");
    told.says("ok aggregator devnet", "answers");
    told.says("ok store", "is made at the first start");
    #[cfg(unix)]
    told.says("ok store", "GB are free");
    // It made nothing.
    assert!(!ward.dir.path().join("node").exists());
    let text = call(&ward, &config, &[]).await;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.starts_with("ok    configuration: "), "{text}");
    assert!(text.ends_with("\nAll is well.\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_told_from_a_node_by_what_it_can_do() {
    let ward = Ward::open().await;
    let told = visit(&ward, &ward.config(&[ward.node(2)])).await;
    told.ends("warn", 0);
    told.says("ok lotus localhost", "(a gateway)");
    told.says("ok lotus localhost", "one StateCall a sector");
    told.says("ok lotus localhost", "faults dated by observation, +-2880 epochs");
    told.says("ok lotus localhost", "24 hours and no further");
    told.says("ok contract", "localhost");
    told.says("warn endpoints", "there is only one");
    assert_eq!(told.count("warn"), 1, "{:#?}", told.lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_endpoint_fails_and_the_other_is_examined_all_the_same() {
    let ward = Ward::open().await;
    let told = visit(&ward, &ward.config(&[ward.node(0), NOBODY.to_owned()])).await;
    told.ends("fail", 1);
    told.says("fail lotus 127.0.0.1:1:", "cannot be asked now");
    told.says("ok lotus 127.0.0.1", "faults dated exactly");
    told.says("fail endpoints", "fewer than two answer");
    told.says("ok contract", "answers");
    told.says("warn contract", "127.0.0.1:1: ");
    // What hangs on the chain is not blamed for it.
    let told = visit(&ward, &ward.config(&[NOBODY.to_owned()])).await;
    told.ends("fail", 1);
    told.says("warn contract", "it was not asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_was_deployed_just_now_is_waited_for() {
    let ward = Ward::open().await;
    ward.devnet.stall_finality(true);
    let key = SigningKey::from_bytes(&ward.devnet.funded_key()).expect("a key");
    let young = ward::deployed(&ward.devnet, &key).await;
    let config = ward.config(&[ward.node(0)]).replace(&ward.contract, &young);
    let told = visit(&ward, &config).await;
    told.ends("warn", 0);
    told.says("warn contract", "deployed just now");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_never_answers_is_given_up_and_talks_of_time() {
    let ward = Ward::open().await;
    ward.devnet.set_node_mode(1, RpcMode::Hang).expect("a node");
    let told = visit(&ward, &ward.config(&[ward.node(0), ward.node(1)])).await;
    told.ends("fail", 1);
    told.says("fail lotus localhost", "no answer within 5 s");
    told.says("ok lotus 127.0.0.1", "in sync");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_network_is_named_with_the_right_one() {
    let ward = Ward::open().await;
    ward.devnet.set_node_mode(1, RpcMode::OtherNetwork).expect("a node");
    let config = ward.config(&[ward.node(0), ward.node(1)]);
    let told = visit(&ward, &config).await;
    told.ends("fail", 1);
    told.says("fail lotus localhost", "the configuration wants devnet");
    told.says("fail endpoints", "different networks");
    let told = visit(&ward, &config.replace("network = \"devnet\"\n", "")).await;
    told.says("warn configuration", "lotus.network is not set");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_chains_are_told_from_one_and_one_witness_from_two() {
    let ward = Ward::open().await;
    let config = ward.config(&[ward.node(0), ward.node(1)]);
    let alone = config.replace("[lotus]\n", "[lotus]\nwitnesses = 1\n");
    let told = visit(&ward, &alone).await;
    told.ends("warn", 0);
    told.says("warn endpoints", "lotus.witnesses is 1");
    let since = ward.devnet.head().epoch.get() - 50;
    ward.devnet.set_node_mode(1, RpcMode::Forked { since }).expect("a node");
    let told = visit(&ward, &config).await;
    told.ends("fail", 1);
    told.says("fail endpoints", "different tipsets at final epoch");
    let twice = ward.config(&[ward.node(0), ward.node(0)]);
    let told = visit(&ward, &twice).await;
    told.says("fail endpoints", "is there twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_late_is_told_so() {
    let ward = Ward::open().await;
    ward.devnet.set_rpc_mode(RpcMode::Lagging { behind: 300 });
    let told = visit(&ward, &ward.config(&[ward.node(0), ward.node(1)])).await;
    told.ends("fail", 1);
    told.says("fail lotus 127.0.0.1", "behind the network by its own word");
    told.says("ok endpoints", "one chain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_is_not_there_or_cannot_be_asked_fails() {
    let ward = Ward::open().await;
    let config = ward.config(&[ward.node(0)]);
    let nowhere = config.replace(&ward.contract, &format!("0x{}", "12".repeat(20)));
    let told = visit(&ward, &nowhere).await;
    told.ends("fail", 1);
    told.says("fail contract 0x1212", "there is no contract at this address");
    let told = visit(&ward, &config.replace(&ward.contract, "0x12")).await;
    told.says("fail contract", "is no contract address");
    let elsewhere = format!("[contract]\nurl = \"{NOBODY}\"");
    let told = visit(&ward, &config.replace("[contract]", &elsewhere)).await;
    told.ends("fail", 1);
    told.says("fail contract", "no connection");
    told.says("warn funds", "no connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_funds_fails_and_a_node_without_a_key_is_warned() {
    let ward = Ward::open().await;
    let config = ward.config(&[ward.node(0)]);
    let told = visit(&ward, &config.replace("key_file = \"contract-key\"\n", "")).await;
    told.ends("warn", 0);
    told.says("warn contract", "there is no contract.key_file");
    secret(&ward.dir.path().join("contract-key"), &hex::encode(POOR_KEY));
    let told = visit(&ward, &config).await;
    told.ends("fail", 1);
    told.says("fail funds of 0x", "has nothing");
    secret(&ward.dir.path().join("contract-key"), "sesame is no key");
    let told = visit(&ward, &config).await;
    told.says("fail contract", "is no private key");
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_are_away_and_secrets_that_are_not_there_are_named() {
    let ward = Ward::open().await;
    let config = ward.config(&[ward.node(0)]);
    let away = config
        .replace("api = \"http", "api = \"http://127.0.0.1:1/\"\n#")
        .replace("ipni = \"", "gateways = [\"http://127.0.0.1:1/?key=sesame\"]\nipni = \"");
    let told = visit(&ward, &away).await;
    told.ends("fail", 1);
    told.says("fail aggregator devnet", "cannot be reached now");
    told.says("warn retrieval 127.0.0.1:1", "no connection");
    let token = format!("{}token_file = \"no-token\"\n", "[[lotus.endpoint]]\n");
    let told = visit(&ward, &config.replace("[[lotus.endpoint]]\n", &token)).await;
    told.ends("fail", 1);
    told.says("fail lotus 127.0.0.1", "no-token");
    told.says("fail contract", "no-token");
    let none = config.split("[[aggregator]]").next().expect("what is above it");
    let told = visit(&ward, none).await;
    told.ends("warn", 0);
    told.says("warn aggregators", "can order nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_allows_more_than_reading_is_warned_of() {
    let ward = Ward::open().await;
    let config = ward.config(&[ward.node(2)]);
    // {"Allow":["read","write"]}; a gateway without a token of its own ignores it.
    secret(&ward.dir.path().join("token"), "e30.eyJBbGxvdyI6WyJyZWFkIiwid3JpdGUiXX0.c2VzYW1l");
    let token = "[[lotus.endpoint]]\ntoken_file = \"token\"\n";
    let told = visit(&ward, &config.replace("[[lotus.endpoint]]\n", token)).await;
    told.ends("warn", 0);
    told.says("warn lotus localhost", "read, write: more than a reader needs");
}

/// What was there before it came is there afterwards: also what a start of the node would tidy up or
/// bring up to date. A database of this version, of an older one, of one that a node is working on, and
/// one that is none.
#[tokio::test(flavor = "multi_thread")]
async fn the_store_is_looked_into_unless_a_node_works_on_it() {
    let ward = Ward::open().await;
    let config = ward.config(&[ward.node(0)]);
    call(&ward, &config, &[]).await;
    let mut pass = raas();
    pass.args(["run", "--once", "--config"]).arg(ward.dir.path().join("raas.toml"));
    let pass = tokio::task::spawn_blocking(move || pass.output()).await.expect("it runs");
    assert_eq!(pass.as_ref().expect("it runs").status.code(), Some(0), "{pass:?}");
    let node_dir = ward.dir.path().join("node");
    let (database, part) = (node_dir.join("raas.sqlite"), node_dir.join("blobs/.part-x"));
    fs::write(&part, "half a file").expect("written");
    let before = files(&node_dir);
    let told = visit(&ward, &config).await;
    told.says("ok store", "is writable");
    told.says("ok store", "the database is of this version");
    assert_eq!(files(&node_dir), before);

    let bytes = fs::read(&database).expect("a database");
    let older = [&bytes[..60], &1u32.to_be_bytes(), &bytes[64..]].concat();
    fs::write(&database, &older).expect("written");
    let before = files(&node_dir);
    let told = visit(&ward, &config).await;
    told.says("ok store", "of an older version: the next start brings it up to date");
    assert_eq!(files(&node_dir), before);
    fs::write(&database, bytes).expect("written");

    let listen = format!("{config}[api]\nlisten = \"{}\"\n", free_address());
    fs::write(ward.dir.path().join("raas.toml"), &listen).expect("written");
    let mut run = raas();
    run.args(["run", "--json", "--config"]).arg(ward.dir.path().join("raas.toml"));
    let node = tokio::task::spawn_blocking(move || support::Process::start(&mut run));
    let node = node.await.expect("it runs");
    // Its start removed what an earlier run left; this is of its own.
    assert!(!part.exists());
    fs::write(&part, "half a file").expect("written");
    let told = visit(&ward, &listen).await;
    told.ends("warn", 0);
    told.says("ok store", "a node is working on the database");
    told.says("ok node", "no alert stands");
    assert!(part.exists());
    node.kill();

    fs::remove_file(database.with_extension("sqlite-wal")).ok();
    fs::remove_file(database.with_extension("sqlite-shm")).ok();
    fs::write(&database, "this is no database, however long one looks at it".repeat(99))
        .expect("written");
    let told = visit(&ward, &config).await;
    told.ends("fail", 1);
    told.says("fail store", "cannot be read");
}

/// All files below a directory, and what is in them.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("one").path());
    let (dirs, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let files = files.into_iter().map(|path| (path.clone(), fs::read(path).expect("a file")));
    let below = dirs.iter().flat_map(|dir| self::files(dir));
    files.chain(below).collect()
}

/// An address at which nobody listens now.
fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_even_be_read_is_bad_input() {
    let ward = Ward::open().await;
    let config = ward.config(&[ward.node(0)]);
    let output = call(&ward, &config.replace("[[lotus.endpoint]]\n", ""), &[]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("[[lotus.endpoint]]"), "{}", stderr(&output));
    let output = call(&ward, &config, &["--timeout=0"]).await;
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}
