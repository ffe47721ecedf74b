//! Fragments that came before their datagram's first one, until that has come.
//!
//! The packet path can keep no packet, and won't guess: it hands them over by a ring buffer. They wait in a `Room`, which is pure,
//! and are sent through the packet path once more as soon as that knows their datagram. All of it is bounded: a flood of early
//! fragments is thrown away by the kernel, because the ring is full, and costs this thread some percent of a CPU.
//!
//! While no agent runs, early fragments are lost: of TCP they are sent again, of UDP the datagram is as good as lost on the way.

mod room;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tracing::debug;

use crate::dataplane::{EarlyFragments, Frame};
use room::{Answer, ROOM, Room};

/// How long the ring is watched while nobody waits.
const IDLE: Duration = Duration::from_secs(10);

/// Pause between two turns while there is something to do.
const TURN: Duration = Duration::from_millis(1);

/// The most that one turn takes out of the ring.
const TAKEN: usize = 64;

/// Begins to look after early fragments, on a thread that ends with the process.
pub fn spawn(early: EarlyFragments) -> Result<()> {
    let run = move || run(early);
    thread::Builder::new()
        .name("nlb-fragments".to_owned())
        .spawn(run)
        .map(drop)
        .context("cannot start the thread for early fragments")
}

fn run(mut early: EarlyFragments) {
    // What was left to an earlier agent is too old for any datagram.
    for _ in 0..ROOM {
        if early.next().is_none() {
            break;
        }
    }
    let mut room = Room::default();
    loop {
        if room.is_empty() {
            early.wait(IDLE);
        }
        turn(&mut early, &mut room);
        thread::sleep(TURN);
    }
}

fn turn(early: &mut EarlyFragments, room: &mut Room<Frame>) {
    let now = Instant::now();
    for _ in 0..TAKEN {
        let Some((key, frame)) = early.next() else { break };
        room.take_in(key, frame, now);
    }
    let answers = room.ask(now, |key| early.knows(key));
    for (key, answer, frames) in answers {
        if answer == Answer::Missed {
            early.give_up(&key);
        }
        // Given up, they come to their end there and are counted.
        for frame in &frames {
            if let Err(error) = early.send(frame) {
                debug!(%error, interface = frame.interface, "cannot hand an early fragment in again");
            }
        }
    }
}
