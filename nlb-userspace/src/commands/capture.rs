//! `nlb capture`: packets to a file, until interrupted or as many as were asked for.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::interval;

use super::CommandError;
use super::output::Output;
use crate::api::client::{CaptureRequest, Client};
use crate::args::Capture;
use crate::capture::{Block, Told};

/// How often progress is shown.
const PROGRESS: Duration = Duration::from_secs(1);

/// What was captured.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Tally {
    /// Packets in the file.
    packets: u64,
    /// Packets that the kernel had no room for.
    lost: u64,
}

/// Writes packets as they come.
pub(super) async fn run(client: &Client, output: &Output, capture: &Capture) -> Result<(), CommandError> {
    let to_stdout = capture.write == Path::new("-");
    if to_stdout && io::stdout().is_terminal() {
        return Err(CommandError::Usage(
            "a capture is no text for a terminal: write it to a file or a pipe".to_owned(),
        ));
    }
    let began = Instant::now();
    let mut blocks = client.capture(&CaptureRequest::from(capture)).await?;
    let mut file = open(&capture.write)?;
    let mut tally = Tally::default();
    let mut progress = interval(PROGRESS);
    loop {
        tokio::select! {
            next = blocks.next() => match next? {
                Some(blocks) => tally.write(&blocks, &mut file)?,
                None if capture.is_whole(tally, began.elapsed()) => break,
                None => {
                    tally.show(true);
                    return Err(CommandError::failed(
                        "the agent ended the capture",
                        "did it stop? systemctl status nlb-agent; what was captured is in the file",
                    ));
                }
            },
            _ = progress.tick() => tally.show(false),
            interrupted = tokio::signal::ctrl_c() => break interrupted?,
        }
    }
    tally.show(true);
    if output.is_json() && !to_stdout { output.show(&tally, |_, _| String::new()) } else { Ok(()) }
}

impl Capture {
    /// Whether the capture is as long as was asked for.
    fn is_whole(&self, tally: Tally, took: Duration) -> bool {
        self.count.is_some_and(|count| tally.packets >= count) || self.duration.is_some_and(|limit| took >= limit)
    }
}

impl Tally {
    /// Writes whole blocks, so that the file is whole whenever this ends.
    fn write(&mut self, blocks: &[Block], file: &mut impl Write) -> io::Result<()> {
        for block in blocks {
            file.write_all(&block.bytes)?;
            match block.told {
                Told::Packet => self.packets += 1,
                Told::Lost(packets) => self.lost = packets,
                Told::Other => {}
            }
        }
        file.flush()
    }

    /// Shows how far it is: on a terminal in one line that changes, elsewhere at the end.
    fn show(self, is_last: bool) {
        let Self { packets, lost } = self;
        match (io::stderr().is_terminal(), is_last) {
            (true, false) => eprint!("\r{packets} packets captured, {lost} lost "),
            (true, true) => eprintln!("\r{packets} packets captured, {lost} lost "),
            (false, true) => eprintln!("{packets} packets captured, {lost} lost"),
            (false, false) => {}
        }
    }
}

fn open(path: &Path) -> Result<Box<dyn Write>, CommandError> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(io::stdout())));
    }
    let file = File::create(path);
    let file = file.map_err(|error| {
        CommandError::failed(format!("cannot write {}: {error}", path.display()), "name another file with --write")
    })?;
    Ok(Box::new(BufWriter::new(file)))
}
