//! Each command as people and scripts meet it: what it prints, where it finds the node, how it ends.

mod support;

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use support::{Process, World, client, last_line, raas, signal, stderr};

/// How `raas dev` starts with everything in `dir`, which is not there yet.
fn dev(dir: &Path) -> Process {
    let mut command = raas();
    command.args(["dev", "--json", "--dir"]).arg(dir.join("dev"));
    Process::start(&mut command)
}

fn file(dir: &Path, bytes: &[u8]) -> PathBuf {
    let path = dir.join("data.bin");
    fs::write(&path, bytes).expect("written");
    path
}

async fn rpc(url: &str, method: &str) -> Value {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [] });
    let response = reqwest::Client::new().post(url).json(&call).send().await.expect("an answer");
    response.json::<Value>().await.expect("JSON")["result"].clone()
}

async fn status(url: String) -> u16 {
    reqwest::get(url).await.expect("an answer").status().as_u16()
}

#[tokio::test]
async fn dev_says_ready_when_everything_answers_and_ends_well() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut dev = dev(dir.path());
    // At once: there is nothing left to wait for.
    assert_eq!(status(format!("{}/readyz", dev.url("api"))).await, 200);
    assert_eq!(status(format!("{}/devnet/head", dev.url("devnet"))).await, 200);
    assert_eq!(rpc(&dev.url("lotus"), "Filecoin.StateNetworkName").await, "devnet");
    assert!(rpc(&dev.url("eth"), "eth_chainId").await.is_string());
    let files = "/api/lighthouse/deal_status?cid=bafkqaaa";
    assert!(status(format!("{}{files}", dev.url("aggregator"))).await < 500);
    let contract = dev.url("contract");
    assert!(contract.starts_with("0x") && contract.len() == 42, "{contract}");
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getCode",
        "params": [contract, "latest"] });
    let http = reqwest::Client::new();
    let code = http.post(dev.url("eth")).json(&call).send().await.expect("an answer");
    let code = code.json::<Value>().await.expect("JSON");
    assert!(code["result"].as_str().is_some_and(|code| code.len() > 1_000), "{code}");
    let jobs = http.get(format!("{}/v1/jobs", dev.url("api"))).bearer_auth(dev.url("token"));
    assert_eq!(jobs.send().await.expect("an answer").status(), 200);

    dev.signal("TERM");
    assert_eq!(dev.ended().0, Some(0));
}

#[test]
fn a_directory_with_an_earlier_world_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut first = dev(dir.path());
    first.signal("INT");
    assert_eq!(first.ended().0, Some(0));
    for more in [&["--devnet-only"][..], &[]] {
        let mut command = raas();
        let again = command.args(["dev", "--json", "--dir"]).arg(dir.path().join("dev")).args(more);
        let again = again.output().expect("it runs");
        assert_eq!(again.status.code(), Some(2), "{}", stderr(&again));
        assert!(stderr(&again).contains("name an empty directory"), "{}", stderr(&again));
    }
}

/// In text, what one types names the file of the token and not the token itself.
#[test]
fn the_token_is_not_printed_for_people() {
    let world = World::start();
    let mut command = raas();
    command.args(["run", "--listen", "127.0.0.1:0", "--config"]).arg(world.config());
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().expect("it runs");
    let stdout = child.stdout.take().expect("its output");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(stdout)).take(2);
    let text: Vec<String> = lines.map(|line| line.expect("text")).collect();
    signal(child.id(), "TERM");
    assert_eq!(support::ended(&mut child).0, Some(0));
    let path = world.dir.path().join("node/api-token");
    let token = fs::read_to_string(&path).expect("a token");
    assert!(!text.join("\n").contains(&token), "{text:?}");
    assert!(text[1].contains(" RAAS_TOKEN=\"$(cat '") && text[1].contains("api-token"), "{text:?}");
}

/// SIGTERM while somebody uploads slowly: the node waits for a while, and not for ever.
#[test]
fn an_open_upload_does_not_keep_a_node_from_ending() {
    let world = World::start();
    let mut node = world.node();
    let _upload = slow_upload(&node);
    node.signal("TERM");
    let (code, took) = node.ended();
    assert_eq!(code, Some(0));
    // The deadline of ten seconds, and some for a busy machine.
    assert!((Duration::from_secs(5)..Duration::from_secs(30)).contains(&took), "{took:?}");
    // Cut short, it left nothing.
    let node = world.node();
    let (_, code, errors) = client(&node, &["jobs"]);
    assert_eq!(code, Some(0), "{errors}");
}

#[test]
fn a_second_signal_ends_a_node_at_once() {
    let world = World::start();
    let mut node = world.node();
    let _upload = slow_upload(&node);
    node.signal("TERM");
    std::thread::sleep(Duration::from_millis(300));
    node.signal("TERM");
    let (code, took) = node.ended();
    assert_eq!(code, Some(143));
    assert!(took < Duration::from_secs(8), "{took:?}");
}

