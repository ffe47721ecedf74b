//! `nlb asg explain` and `nlb asg activity`.

use super::super::render::{Cell, Style, Table, Tone, age};
use super::measured::{figure, measured};
use crate::api::dto::{ActivityStatus, ActivityView, ExplanationView, Moment};

/// Why the capacity is what it is: what each policy wants, what won, what was measured, what holds the group back.
pub fn explanation(explanation: &ExplanationView, now: Moment, style: Style) -> String {
    let ExplanationView { name, desired, min, max, serving, warming, .. } = explanation;
    let mut text = format!("{name}: capacity {desired} ({min} to {max}); {serving} serve, {warming} warm up\n");
    if let Some(change) = &explanation.last_change {
        let ago = age(now.since(change.at));
        text.push_str(&format!("last change: {} to {}, {ago} ago, by {}\n", change.from, change.to, change.cause));
    }
    if explanation.policies.is_empty() {
        text.push_str("no policies: the capacity is what people and schedules make it\n");
    } else {
        let mut table = Table::new(&["POLICY", ">FIGURE", ">TARGET", "WISH"]);
        for policy in &explanation.policies {
            let won = explanation.won.as_ref() == Some(&policy.policy);
            let tone = if won { Tone::Good } else { Tone::Dim };
            table.row([
                policy.policy.as_str().into(),
                policy.figure.map_or_else(String::new, figure).into(),
                figure(policy.target).into(),
                Cell::toned(tone, policy.wish.as_str()),
            ]);
        }
        text.push('\n');
        text.push_str(&table.render(style));
    }
    text.push_str(&measured(explanation.measured.as_ref(), now, style));
    if !explanation.held.is_empty() {
        text.push('\n');
    }
    for held in &explanation.held {
        text.push_str(&format!("{} {held}\n", style.paint(Tone::Warn, "held back:")));
    }
    text
}

/// What a group did and why, a line each.
pub fn activities(activities: &[ActivityView], now: Moment, style: Style) -> String {
    if activities.is_empty() {
        return "nothing was done yet\n".to_owned();
    }
    let mut table = Table::new(&["AGO", "STATUS", ">TOOK", "WHAT", "CAUSE"]);
    for activity in activities {
        let tone = match activity.status {
            ActivityStatus::Successful => Tone::Good,
            ActivityStatus::Failed => Tone::Bad,
            ActivityStatus::InProgress => Tone::Bold,
            ActivityStatus::Cancelled => Tone::Dim,
        };
        let took = match activity.ended {
            Some(ended) => age(ended.since(activity.began)),
            None => format!("{}%", activity.progress),
        };
        table.row([
            age(now.since(activity.began)).into(),
            Cell::toned(tone, style.marked(tone, activity.status.text())),
            took.into(),
            activity.description.as_str().into(),
            Cell::toned(Tone::Dim, activity.cause.as_str()),
        ]);
    }
    table.render(style)
}
