//! Whose task is next: start-time fair queueing.
//!
//! Each task gets a turn when it is taken; lower turns go first. A user's tasks are one step apart,
//! and nobody's next task stands before the turn that is being served. So a user who sends a
//! thousand tasks waits for itself, and one who sends a first task overtakes them. (Goyal, Vin,
//! Cheng: Start-time Fair Queueing, 1996.)

/// Distance between two tasks of one user.
pub(crate) const STEP: u64 = 1 << 10;

/// The turn of a user's next task. `last` is the turn of its last one, `served` the highest that
/// any worker has been given.
pub(crate) fn turn(last: Option<u64>, served: u64) -> u64 {
    last.map_or(0, |last| last.saturating_add(STEP)).max(served)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_does_not_hold_up_a_single_task() {
        let mut crowd = Vec::new();
        let mut last = None;
        for _ in 0..1_000 {
            last = Some(turn(last, 0));
            crowd.push(last.unwrap());
        }
        let served = crowd[9];
        let single = turn(None, served);
        let before = crowd.iter().filter(|t| **t < single).count();
        assert_eq!(before, 9, "all but those already served come later, or stand beside it");
    }

    #[test]
    fn who_was_away_saves_up_no_turns() {
        assert_eq!(turn(Some(5), 1 << 40), 1 << 40);
        assert_eq!(turn(Some(1 << 40), 7), (1 << 40) + STEP);
    }
}
