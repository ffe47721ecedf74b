//! The shortest packet that still does it.

/// Makes `frame` shorter and plainer for as long as `differs` says that it still does.
pub fn shrink(frame: &[u8], mut differs: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    let mut best = frame.to_vec();
    let mut step = best.len().next_power_of_two();
    while step > 0 {
        let shorter = best.len().saturating_sub(step);
        if shorter >= 14 && differs(&best[..shorter]) {
            best.truncate(shorter);
        } else {
            step /= 2;
        }
    }
    for at in 0..best.len() {
        if best[at] != 0 {
            let byte = std::mem::take(&mut best[at]);
            if !differs(&best) {
                best[at] = byte;
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_stays_but_what_it_takes() {
        let frame: Vec<u8> = (1..=200).collect();
        let differs = |frame: &[u8]| frame.len() >= 60 && frame[31] == 32;
        let shrunk = shrink(&frame, differs);
        assert_eq!(shrunk.len(), 60);
        assert_eq!(shrunk.iter().filter(|byte| **byte != 0).count(), 1);
    }
}
