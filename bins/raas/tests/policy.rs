//! Policies through the binary: limits on place and spending, dry runs, what is known of providers.

mod support;

use std::fs;

use serde_json::Value;
use support::{Process, World, client, last_line, raas, stderr, until};

const CID: &str = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4";

/// A node on a devnet that has made a pass; it is told of providers by this file.
async fn node_with(world: &World, file: &str) -> Process {
    fs::write(world.dir.path().join("providers.toml"), file).expect("written");
    let config = fs::read_to_string(world.config()).expect("a configuration");
    let config = config.replace("[node]\n", "[node]\nproviders = \"providers.toml\"\n");
    fs::write(world.config(), config).expect("written");
    // The contract was deployed just now, and is final then.
    world.advance(60).await;
    let node = world.node();
    let http = reqwest::Client::new();
    until("the node is ready", async || {
        let answer = http.get(format!("{}/readyz", node.url("api"))).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    node
}

/// What a command says to people.
fn told(node: &Process, args: &[&str]) -> (String, Option<i32>) {
    let mut command = raas();
    command.args(args).args(["--api", &node.url("api"), "--token", &node.url("token")]);
    let output = command.output().expect("the binary runs");
    (String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output), output.status.code())
}

/// All lines of JSON that a command says.
fn lines(node: &Process, args: &[&str]) -> Vec<Value> {
    let (text, code) = told(node, &[args, &["--json"]].concat());
    assert_eq!(code, Some(0), "{text}");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

const FILE: &str =
    "[f01000]\norganisation = \"Acme\"\ncountry = \"DE\"\n[f01001]\ncountry = \"de\"\n";

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_what_cannot_be_and_keeps_nothing() {
    let world = World::start();
    let node = node_with(&world, FILE).await;
    let asked = ["register", CID, "--replicas", "2", "--per-country", "1", "--dry-run"];
    let (result, code, errors) = client(&node, &asked);
    assert_eq!((code, &result["status"]), (Some(0), &"would_create".into()), "{result} {errors}");
    assert_eq!(result["plan"]["steps"][0]["step"], "fetch", "{result}");
    let loosen: Vec<_> =
        result["cannot"].as_array().expect("a list").iter().map(|c| &c["loosen"]).collect();
    assert!(loosen.contains(&&"placement.per_country".into()), "{result}");
    let (text, code) = told(&node, &asked);
    assert_eq!(code, Some(0), "{text}");
    for says in ["nothing was kept", "What would be done now", "loosen placement.per_country"] {
        assert!(text.contains(says), "{text}");
    }
    assert_eq!(lines(&node, &["jobs"]), Vec::<Value>::new());
    let (text, code) = told(&node, &["register", CID, "--per-country", "1", "--dry-run"]);
    assert!(code == Some(2) && text.contains("asks for nothing"), "{text}");
}

#[tokio::test]
async fn limits_are_registered_and_told() {
    let world = World::start();
    let node = node_with(&world, "").await;
    let limits = [
        "--per-owner=3",
        "--per-organisation=1",
        "--prefer=f01000,f01001",
        "--avoid=f01002",
        "--exclude=t01003",
        "--exclude=f01004",
        "--deals-per-day=2",
        "--bytes-per-day=64GiB",
    ];
    let path = world.dir.path().join("data.bin");
    fs::write(&path, b"somewhere, and not everywhere").expect("written");
    let path = path.to_str().expect("a path");
    for (asked, id) in [(["register", CID], "id"), (["store", path], "job")] {
        let asked = [&asked[..], &["--replicas", "2"]].concat();
        let (result, code, errors) = client(&node, &[&asked[..], &limits].concat());
        assert_eq!(code, Some(0), "{errors}");
        let job = result[id].as_str().expect("a job");
        let (text, _) = told(&node, &["why", job]);
        let placement = "placement: 3 per owner; 1 per organisation; prefer f01000, f01001; avoid \
                         f01002; exclude f01003, f01004";
        for says in [placement, "budget of a day: deals 2; bytes 68719476736"] {
            assert!(text.contains(says), "{text}");
        }
        let (text, code) = told(&node, &[&asked[..], &["--bytes-per-day", "lots"]].concat());
        assert!(code == Some(2) && text.contains("64GiB"), "{text}");
    }
}

#[tokio::test]
async fn what_is_known_of_providers_is_told_by_a_file_and_by_calls() {
    let world = World::start();
    let node = node_with(&world, FILE).await;
    let known = lines(&node, &["providers"]);
    assert_eq!((&known[0]["provider"], &known[0]["source"]), (&"f01000".into(), &"file".into()));
    assert_eq!((&known[1]["country"], &known[1]["organisation"]), (&"DE".into(), &Value::Null));
    let (set, code, errors) =
        client(&node, &["providers", "set", "f01000", "--country", "FR", "--owner", "f0999"]);
    assert_eq!((code, &set["source"]), (Some(0), &"call".into()), "{errors}");
    let (text, code) = told(&node, &["providers", "list"]);
    assert_eq!(code, Some(0), "{text}");
    let says =
        "f01000  owner f0999  organisation not known  country FR  loss not known  (by a call)";
    assert!(text.contains(says), "{text}");

    node.kill();
    let node = world.node();
    assert_eq!(lines(&node, &["providers"])[0]["country"], "FR", "it outlives the node");
    let (text, code) = told(&node, &["providers", "rm", "f01000"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(lines(&node, &["providers", "list"])[0]["country"], "DE", "as the file says");
    for (args, says) in [
        (&["providers", "rm", "f01000"][..], "stands in the node's file"),
        (&["providers", "rm", "f09"], "nothing is known of f09"),
        (&["providers", "set", "f01000", "--country", "Germany"], "ISO 3166-1"),
        (&["providers", "set", "acme"], "such as f01000"),
    ] {
        let (text, code) = told(&node, args);
        assert!(code == Some(2) && text.contains(says), "{args:?}: {code:?} {text}");
    }
}

#[test]
fn a_file_of_providers_that_cannot_be_used_is_bad_input_and_the_doctor_says_so() {
    let world = World::start();
    let config = fs::read_to_string(world.config()).expect("a configuration");
    let config = config.replace("[node]\n", "[node]\nproviders = \"providers.toml\"\n");
    fs::write(world.config(), config).expect("written");
    let doctor = || {
        let output = raas().args(["doctor", "--json", "--config"]).arg(world.config()).output();
        let findings = last_line(&output.expect("it runs"));
        let checks = findings["checks"].as_array().expect("checks").clone();
        checks.into_iter().find(|check| check["about"] == "providers").expect("a finding")
    };
    for (file, says) in [
        (None, "providers.toml"),
        (Some("[f01000]\ncountry = \"Germany\"\n"), "[f01000]: country is"),
        (Some("[f01000]\norganization = \"Acme\"\n"), "organization"),
    ] {
        if let Some(file) = file {
            fs::write(world.dir.path().join("providers.toml"), file).expect("written");
        }
        let output = raas().args(["run", "--once", "--config"]).arg(world.config()).output();
        let output = output.expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
        let finding = doctor();
        assert_eq!(finding["level"], "fail", "{finding}");
        assert!(finding["says"].as_str().is_some_and(|text| text.contains(says)), "{finding}");
    }
    fs::write(world.dir.path().join("providers.toml"), FILE).expect("written");
    let finding = doctor();
    assert_eq!(finding["level"], "ok", "{finding}");
    let says = "tells of 2 providers: the owner of 0, the organisation of 1, the country of 2";
    assert!(finding["says"].as_str().is_some_and(|text| text.contains(says)), "{finding}");
}
