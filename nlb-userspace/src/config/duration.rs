//! Durations as people write them: `500ms`, `5s`, `1m30s`.

use std::time::Duration;

use super::reader::Complaint;

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// The duration that `text` says: whole numbers, each with its unit `ms`, `s`, `m` or `h`.
pub fn parse(text: &str) -> Result<Duration, Complaint> {
    let complaint = || {
        let help = match text.trim().parse::<f64>() {
            Ok(_) => format!("give it a unit: \"{}s\", or ms, m, h", text.trim()),
            Err(_) => "write it like \"500ms\", \"5s\" or \"1m30s\"".to_owned(),
        };
        Complaint::new(format!("is no duration: {text:?}")).help(help)
    };

    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(complaint)?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let number: u64 = number.parse().map_err(|_| complaint())?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(complaint)?;
        total = number.checked_mul(*factor).and_then(|part| total.checked_add(part)).ok_or_else(complaint)?;
        rest = tail;
    }
    if text.is_empty() { Err(complaint()) } else { Ok(Duration::from_millis(total)) }
}

/// As [`parse`] reads it, in the largest unit that is exact. What is below a millisecond is left out.
pub fn show(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let (name, factor) =
        UNITS.iter().rev().find(|(_, factor)| millis.is_multiple_of((*factor).into())).unwrap_or(&UNITS[0]);
    format!("{}{name}", millis / u128::from(*factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let cases = [
            ("500ms", 500),
            ("5s", 5_000),
            ("1m", 60_000),
            ("1m30s", 90_000),
            ("2h", 7_200_000),
            ("1s500ms", 1_500),
            ("0s", 0),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "5 s", "-5s", "1.5s", "5sec", "5s5", "99999999999999999999s", "9999999999999999999h"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_alone_is_told_to_take_a_unit() {
        assert_eq!(parse("5").unwrap_err().help.unwrap(), "give it a unit: \"5s\", or ms, m, h");
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_reads_as_the_same(millis in proptest::prelude::any::<u32>()) {
            let duration = Duration::from_millis(millis.into());
            proptest::prop_assert_eq!(parse(&show(duration)), Ok(duration));
        }
    }
}
