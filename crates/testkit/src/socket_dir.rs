//! A directory for the socket files of one test.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    thread::panicking,
};

/// A new directory under `/tmp` that only this user may enter; it goes when the value is dropped.
///
/// Its path is short, because the address of a unix socket holds 107 bytes.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixListener;
///
/// let dir = hypermesh_testkit::SocketDir::new();
/// let listener = UnixListener::bind(dir.join("host.sock"))?;
/// # drop(listener);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct SocketDir {
    path: PathBuf,
}

impl SocketDir {
    /// Makes the directory.
    ///
    /// # Panics
    ///
    /// If `/tmp` cannot be written.
    #[expect(
        clippy::new_without_default,
        reason = "it makes a directory, which no default should"
    )]
    pub fn new() -> Self {
        // A name that is taken is left to its owner, and another one is drawn.
        loop {
            let name = format!("hm-{:08x}", RandomState::new().hash_one(()) as u32);
            let path = Path::new("/tmp").join(name);
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Self { path },
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("cannot make the directory {}: {error}", path.display()),
            }
        }
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of `name` in the directory.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for SocketDir {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.path) {
            Ok(()) => {}
            // The test may have removed it, and a second panic would hide the first.
            Err(error) if error.kind() == ErrorKind::NotFound || panicking() => {}
            Err(error) => panic!("cannot remove {}: {error}", self.path.display()),
        }
    }
}
