//! Something that is asked again and again: when it is due, and what its last answer is worth. Pure.

use std::time::Duration;

use super::super::meter::TURN;
use crate::model::Timestamp;

/// Who fails is left alone for so long at most, or for a period where that is longer.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// An answer that has not come after so long won't: whoever asked is gone.
const LOST: Duration = Duration::from_secs(30);

/// A question and its last answer.
#[derive(Debug)]
pub(super) struct Question<T> {
    /// When it was asked, while no answer is there.
    asked: Option<Timestamp>,
    /// When it is to be asked again at the earliest.
    due: Timestamp,
    failures: u32,
    answer: Option<(Timestamp, Result<T, String>)>,
}

/// Why there is nothing to go by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nobody has answered yet, or not for so long.
    Not(Option<Duration>),
    /// The last answer says why.
    Failed(String),
}

impl<T> Default for Question<T> {
    fn default() -> Self {
        Self { asked: None, due: Timestamp::default(), failures: 0, answer: None }
    }
}

impl<T> Question<T> {
    /// Whether it is time to ask; if so, it is asked.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        let is_due = !self.is_waiting(now) && now >= self.due;
        if is_due {
            self.asked = Some(now);
        }
        is_due
    }

    /// Whether an answer is on its way.
    pub(super) fn is_waiting(&self, now: Timestamp) -> bool {
        self.asked.is_some_and(|asked| now.since(asked) < LOST)
    }

    /// The answer is there. After a failure it rests for a period, after each further one twice as long.
    pub(super) fn answered(&mut self, answer: Result<T, String>, period: Duration, now: Timestamp) {
        let asked = self.asked.take().unwrap_or(now);
        self.failures = if answer.is_ok() { 0 } else { self.failures.saturating_add(1) };
        let rest = period.saturating_mul(1 << self.failures.saturating_sub(1).min(8));
        // It is asked at the end of a period, which may come a moment early.
        self.due = asked + rest.min(LONGEST_REST.max(period)) - TURN / 2;
        self.answer = Some((now, answer));
    }

    /// The last good answer, if the one before now was good and is not too old.
    pub(super) fn answer(&self, period: Duration, now: Timestamp) -> Result<&T, Unanswered> {
        let Some((at, answer)) = &self.answer else { return Err(Unanswered::Not(None)) };
        let answer = answer.as_ref().map_err(|reason| Unanswered::Failed(reason.clone()))?;
        let age = now.since(*at);
        if age > 2 * period + LOST { Err(Unanswered::Not(Some(age))) } else { Ok(answer) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_epoch(Duration::from_secs(1_000 + seconds))
    }

    #[test]
    fn who_fails_is_asked_less_and_less_often_and_who_answers_every_period() {
        let period = Duration::from_secs(10);
        let mut question = Question::default();
        let asked: Vec<u64> = (0..300)
            .step_by(10)
            .filter(|&seconds| {
                let is_due = question.is_due(at(seconds));
                if is_due {
                    let answer = if seconds < 200 { Err("no".to_owned()) } else { Ok(1) };
                    question.answered(answer, period, at(seconds + 1));
                }
                is_due
            })
            .collect();
        assert_eq!(asked, [0, 10, 30, 70, 130, 190, 250, 260, 270, 280, 290]);
    }

    #[test]
    fn an_answer_is_awaited_counts_while_it_is_fresh_and_a_failure_takes_its_place() {
        let period = Duration::from_secs(30);
        let mut question = Question::default();
        assert_eq!(question.answer(period, at(0)), Err(Unanswered::Not(None)));
        assert!(question.is_due(at(0)) && !question.is_due(at(1)) && question.is_waiting(at(1)));
        question.answered(Ok(7), period, at(2));
        assert!(!question.is_waiting(at(2)));
        assert_eq!(question.answer(period, at(60)), Ok(&7));
        assert_eq!(question.answer(period, at(100)), Err(Unanswered::Not(Some(Duration::from_secs(98)))));
        assert!(question.is_due(at(100)) && question.is_due(at(130)), "an answer that never comes is not waited for");
        question.answered(Err("no".to_owned()), period, at(131));
        assert_eq!(question.answer(period, at(131)), Err(Unanswered::Failed("no".to_owned())));
    }
}
