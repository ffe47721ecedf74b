//! How well supply followed demand: the elasticity measures of the SPEC Research Group (Herbst et al., "Ready for Rain? A
//! View from SPEC Research on the Future of Cloud Metrics", 2016), and what it cost.

use serde::Serialize;

/// The measures of one run. Bins of unknown need are left out, but for the cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Measures {
    /// θU: the mean share of need that was missing.
    pub under_share: f64,
    /// θO: the mean excess, as a share of need (of one instance where nothing was needed).
    pub over_share: f64,
    /// τU: the share of time in which instances were missing.
    pub time_under: f64,
    /// τO: the share of time in which there were more than needed.
    pub time_over: f64,
    /// υ: the share of time in which supply and need moved apart.
    pub instability: f64,
    /// Instances, starting ones too, times hours.
    pub instance_hours: f64,
    /// Times that supply fell and rose again within ten minutes.
    pub flaps: u32,
}

impl Measures {
    /// Of `supply` (instances that served) and `billed` (those that were starting too) against `need`, bin by bin, each
    /// so many hours long.
    pub fn of(need: &[Option<u32>], supply: &[u32], billed: &[u32], hours: f64) -> Self {
        let mut measures = Self::default();
        let mut known = 0.0;
        let mut previous: Option<(u32, u32)> = None;
        let mut moves = 0.0;
        for (need, &supply) in need.iter().zip(supply) {
            let Some(need) = *need else {
                previous = None;
                continue;
            };
            known += 1.0;
            let needed = f64::from(need.max(1));
            measures.under_share += f64::from(need.saturating_sub(supply)) / needed;
            measures.over_share += f64::from(supply.saturating_sub(need)) / needed;
            measures.time_under += f64::from(u8::from(need > supply));
            measures.time_over += f64::from(u8::from(need < supply));
            if let Some((need_before, supply_before)) = previous {
                moves += 1.0;
                let apart = need.cmp(&need_before) as i8 * supply.cmp(&supply_before) as i8 == -1;
                measures.instability += f64::from(u8::from(apart));
            }
            previous = Some((need, supply));
        }
        for mean in
            [&mut measures.under_share, &mut measures.over_share, &mut measures.time_under, &mut measures.time_over]
        {
            *mean = if known > 0.0 { *mean / known } else { 0.0 };
        }
        measures.instability = if moves > 0.0 { measures.instability / moves } else { 0.0 };
        measures.instance_hours = billed.iter().map(|&billed| f64::from(billed)).sum::<f64>() * hours;
        measures.flaps = flaps(supply, hours);
        measures
    }
}

/// Falls that a rise follows within ten minutes.
fn flaps(supply: &[u32], hours: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count of bins")]
    let reach = (1.0 / (6.0 * hours) + 1e-9).floor() as usize;
    let falls = (1..supply.len()).filter(|&index| supply[index] < supply[index - 1]);
    let again = falls.filter(|&fall| {
        let soon = &supply[fall..(fall + reach + 1).min(supply.len())];
        soon.windows(2).any(|pair| pair[1] > pair[0])
    });
    u32::try_from(again.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_those_worked_out_by_hand() {
        let need = [Some(2), Some(4), None, Some(4), Some(2), Some(0)];
        let supply = [2, 2, 9, 5, 6, 1];
        let measures = Measures::of(&need, &supply, &supply, 0.5);
        // Bin by bin: even; 2 of 4 missing; unknown; 1 over 4; 4 over 2; 1 over none.
        let expected = Measures {
            under_share: 0.5 / 5.0,
            over_share: (0.25 + 2.0 + 1.0) / 5.0,
            time_under: 1.0 / 5.0,
            time_over: 3.0 / 5.0,
            // Three pairs of known bins: need rises and supply stays; need falls and supply rises; both fall.
            instability: 1.0 / 3.0,
            instance_hours: 12.5,
            flaps: 0,
        };
        assert_eq!(measures, expected);
    }

    #[test]
    fn a_fall_and_a_rise_within_ten_minutes_is_a_flap() {
        for (supply, flaps) in [
            (&[3, 2, 3][..], 1),
            (&[3, 2, 2, 3], 1),
            (&[3, 2, 2, 2, 3], 0),
            (&[2, 3, 3, 2], 0),
            (&[4, 3, 2, 3, 2, 3], 3),
        ] {
            let need = vec![Some(1); supply.len()];
            assert_eq!(Measures::of(&need, supply, supply, 300.0 / 3_600.0).flaps, flaps, "{supply:?}");
        }
    }
}
