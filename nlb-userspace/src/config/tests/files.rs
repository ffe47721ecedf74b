//! Files that are no configuration at all.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::config::{ConfigErrors, load};
use crate::model::Verdict;

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

/// A configuration whose listener denies what stands in `list`.
fn denying(list: &std::path::Path, capacity: u32) -> String {
    let agent = format!("[agent]\ninterfaces = [\"eth0\"]\n[agent.capacity]\nnetworks = {capacity}\n");
    let listener = "[[listener]]\naddress = \"192.0.2.1\"\nprotocol = \"tcp\"\nport = 80\ntarget_group = \"web\"\n";
    format!("{agent}[[target_group]]\nname = \"web\"\n{listener}deny_file = \"{}\"\n", list.display())
}

#[test]
fn the_file_of_an_access_list_has_a_network_a_line_and_comments() {
    let dir = tempfile::tempdir().unwrap();
    let (file, list) = (dir.path().join("nlb.toml"), dir.path().join("deny.txt"));
    fs::write(&file, denying(&list, 100)).unwrap();
    let error = load(&file).unwrap_err();
    assert!(matches!(&error, ConfigErrors::NotFound { file } if *file == list), "{error}");

    fs::write(&list, "# blocked\n10.0.0.0/8 # ours\n\n  192.0.2.1\r\n2001:db8::/32").unwrap();
    let access = load(&file).unwrap().listeners.remove(0).access.list.unwrap();
    let denied = access.networks().iter().filter(|(_, verdict)| **verdict == Verdict::Deny);
    let denied: Vec<String> = denied.map(|(network, _)| network.to_string()).collect();
    assert_eq!(denied, ["10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32"]);
}

#[test]
fn wrong_lines_of_an_access_list_are_told_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (file, list) = (dir.path().join("nlb.toml"), dir.path().join("deny.txt"));
    fs::write(&file, denying(&list, 100)).unwrap();
    fs::write(&list, "10.0.0.0/8\n 10.0.0.0/33 # too long\n10.0.0.1/8\n").unwrap();
    let error = load(&file).unwrap_err();
    let told: Vec<_> = error.problems().iter().map(|p| (p.place.file.clone(), p.place.line, p.place.column)).collect();
    let list_name = list.display().to_string();
    assert_eq!(told, [(list_name.clone(), 2, 2), (list_name, 3, 1)], "{error}");
    assert_eq!(error.problems()[1].help.as_deref(), Some("write \"10.0.0.0/8\""));
}

#[test]
fn an_access_list_that_does_not_fit_names_the_setting() {
    let dir = tempfile::tempdir().unwrap();
    let (file, list) = (dir.path().join("nlb.toml"), dir.path().join("deny.txt"));
    fs::write(&file, denying(&list, 4)).unwrap();
    fs::write(&list, "10.0.0.0/8\n192.0.2.0/24\n").unwrap();
    load(&file).unwrap();
    fs::write(&list, "10.0.0.0/8\n192.0.2.0/24\n198.51.100.0/24\n").unwrap();
    let error = load(&file).unwrap_err();
    assert!(error.to_string().contains("set `agent.capacity.networks` to 5"), "{error}");
}
