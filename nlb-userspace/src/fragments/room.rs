//! Who waits for which datagram's first fragment, and until when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nlb_common::datagram::DatagramKey;

/// How long a fragment waits: fragments overtake each other by milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// Pause before it is asked for the first time whether the datagram is known. Then each time as long as it has waited already.
const FIRST_LOOK: Duration = Duration::from_micros(500);

/// The most frames that wait: 2 MiB.
pub(super) const ROOM: usize = 1_024;

/// What became of a datagram that fragments waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Its first fragment has come.
    Known,
    /// It did not come in time.
    Missed,
}

/// Frames of type `F` that wait, in the order in which they came.
#[derive(Debug)]
pub(super) struct Room<F> {
    datagrams: BTreeMap<DatagramKey, Waiting<F>>,
    frames: usize,
}

#[derive(Debug)]
struct Waiting<F> {
    since: Instant,
    look: Instant,
    frames: Vec<F>,
}

impl<F> Default for Room<F> {
    fn default() -> Self {
        Self { datagrams: BTreeMap::new(), frames: 0 }
    }
}

impl<F> Room<F> {
    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Lets a frame wait; one for which there is no room is gone.
    pub(super) fn take_in(&mut self, key: DatagramKey, frame: F, now: Instant) {
        if self.frames == ROOM {
            return;
        }
        let new = || Waiting { since: now, look: now + FIRST_LOOK, frames: Vec::new() };
        self.datagrams.entry(key).or_insert_with(new).frames.push(frame);
        self.frames += 1;
    }

    /// Asks `knows` about the datagrams whose turn it is, and gives those that waited for a known one, or long enough.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        mut knows: impl FnMut(&DatagramKey) -> bool,
    ) -> Vec<(DatagramKey, Answer, Vec<F>)> {
        let mut answers = Vec::new();
        for (key, waiting) in &mut self.datagrams {
            if waiting.look > now {
                continue;
            }
            let waited = now - waiting.since;
            waiting.look = now + waited;
            if knows(key) {
                answers.push((*key, Answer::Known));
            } else if waited >= PATIENCE {
                answers.push((*key, Answer::Missed));
            }
        }
        let mut leave = |(key, answer)| {
            let frames = self.datagrams.remove(&key).map_or_else(Vec::new, |waiting| waiting.frames);
            self.frames -= frames.len();
            (key, answer, frames)
        };
        answers.into_iter().map(&mut leave).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(identification: u32) -> DatagramKey {
        DatagramKey { identification, ..DatagramKey::default() }
    }

    /// Asks every millisecond until somebody leaves. When that was, and who left.
    fn first_to_leave(
        room: &mut Room<u32>,
        from: Instant,
        known_from: impl Fn(&DatagramKey) -> Option<Instant>,
    ) -> (Duration, Vec<(DatagramKey, Answer, Vec<u32>)>) {
        (1..)
            .map(Duration::from_millis)
            .find_map(|after| {
                let now = from + after;
                let left = room.ask(now, |key| known_from(key).is_some_and(|known| known <= now));
                (!left.is_empty()).then_some((after, left))
            })
            .expect("everybody leaves some day")
    }

    #[test]
    fn frames_leave_in_their_order_soon_after_their_first_has_come() {
        for came in [0, 1, 2, 5, 20, 100, 240] {
            let (mut room, now) = (Room::default(), Instant::now());
            for frame in [7, 3, 5] {
                room.take_in(key(1), frame, now);
            }
            room.take_in(key(2), 9, now);
            let first = now + Duration::from_millis(came);
            let known = |asked: &DatagramKey| (*asked == key(1)).then_some(first);
            let (after, left) = first_to_leave(&mut room, now, known);
            assert_eq!(left, [(key(1), Answer::Known, vec![7, 3, 5])], "came after {came} ms");
            let late = after - Duration::from_millis(came);
            assert!(late <= Duration::from_millis(came + 2), "{late:?} after the first, which came after {came} ms");
            assert!(!room.is_empty(), "the other datagram's still waits");
        }
    }

    #[test]
    fn whoever_waits_in_vain_leaves_when_patience_ends() {
        let (mut room, now) = (Room::default(), Instant::now());
        room.take_in(key(1), 7, now);
        let (after, left) = first_to_leave(&mut room, now, |_| None);
        assert_eq!(left, [(key(1), Answer::Missed, vec![7])]);
        assert!((PATIENCE..2 * PATIENCE).contains(&after), "{after:?}");
        assert!(room.is_empty());
    }

    #[test]
    fn a_full_room_takes_nobody_in_until_somebody_leaves() {
        let (mut room, now) = (Room::default(), Instant::now());
        for number in 0..2 * u32::try_from(ROOM).unwrap() {
            room.take_in(key(number), number, now);
        }
        let later = now + PATIENCE;
        let left = room.ask(later, |_| false);
        assert_eq!(left.len(), ROOM);
        assert!(left.iter().all(|(_, _, frames)| frames[0] < u32::try_from(ROOM).unwrap()), "who came first stays");
        room.take_in(key(1), 1, later);
        assert!(!room.is_empty());
    }

    #[test]
    fn a_datagram_is_not_asked_for_again_before_it_has_waited_as_long_once_more() {
        let (mut room, now) = (Room::default(), Instant::now());
        room.take_in(key(1), 1, now);
        let mut asked = 0;
        for millisecond in 1..=400 {
            room.ask(now + Duration::from_millis(millisecond), |_| {
                asked += 1;
                false
            });
        }
        assert_eq!(asked, 9, "after 1, 2, 4, 8, … 256 ms");
    }
}
