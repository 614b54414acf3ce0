//! The database of a node that does not run, looked at from outside. It is not opened: SQLite would
//! write beside it, and the store would bring it up to date.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use raas_job_store_sqlite::SqliteJobStore;

use super::{Findings, local::MAKE_USABLE};

/// How every database of SQLite begins ("Database File Format", section 1.3).
const MAGIC: [u8; 16] = *b"SQLite format 3\0";

/// Bytes of a header. Its numbers are big-endian, of four bytes each, and stand at these places.
const HEADER: usize = 100;
const PAGES: usize = 28;
const VERSION: usize = 60;
const APPLICATION: usize = 68;

/// What to do about a database that this version cannot use.
const USE_ANOTHER: &str = "use the version of raas that wrote it, or a backup, or another node.dir";

/// What a database says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Header {
    pages: u32,
    version: u32,
    application: u32,
}

/// What is found of the database at `path`, which nobody has open.
pub(super) fn check(path: &Path, findings: &mut Findings) {
    if !path.exists() {
        findings.ok("store", "there is no database yet: it is made at the first start");
        return;
    }
    // Opened for writing too, as a node would, and not written to.
    let opened = File::options().read(true).write(true).open(path).and_then(header);
    let Header { pages, version, application } = match opened {
        Ok(Some(header)) => header,
        Ok(None) => {
            let says = "the database cannot be read: it is none of SQLite's";
            return findings.fail("store", says, USE_ANOTHER);
        }
        Err(error) => {
            let says = format!("{}: {error}", path.display());
            return findings.fail("store", says, MAKE_USABLE);
        }
    };
    let ours = match of_this_version() {
        Ok(ours) => ours,
        Err(why) => {
            let says = format!("which version the database is of was not found out: {why}");
            return findings.warn("store", says, "see whether temporary files can be made");
        }
    };
    // Where a node was killed in its first moments, all that there is may be in the log.
    let has_log = fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    if (version, application) == (0, 0) && (pages <= 1 || has_log) {
        findings.ok("store", "the database is empty: the next start fills it");
    } else if application != ours.application {
        findings.fail("store", "the database is not a node's", USE_ANOTHER);
    } else if version > ours.version {
        let says = format!(
            "the database cannot be read: it is of a newer version (schema {version}, here {})",
            ours.version
        );
        findings.fail("store", says, USE_ANOTHER);
    } else if version < ours.version {
        let says = "the database is of an older version: the next start brings it up to date";
        findings.ok("store", says);
    } else {
        findings.ok("store", "the database is of this version");
    }
}

/// The file of the same name with something added.
pub(super) fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// What stands in the beginning of a file: nothing yet in an empty one, `None` in one of another kind.
fn header(file: File) -> io::Result<Option<Header>> {
    let mut bytes = Vec::with_capacity(HEADER);
    file.take(HEADER as u64).read_to_end(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(Some(Header::default()));
    }
    if bytes.len() < HEADER || bytes[..MAGIC.len()] != MAGIC {
        return Ok(None);
    }
    let number = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|i| bytes[at + i]));
    let [pages, version, application] = [PAGES, VERSION, APPLICATION].map(number);
    Ok(Some(Header { pages, version, application }))
}

/// What this version writes, as a database shows that is made for it.
fn of_this_version() -> Result<Header, String> {
    let told = |error: io::Error| error.to_string();
    let dir = tempfile::tempdir().map_err(told)?;
    let path = dir.path().join("new.sqlite");
    SqliteJobStore::open(&path).map_err(|error| error.to_string())?;
    let written = File::open(&path).and_then(header).map_err(told)?;
    written.ok_or_else(|| "what was made is no database".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a file with these contents, and that it is as it was.
    fn said(bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("raas.sqlite");
        fs::write(&path, bytes).expect("written");
        let mut findings = Findings::default();
        check(&path, &mut findings);
        assert_eq!(fs::read(&path).expect("a file"), bytes, "it was changed");
        assert_eq!(
            fs::read_dir(dir.path()).expect("a directory").count(),
            1,
            "one was made beside it"
        );
        findings.lines().swap_remove(0)
    }

    /// A database as a node leaves it.
    fn fresh() -> Vec<u8> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("raas.sqlite");
        drop(SqliteJobStore::open(&path).expect("a store"));
        fs::read(path).expect("a file")
    }

    fn with(mut bytes: Vec<u8>, at: usize, number: u32) -> Vec<u8> {
        bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    #[test]
    fn a_database_is_told_by_its_version_and_left_as_it_is() {
        assert_eq!(said(&fresh()), "ok    store: the database is of this version");
        assert!(
            said(&with(fresh(), VERSION, 1))
                .starts_with("ok    store: the database is of an older")
        );
        let newer = said(&with(fresh(), VERSION, 99));
        assert!(
            newer.starts_with("fail  store: ") && newer.contains("newer version (schema 99"),
            "{newer}"
        );
    }

    #[test]
    fn a_file_that_is_no_database_of_ours_fails() {
        assert!(said(&with(fresh(), APPLICATION, 7)).contains("is not a node's"));
        let foreign = with(with(fresh(), APPLICATION, 0), VERSION, 0);
        assert!(said(&foreign).contains("is not a node's"));
        for bytes in [&b"too short"[..], &[b'x'; 4096]] {
            assert!(said(bytes).starts_with("fail  store: the database cannot be read"));
        }
    }

    #[test]
    fn a_database_that_was_only_begun_is_empty() {
        assert!(said(&[]).contains("is empty"));
        let begun = with(with(with(fresh(), APPLICATION, 0), VERSION, 0), PAGES, 1);
        assert!(said(&begun).contains("is empty"));
    }
}
