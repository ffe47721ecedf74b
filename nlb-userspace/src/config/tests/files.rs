//! Files that are no configuration at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::config::{ConfigErrors, load};

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nlb.toml");

    let error = load(&file).unwrap_err();
    assert!(matches!(&error, ConfigErrors::NotFound { file: named } if *named == file), "{error}");
    assert_eq!(error.to_json()[0]["file"], file.to_str().unwrap());

    assert!(matches!(load(dir.path()).unwrap_err(), ConfigErrors::NotAFile { .. }));
    assert!(matches!(load("/dev/null".as_ref()).unwrap_err(), ConfigErrors::NotAFile { .. }));

    fs::write(&file, b"[agent]\nzone = \"\xc3\xa4\xff\"\n").unwrap();
    let error = load(&file).unwrap_err();
    assert!(matches!(error, ConfigErrors::NotUtf8 { line: 2, column: 10, .. }), "{error}");
    assert!(error.to_string().starts_with(&format!("{}:2:10: ", file.display())), "{error}");

    fs::File::create(&file).unwrap().set_len(65 << 20).unwrap();
    assert!(matches!(load(&file).unwrap_err(), ConfigErrors::TooLarge { .. }));

    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads it all the same, and then finds it empty.
    let error = load(&file).unwrap_err();
    if nix::unistd::geteuid().is_root() {
        assert!(matches!(error, ConfigErrors::Invalid(_)), "{error}");
    } else {
        assert!(matches!(error, ConfigErrors::PermissionDenied { .. }), "{error}");
    }
}

#[test]
fn a_file_is_named_as_the_user_named_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nlb.toml");
    fs::write(&file, "[agent]\n").unwrap();
    let error = load(&file).unwrap_err();
    assert!(error.to_string().starts_with(&format!("{}:1:1: ", file.display())), "{error}");
}