/// An upload of which a part has come, and no more comes.
fn slow_upload(node: &Process) -> TcpStream {
    let address = node.url("api").trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).expect("a connection");
    let token = node.url("token");
    write!(
        stream,
        "POST /v1/data?replicas=1 HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: 1000000\r\n\
         Expect: 100-continue\r\n\r\n"
    )
    .expect("sent");
    // The node asks for the body when it has begun to read.
    let mut answer = [0; 12];
    std::io::Read::read_exact(&mut stream, &mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 100");
    stream.write_all(&[7; 1_000]).expect("sent");
    stream
}

/// By flags, by the environment, by a profile: every client command finds the node.
#[test]
fn client_commands_find_the_node_and_succeed() {
    let world = World::start();
    let node = world.node();
    let path = file(world.dir.path(), b"hello world\n");
    let profile = world.dir.path().join("profile.toml");
    let text = format!("api = {:?}\ntoken = {:?}\n", node.url("api"), node.url("token"));
    fs::write(&profile, text).expect("written");
    let by_environment = |args: &[&str]| {
        let mut command = raas();
        command.env("RAAS_API", node.url("api")).env("RAAS_TOKEN", node.url("token"));
        command.args(args).output().expect("it runs")
    };
    let by_profile =
        |args: &[&str]| raas().env("RAAS_PROFILE", &profile).args(args).output().expect("it runs");

    let stored = by_environment(&["store", path.to_str().expect("a path"), "--json"]);
    assert_eq!(stored.status.code(), Some(0), "{}", stderr(&stored));
    let cid = last_line(&stored)["cid"].as_str().expect("a CID").to_owned();
    assert_eq!(cid, "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4");

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&profile, fs::Permissions::from_mode(0o644)).expect("a mode");
        let refused = by_profile(&["jobs"]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains("chmod 600"), "{}", stderr(&refused));
        fs::set_permissions(&profile, fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    let terms = ["--replicas", "2", "--min", "2", "--max", "2", "--aggregator", "devnet"];
    let register = [&["register", &cid, "--json", "--until", "99000000"], &terms[..]].concat();
    let registered = by_profile(&register);
    assert_eq!(registered.status.code(), Some(0), "{}", stderr(&registered));
    let job = last_line(&registered)["id"].as_str().expect("a job").to_owned();

    for json in [&[][..], &["--json"]] {
        for args in [&["jobs"][..], &["why", &job]] {
            let output = by_profile(&[args, json].concat());
            assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains(&job) && text.contains(&cid), "{args:?}: {text}");
        }
    }
    let why = last_line(&by_profile(&["why", &job, "--json"]));
    let asked = [&why["terms"]["target"], &why["terms"]["min"], &why["terms"]["max"]];
    assert_eq!(asked, [2, 2, 2], "{why}");
    let back = world.dir.path().join("back");
    let got = by_environment(&["get", &cid, "-o", back.to_str().expect("a path")]);
    assert_eq!(got.status.code(), Some(0), "{}", stderr(&got));
    assert_eq!(fs::read(&back).expect("a file"), b"hello world\n");

    let removed = by_environment(&["rm", &job]);
    assert_eq!(removed.status.code(), Some(0), "{}", stderr(&removed));
    assert_eq!(String::from_utf8_lossy(&by_profile(&["jobs"]).stdout), "");
    assert_eq!(by_profile(&["why", &job]).status.code(), Some(2), "there is no such job any more");
}

#[test]
fn one_pass_says_what_it_did() {
    let world = World::start();
    for args in [&["run", "--once", "--json", "--config"][..], &["run", "--once", "--config"]] {
        let output = raas().args(args).arg(world.config()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("requests"), "{said}");
    }
    let output = raas().args(["run", "--once", "--json", "--config"]).arg(world.config()).output();
    let report = last_line(&output.expect("it runs"));
    let asked = report["rpc"].as_object().expect("endpoints");
    assert_eq!(asked.len(), 1, "{report}");
    let lotus = asked.values().next().expect("an endpoint");
    assert!(lotus["requests"].as_u64() >= Some(4), "an introduction is four requests: {report}");
    assert!(lotus["bytes_received"].as_u64() > lotus["bytes_sent"].as_u64(), "{report}");
    let heads = &lotus["methods"]["Filecoin.ChainHead"];
    assert!(heads["calls"].as_u64() >= Some(1) && heads["elements"] == heads["calls"], "{report}");
    let missing = raas().args(["run", "--config", "/no/such/raas.toml"]).output().expect("it runs");
    assert_eq!(missing.status.code(), Some(2), "{}", stderr(&missing));
}

