//! A server as an autoscaling group of the laboratory launches it: at the address and port that its environment names it
//! sends each line back under its instance's name, and answers an HTTP request with that name and who asked.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let variable = |name: &str| env::var(name).with_context(|| format!("{name} is not set"));
    let address: IpAddr = variable("NLB_ADDRESS")?.parse()?;
    let port: u16 = variable("NLB_PORT")?.parse()?;
    let name = variable("NLB_INSTANCE")?;
    for stream in TcpListener::bind((address, port))?.incoming() {
        let (stream, name) = (stream?, name.clone());
        // A connection that breaks is for the client to count.
        thread::spawn(move || answer(&stream, &name).unwrap_or_default());
    }
    Ok(())
}

fn answer(stream: &TcpStream, name: &str) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream;
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next().transpose()? {
        if !line.starts_with("GET ") {
            writer.write_all(format!("{name} {line}\n").as_bytes())?;
            continue;
        }
        while lines.next().transpose()?.is_some_and(|header| !header.is_empty()) {}
        let client = stream.peer_addr()?.ip();
        return writer.write_all(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{name} {client}\n").as_bytes());
    }
    Ok(())
}
