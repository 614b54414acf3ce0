//! The same CIDs as another implementation gives: npm `ipfs-unixfs-importer`, where it is there.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod common;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{Place, pieces, random};
use raas_retrieval::ImportProfile;

/// Reads a file from standard input and prints the CID that the importer gives it.
const SCRIPT: &str = r"
import { importer } from 'ipfs-unixfs-importer';
const [rawLeaves, cidVersion] = JSON.parse(process.env.PROFILE);
const blocks = { put: async (cid) => cid };
let root;
for await (const entry of importer([{ content: process.stdin }], blocks, { rawLeaves, cidVersion })) {
  root = entry.cid;
}
console.log(root.toString());
";

#[tokio::test]
async fn files_get_the_cids_that_the_npm_importer_gives() {
    let Some(oracle) = Oracle::find() else { return };
    const CHUNK: usize = 256 * 1024;
    let place = Place::new();
    let sizes = [
        0,
        1,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        (1 << 20) + 1,
        174 * CHUNK,
        174 * CHUNK + 1,
        350 * CHUNK,
    ];
    for size in sizes {
        let file = random(size);
        for profile in [ImportProfile::KUBO_V1, ImportProfile::KUBO_V0] {
            let ours = place.store.import(pieces(&file, 1 << 20), &profile, None).await.unwrap();
            let theirs = oracle.cid(&file, &profile);
            assert_eq!(ours.cid.to_string(), theirs, "{size} bytes, {profile:?}");
        }
    }
}

struct Oracle {
    dir: PathBuf,
}

impl Oracle {
    /// The directory that `RAAS_ORACLE_DIR` names, if the importer is installed in it and node runs;
    /// `None`, said aloud, where not.
    fn find() -> Option<Self> {
        let skipped = |why: &str| {
            eprintln!("skipped: comparison with npm ipfs-unixfs-importer: {why}");
            None
        };
        let Ok(dir) = std::env::var("RAAS_ORACLE_DIR") else {
            return skipped("RAAS_ORACLE_DIR is not set");
        };
        let dir = PathBuf::from(dir);
        if !dir.join("node_modules/ipfs-unixfs-importer").is_dir() {
            return skipped("ipfs-unixfs-importer is not installed in RAAS_ORACLE_DIR");
        }
        if Command::new("node").arg("--version").stdout(Stdio::null()).status().is_err() {
            return skipped("node is not on the path");
        }
        Some(Self { dir })
    }

    fn cid(&self, file: &[u8], profile: &ImportProfile) -> String {
        let version = u64::from(profile.cid_version);
        let mut node = Command::new("node")
            .args(["--input-type=module", "--eval", SCRIPT])
            .current_dir(&self.dir)
            .env("PROFILE", format!("[{},{version}]", profile.raw_leaves))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        node.stdin.take().unwrap().write_all(file).unwrap();
        let output = node.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
