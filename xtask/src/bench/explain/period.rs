//! Finding the round in a run of steps that repeats itself.

use super::Step;

/// How often a round must have come again, and how many steps that must have been: a short loop inside an operation
/// is not the operation.
const ROUNDS: usize = 3;
const STEPS: usize = 4000;
/// How many earlier visits of the last step are tried as the end of the round before.
const CANDIDATES: usize = 64;

/// The length of the shortest round that the steps end with again and again.
pub fn of(steps: &[Step]) -> Option<usize> {
    let (last, before) = steps.split_last()?;
    let visits = before.iter().rev().enumerate().filter(|(_, step)| *step == last).map(|(distance, _)| distance + 1);
    visits.take(CANDIDATES).find(|&round| repeats(steps, round))
}

fn repeats(steps: &[Step], round: usize) -> bool {
    let looked_at = (round * ROUNDS).max(STEPS.next_multiple_of(round));
    let Some(start) = steps.len().checked_sub(looked_at) else { return false };
    let tail = &steps[start..];
    tail[round..].iter().zip(tail).all(|(step, earlier)| step == earlier)
}

/// The round turned so that it begins at the head of the measuring program's loop: where a jump back within a function
/// leads to the lowest address.
pub fn from_loop_head(round: &[Step], own: usize, function: impl Fn(u64) -> Option<u64>) -> Vec<Step> {
    let jumps_back = |&at: &usize| {
        let (step, before) = (round[at], round[(at + round.len() - 1) % round.len()]);
        step.space == own && before.space == own && step.pc < before.pc && function(step.pc) == function(before.pc)
    };
    let head = (0..round.len()).filter(jumps_back).min_by_key(|&at| round[at].pc).unwrap_or(0);
    [&round[head..], &round[..head]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(addresses: impl IntoIterator<Item = u64>) -> Vec<Step> {
        addresses.into_iter().map(|pc| Step { space: 0, pc }).collect()
    }

    #[test]
    fn a_round_is_found_after_what_came_before_it() {
        let run: Vec<u64> = (1000..1100).chain((0..1000).flat_map(|_| [1, 2, 3, 2, 5])).collect();
        assert_eq!(of(&steps(run.iter().copied())), Some(5));
        assert_eq!(of(&steps(run.into_iter().take(2000))), None);
    }

    #[test]
    fn a_loop_inside_a_round_is_not_the_round() {
        let round = || [7].into_iter().chain((0..500).flat_map(|_| [1, 2])).chain([8]);
        let run: Vec<u64> = (0..8).flat_map(|_| round()).collect();
        assert_eq!(of(&steps(run)), Some(1002));
    }

    #[test]
    fn a_round_begins_where_the_loop_does() {
        let function = |address| Some(address / 10);
        let round = steps([14, 5, 6, 15, 10, 11, 12, 13]);
        assert_eq!(from_loop_head(&round, 0, function), steps([10, 11, 12, 13, 14, 5, 6, 15]));
        assert_eq!(from_loop_head(&round, 1, function), round);
    }
}
