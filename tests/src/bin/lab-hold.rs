//! Makes a laboratory with a running server, prints its id, and then waits to be killed, or panics: the tests of the
//! laboratory's own cleaning up need a process that ends badly.

use std::io::Read as _;

use anyhow::Result;
use nlb_tests::lab::{Lab, NginxOptions, Options};

fn main() -> Result<()> {
    let lab = Lab::new(Options::default())?;
    let _nginx = lab.host("t1").nginx(NginxOptions::default())?;
    println!("{}", lab.id());
    let panics = std::env::args().nth(1).as_deref() == Some("panic");
    assert!(!panics, "as asked");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
