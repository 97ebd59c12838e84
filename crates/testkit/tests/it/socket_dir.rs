//! What a socket directory is and that it goes.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
};

use hypermesh_testkit::SocketDir;

#[test]
fn only_this_user_may_enter_and_the_path_is_short() {
    let dir = SocketDir::new();
    let mode = fs::metadata(dir.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o700);
    assert!(
        dir.path().as_os_str().len() < 20,
        "{}",
        dir.path().display()
    );
}

#[test]
fn the_directory_goes_with_everything_in_it() {
    let dir = SocketDir::new();
    let path = dir.path().to_owned();
    let _listener = UnixListener::bind(dir.join("a.sock")).unwrap();
    fs::create_dir(dir.join("below")).unwrap();
    fs::write(dir.join("below/file"), "text").unwrap();
    drop(dir);
    assert!(!path.exists());
}

#[test]
fn a_directory_that_the_test_removed_is_no_fault() {
    let dir = SocketDir::new();
    fs::remove_dir(dir.path()).unwrap();
}

#[test]
fn two_directories_differ() {
    assert_ne!(SocketDir::new().path(), SocketDir::new().path());
}
