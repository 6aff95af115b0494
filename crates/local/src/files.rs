//! Files are written whole or not at all: beside their place first, then moved there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// Fails now rather than after the work where `path` could not be written.
pub fn check(path: &Path) -> Result<()> {
    if path.is_dir() || path.file_name().is_none() {
        bail!("{} is a folder; give a file", path.display());
    }
    let beside = beside(path);
    make_folder(path)?;
    let tried = fs::write(&beside, b"").and_then(|()| fs::remove_file(&beside));
    tried.with_context(|| format!("cannot write {}; give another place", path.display()))
}

/// A folder beside `path`, empty, for files that are to appear there together.
pub fn staging(path: &Path) -> Result<PathBuf> {
    if path.exists() && !path.is_dir() {
        bail!("{} is a file; give a folder", path.display());
    }
    let staging = path.join(".part");
    clear(&staging);
    let failed = || format!("cannot make {}; give another place", staging.display());
    fs::create_dir_all(&staging).with_context(failed)?;
    Ok(staging)
}

/// Moves every file of the staging folder to where it belongs.
pub fn publish(staging: &Path, folder: &Path) -> Result<()> {
    for entry in fs::read_dir(staging)? {
        let entry = entry?;
        let to = folder.join(entry.file_name());
        fs::rename(entry.path(), &to).with_context(|| format!("cannot write {}", to.display()))?;
    }
    clear(staging);
    Ok(())
}

/// Removes a staging folder, if it is there.
pub fn clear(staging: &Path) {
    fs::remove_dir_all(staging).ok();
}

fn make_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    Ok(())
}

/// Writes `bytes` to `path`, making its folder.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    make_folder(path)?;
    let beside = beside(path);
    let moved = fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if moved.is_err() && beside.exists() {
        fs::remove_file(&beside).ok();
    }
    moved.with_context(|| format!("cannot write {}", path.display()))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_nothing_half_written() {
        let folder = std::env::temp_dir().join(format!("tryon-files-{}", std::process::id()));
        let path = folder.join("deep/picture.jpg");
        write(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        // A folder stands where the file should go.
        let error = write(&folder.join("deep"), b"x").unwrap_err();
        assert!(error.to_string().contains("deep"), "{error}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
