//! Secrets stand in files of their own, which nobody but their owner may read.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::output::BadInput;

/// Reads a secret from a file of its own; nobody but its owner may read it.
pub(crate) fn read_secret(path: &Path) -> Result<String> {
    refuse_if_others_may_read(path)?;
    let text = fs::read_to_string(path)
        .map_err(|error| BadInput(format!("cannot read {}: {error}", path.display())))?;
    Ok(text.trim().to_owned())
}

/// A file that holds a secret is its owner's alone.
pub(crate) fn refuse_if_others_may_read(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path)
            .map_err(|error| BadInput(format!("cannot read {}: {error}", path.display())))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(BadInput(format!(
                "{} holds a secret and may be read by others (mode {:o}): chmod 600 it",
                path.display(),
                mode & 0o777
            ))
            .into());
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

/// Writes a secret to a file of its own that nobody else may read. The name appears, or changes its
/// content, when all of it is on the disk.
pub(crate) fn write_secret(path: &Path, secret: &str) -> Result<()> {
    use std::io::Write;
    let failed = || format!("cannot write {}", path.display());
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Temporary files are their owner's alone (mode 600).
    let mut file = tempfile::NamedTempFile::new_in(dir).with_context(failed)?;
    file.write_all(secret.as_bytes()).with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("key");
        write_secret(&path, "sesame\n").expect("written");
        assert_eq!(read_secret(&path).expect("a secret"), "sesame");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
        let error = read_secret(&path).expect_err("others may read it").to_string();
        assert!(error.contains("chmod 600") && !error.contains("sesame"), "{error}");
        // Written anew it is its owner's alone again.
        write_secret(&path, "sesame").expect("written");
        assert_eq!(read_secret(&path).expect("a secret"), "sesame");
        assert_eq!(fs::read_dir(dir.path()).expect("a directory").count(), 1);
    }
}