/// Exit code 2: what is written there about endpoints cannot be worked with.
#[test]
fn endpoints_that_cannot_be_used_are_bad_input() {
    let world = World::start();
    let config = fs::read_to_string(world.config()).expect("a configuration");
    let endpoint = format!("[[lotus.endpoint]]\nurl = \"{}\"\n", world.devnet.url("lotus"));
    assert!(config.contains(&endpoint), "{config}");
    let before = endpoint.replace("[[lotus.endpoint]]\n", "");
    let before = config.replace(&endpoint, "").replace("[lotus]\n", &format!("[lotus]\n{before}"));
    let pace = format!("{endpoint}requests_per_second = 0.0\n");
    for (config, says) in [
        (before, "[[lotus.endpoint]]"),
        (config.replace(&endpoint, ""), "names no endpoint"),
        (config.replace(&endpoint, &endpoint.repeat(2)), "is there twice"),
        (config.replace(&endpoint, &pace), "requests_per_second must be"),
        (config.replace(&endpoint, &format!("{endpoint}in_flight = 0\n")), "at least 1"),
        (config.replace("http://", "ftp://"), "http:// or https://"),
    ] {
        fs::write(world.config(), &config).expect("written");
        let output = raas().args(["run", "--once", "--config"]).arg(world.config()).output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{config}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{config}: {}", stderr(&output));
    }
}

/// `api.max_upload` and `api.profile` of the configuration, and retrieval for callers with the token
/// only unless it is said otherwise.
#[tokio::test]
async fn the_face_is_as_the_configuration_says() {
    let world = World::start();
    let config = fs::read_to_string(world.config()).expect("a configuration");
    let edited: String = config
        .lines()
        .map(|line| match line.split(" = ").next() {
            Some("max_upload") => "max_upload = 12\n".to_owned(),
            Some("profile") => "profile = \"kubo-v0\"\n".to_owned(),
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(world.config(), edited).expect("written");
    let node = world.node();
    let path = file(world.dir.path(), b"hello world\n");
    let (stored, code, errors) = client(&node, &["store", path.to_str().expect("a path")]);
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(stored["cid"], "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o");
    let path = file(world.dir.path(), b"hello, world\n");
    let (_, code, errors) = client(&node, &["store", path.to_str().expect("a path")]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("limit of 12 bytes"), "{errors}");
    let url = format!("{}/ipfs/{}", node.url("api"), stored["cid"].as_str().expect("a CID"));
    assert_eq!(status(url).await, 401);
}

/// Exit code 2, and a word on how to mend it.
#[test]
fn bad_input_is_told_from_failure() {
    let world = World::start();
    let node = world.node();
    let dir = world.dir.path();
    let path = file(dir, b"never kept");
    let path = path.to_str().expect("a path");
    let fifo = dir.join("a pipe");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status().expect("mkfifo is there");
    assert!(made.success());
    let cid = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";
    let back = dir.join("back");
    let back = back.to_str().expect("a path");
    for (args, says) in [
        (vec!["store", path, "--replicas", "0"], "at least 1"),
        (vec!["store", path, "--replicas=-3"], "from 1 to 100"),
        (vec!["store", path, "--renew-within", "soon"], "30d"),
        (vec!["store", path, "--replicas", "many"], "--replicas"),
        (vec!["store", "/no/such/file"], "/no/such/file"),
        (vec!["store", dir.to_str().expect("a path")], "is a directory"),
        (vec!["store", fifo.to_str().expect("a path")], "is not a file"),
        (vec!["register", "garbage", "--replicas", "3"], "CID"),
        (vec!["register", cid], "at least one"),
        (vec!["register", cid, "--replicas", "2", "--min", "3"], "min"),
        (vec!["register", cid, "--replicas", "2", "--until", "5"], "until is 5"),
        (vec!["register", cid, "--replicas", "2", "--aggregator", "nobody"], "nobody"),
        (vec!["get", "garbage", "-o", back], "is no CID"),
        (vec!["why", "garbage"], "garbage"),
        (vec!["rm", "garbage"], "garbage"),
    ] {
        let (_, code, errors) = client(&node, &args);
        assert_eq!(code, Some(2), "{args:?}: {errors}");
        // What a node says of a job goes to standard output, for whoever reads the JSON.
        if args[0] != "register" {
            assert!(errors.contains(says), "{args:?}: {errors}");
        } else {
            let people = [&args[..], &["--api", &node.url("api"), "--token", &node.url("token")]];
            let output = raas().args(people.concat()).output().expect("it runs");
            assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
        }
    }
    for (args, says) in [
        (vec!["jobs"], "no node is named"),
        (vec!["jobs", "--api", "http://127.0.0.1:1"], "no token"),
        (vec!["jobs", "--api", "nowhere", "--token", "t"], "is no URL of a node"),
        (vec!["jobs", "--profile", "/no/such/profile.toml"], "profile.toml"),
    ] {
        let output = raas().args(&args).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
    }
    // The input is well, the node is not there; the token is another's.
    let absent = raas().args(["jobs", "--api", "http://127.0.0.1:1", "--token", "t"]).output();
    assert_eq!(absent.expect("it runs").status.code(), Some(1));
    let stranger = raas().args(["jobs", "--token", "t", "--api", &node.url("api")]).output();
    assert_eq!(stranger.expect("it runs").status.code(), Some(1));
    // Nothing was kept by halves.
    let (jobs, code, _) = client(&node, &["jobs"]);
    assert_eq!((jobs, code), (Value::Null, Some(0)));
}
