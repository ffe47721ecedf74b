//! The target, and the one that packets name besides.

use nlb_common::drop_reason::DropReason;
use nlb_common::slot::{Slot, TargetIndex};

use super::{End, Story, Verdict};
use crate::control::snapshot::{GroupState, TargetState};

impl Story<'_> {
    pub(super) fn target<'s>(&mut self, group: &'s GroupState, index: TargetIndex) -> Result<&'s TargetState, End> {
        let Some(target) = group.targets.iter().find(|target| index != 0 && target.index == index) else {
            let why = if index == 0 { "the slot names no target".to_owned() } else { format!("no target {index}") };
            self.step("target", format!("{why}: dropped as `{}`", DropReason::NoTarget.name()));
            return Err((Verdict::Dropped, format!("dropped: group `{}` has no target to give", group.name)));
        };
        self.told.target = Some(target.key.socket().to_string());
        let share = 100.0 * f64::from(target.slots) / u32::try_from(group.ring.len()).map_or(1.0, f64::from);
        self.step(
            "target",
            format!(
                "{} (entry {index}, weight {}, {share:.1} % of the ring), {}: {}",
                target.key.socket(),
                target.target.weight.get(),
                crate::api::dto::Health::from(target.health),
                target.reason
            ),
        );
        Ok(target)
    }

    /// The target that packets after the first name besides the one that they go to.
    pub(super) fn second_chance(&mut self, group: &GroupState, slot: Slot, target: &TargetState) {
        let other = if target.index == slot.current() { slot.previous() } else { slot.current() };
        let known = group.targets.iter().find(|known| other != target.index && known.index == other);
        let text = match known {
            None => "none: the slot knows no other target".to_owned(),
            Some(second) => {
                let name = second.key.socket();
                let is_cut = second.draining.is_some_and(|draining| draining.cutting);
                if !second.serves || is_cut {
                    format!("none: the slot's other target, {name}, serves no more")
                } else if second.next_hop.is_err() {
                    format!("none: there is no way to the slot's other target, {name}")
                } else if second.key.address.is_ipv4() != target.key.address.is_ipv4() {
                    format!("none: the slot's other target, {name}, is of the other family")
                } else {
                    format!(
                        "all packets but a SYN name {name}: there they go on if {} has no such connection",
                        target.key.socket()
                    )
                }
            }
        };
        self.step("second chance", text);
    }
}
