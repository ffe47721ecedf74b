//! The packet fuzzer's committed seeds are what their generator makes.

use nlb_tests::packets::corpus::{files, folder};

#[test]
fn the_committed_seeds_are_the_generators() {
    for (name, content) in files() {
        let path = folder().join(&name);
        if std::env::var_os("NLB_WRITE_CORPUS").is_some() {
            std::fs::write(&path, &content).unwrap();
        }
        let hint = "run this test with NLB_WRITE_CORPUS=1";
        assert_eq!(std::fs::read(&path).ok(), Some(content), "{}: {hint}", path.display());
    }
}
