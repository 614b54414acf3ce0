//! Runs the binary as people do: a devnet in one process, a node in another, commands beside them.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod ward;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// How long a thing may take that is waited for. Generous: machines are slow and shared; a test that
/// is right never waits it out.
const PATIENCE: Duration = Duration::from_secs(120);

/// The binary under test.
pub(crate) fn raas() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raas"));
    for name in ["RAAS_API", "RAAS_TOKEN", "RAAS_PROFILE", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

/// A process that is killed when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    /// The line that it printed when it was ready.
    pub(crate) ready: Value,
}

impl Process {
    /// Starts a command and waits for its line `{"event":"ready",…}`.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let stdout = child.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("no ready line but {line:?}: {error}"));
        assert_eq!(ready["event"], "ready", "{ready}");
        Self { child, ready }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.kill_now();
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits for its end: the exit code, and how long it took.
    pub(crate) fn ended(&mut self) -> (Option<i32>, Duration) {
        ended(&mut self.child)
    }

    fn kill_now(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) fn url(&self, name: &str) -> String {
        self.ready[name].as_str().expect("a URL").to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_now();
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(process: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status();
    assert!(status.expect("kill is there").success());
}

/// Waits for a process's end: the exit code, and how long it took.
pub(crate) fn ended(child: &mut Child) -> (Option<i32>, Duration) {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return (status.code(), started.elapsed());
        }
        assert!(started.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A devnet with the contract deployed, and the configuration for nodes on it.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) devnet: Process,
    http: reqwest::Client,
}

impl World {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = raas();
        command.args(["dev", "--devnet-only", "--json", "--dir"]).arg(dir.path());
        let devnet = Process::start(&mut command);
        Self { dir, devnet, http: reqwest::Client::new() }
    }

    pub(crate) fn config(&self) -> PathBuf {
        PathBuf::from(self.devnet.ready["config"].as_str().expect("a path"))
    }

    /// Starts a node; all its state is under the world's directory.
    pub(crate) fn node(&self) -> Process {
        let mut command = raas();
        command.args(["run", "--json", "--listen", "127.0.0.1:0", "--config"]);
        Process::start(command.arg(self.config()))
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.devnet.url("devnet"));
        let response = self.http.post(&url).json(&body).send().await.expect("the devnet answers");
        let status = response.status();
        let text = response.text().await.expect("an answer");
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub(crate) async fn look(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.devnet.url("devnet"));
        let response = self.http.get(&url).send().await.expect("the devnet answers");
        response.json().await.expect("JSON")
    }

    pub(crate) async fn advance(&self, epochs: u32) {
        self.post("/devnet/advance", json!({ "epochs": epochs })).await;
    }

    pub(crate) async fn to_provider(&self, provider: &str, what: &str) {
        let id = provider.trim_start_matches("t0").trim_start_matches("f0");
        self.post(&format!("/devnet/providers/{id}/{what}"), json!({})).await;
    }

    /// The deals that hold a CID, by ground truth.
    pub(crate) async fn deals(&self, cid: &str) -> Vec<Value> {
        let deals = self.look("/devnet/deals").await;
        let deals = deals.as_array().expect("a list").iter();
        let holds = |deal: &&Value| {
            deal["cids"].as_array().is_some_and(|cids| cids.iter().any(|c| c == cid))
        };
        deals.filter(holds).cloned().collect()
    }

    /// Those that are proven now.
    pub(crate) async fn live(&self, cid: &str) -> Vec<Value> {
        let now = self.look("/devnet/head").await["epoch"].as_i64().expect("an epoch");
        let live = |deal: &Value| {
            deal["state"] == "active" && deal["end"].as_i64().is_some_and(|end| now < end)
        };
        self.deals(cid).await.into_iter().filter(live).collect()
    }
}

impl World {
    /// The provider that the index names first of all that have a CID: it goes by their ids, and
    /// knows sectors, which outlive deals.
    pub(crate) async fn asked_first(&self, cid: &str) -> String {
        let deals = self.deals(cid).await;
        let stands = |deal: &&Value| !deal["activated"].is_null() && deal["state"] != "terminated";
        let ids = deals.iter().filter(stands).filter_map(|deal| deal["provider"].as_str());
        ids.min().expect("somebody has the data").to_owned()
    }

    /// Host and port of a provider's server.
    pub(crate) async fn server_of(&self, provider: &str) -> String {
        let providers = self.look("/devnet/providers").await;
        let mut providers = providers.as_array().expect("a list").iter();
        let found = providers.find(|p| p["id"] == provider).expect("a provider");
        found["url"].as_str().expect("a URL").trim_start_matches("http://").to_owned()
    }
}

/// Runs a client command against a node; its last line of JSON, its exit code, its errors.
pub(crate) fn client(node: &Process, args: &[&str]) -> (Value, Option<i32>, String) {
    let mut command = raas();
    command.args(args).args(["--api", &node.url("api"), "--token", &node.url("token"), "--json"]);
    let output = command.output().expect("the binary runs");
    (last_line(&output), output.status.code(), stderr(&output))
}

/// The last line of a command's output, as JSON; null where there is none.
pub(crate) fn last_line(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null)
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Stores a file with the usual terms; its CID and job.
pub(crate) fn store(node: &Process, file: &Path) -> (String, String) {
    let file = file.to_str().expect("a path");
    let terms = ["--replicas", "3", "--renew-within", "30d", "--repair-after", "1d"];
    let (stored, code, errors) = client(node, &[&["store", file], &terms[..]].concat());
    assert_eq!(code, Some(0), "{errors}");
    let text = |key: &str| stored[key].as_str().unwrap_or_else(|| panic!("{stored}")).to_owned();
    (text("cid"), text("job"))
}

/// Asks until it is so.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the node has looked at the final tipset of the present, and nothing more is to be
/// done there: the epoch of the job's last look stands and no order is about to be sent.
pub(crate) async fn settled(world: &World, node: &Process, job: &str) {
    let finalized = world.look("/devnet/head").await["finalized"].as_i64().expect("an epoch");
    until("the node looks at the present", async || {
        let metrics = passes(node).await?;
        (metrics.1 >= finalized && metrics.0 > 0).then_some(())
    })
    .await;
    // Whatever that pass began is done when two more have passed.
    let (before, _) = passes(node).await.unwrap_or_default();
    until("two more passes", async || (passes(node).await?.0 >= before + 2).then_some(())).await;
    let _ = job;
}

/// How many passes the node has made, and the epoch of the last one.
async fn passes(node: &Process) -> Option<(i64, i64)> {
    let url = format!("{}/metrics", node.url("api"));
    let token = node.url("token");
    let response = reqwest::Client::new().get(url).bearer_auth(token).send().await.ok()?;
    let text = response.text().await.ok()?;
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.rsplit(' ').next()?.parse::<f64>().ok().map(|value| value as i64)
    };
    Some((value("raas_passes_total")?, value("raas_last_epoch").unwrap_or(-1)))
}
