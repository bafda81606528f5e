//! Files and folders, and what to tell people whose disk is full.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// A file or a folder that cannot be used, and why, in a line that says what to do.
#[derive(Debug)]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// What was tried.
    pub what: &'static str,
    /// The refusal.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: names the file, and what was tried.
    pub(crate) fn on(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { path, what, source }
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, what) = (self.path.display(), self.what);
        write!(f, "{path}: cannot {what}: {}", reason(&self.source))
    }
}

/// What the operating system says, and what one can do about it.
pub(crate) fn reason(error: &io::Error) -> String {
    use io::ErrorKind as Kind;
    let hint = match error.kind() {
        Kind::NotFound => "there is no such file or folder; check the path",
        Kind::PermissionDenied => {
            "permission denied; choose another place, or change its permissions"
        }
        Kind::ReadOnlyFilesystem => "the file system is read-only; choose another place",
        Kind::StorageFull => {
            "the disk is full; make room or choose another place, then start it again"
        }
        Kind::QuotaExceeded => "the disk quota is spent; make room or choose another place",
        Kind::FileTooLarge => {
            "the file would be larger than this process may write (see `ulimit -f`)"
        }
        Kind::IsADirectory => "it is a folder, and a file is wanted",
        Kind::NotADirectory => "a part of the path is a file, and a folder is wanted",
        Kind::AlreadyExists => "something else has that name; choose another, or remove it",
        Kind::InvalidData => "it is not text",
        _ => return error.to_string(),
    };
    hint.to_owned()
}

/// Writes a file whole or not at all: beside its place first, then moved there. Its folder is made. What is there and is no plain file (a link, a
/// device as `/dev/stdout`) stays what it is and is written to.
///
/// # Errors
///
/// What the operating system refuses, with the path.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    make_folder(folder)?;
    let is_special = |there: fs::Metadata| !there.is_file() && !there.is_dir();
    if fs::symlink_metadata(path).is_ok_and(is_special) {
        return fs::write(path, text).map_err(FileError::on(path, "write it"));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is left of it would only be in the way.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(FileError::on(path, "write it"))
}

/// Makes a folder and those above it.
///
/// # Errors
///
/// What the operating system refuses, with the path.
pub(crate) fn make_folder(folder: &Path) -> Result<(), FileError> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(FileError::on(folder, "make the folder"))
}

/// Makes a folder, and sees that something can be written into it: before the work whose results are to be kept there.
///
/// # Errors
///
/// What the operating system refuses, with the path.
pub(crate) fn try_folder(folder: &Path) -> Result<(), FileError> {
    make_folder(folder)?;
    let probe = folder.join(format!(".probe.{}", std::process::id()));
    let tried = fs::write(&probe, "it can be written\n");
    if tried.is_ok() || probe.exists() {
        // What is left of it would only be in the way.
        let _ = fs::remove_file(&probe);
    }
    tried.map_err(FileError::on(folder, "write into the folder"))
}

/// Reads a file.
///
/// # Errors
///
/// What the operating system refuses, with the path; a folder, and what is neither file nor folder, is refused as well.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    let kind = fs::metadata(path).map_err(FileError::on(path, "read it"))?;
    if kind.is_dir() {
        let folder = io::Error::from(io::ErrorKind::IsADirectory);
        return Err(FileError::on(path, "read it")(folder));
    }
    if !kind.is_file() {
        let special = io::Error::other("it is neither a file nor a folder");
        return Err(FileError::on(path, "read it")(special));
    }
    fs::read(path).map_err(FileError::on(path, "read it"))
}

/// Reads a file of text.
///
/// # Errors
///
/// The same, and what is not text.
pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    String::from_utf8(read_bytes(path)?).map_err(|_| {
        let binary = io::Error::from(io::ErrorKind::InvalidData);
        FileError::on(path, "read it")(binary)
    })
}
