//! Why a group's capacity is what it is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::MeasuredView;
use crate::api::dto::Moment;
use crate::autoscale::policy::{Want, Wish};
use crate::autoscale::runtime::View;

/// How a group's capacity came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplanationView {
    /// The group.
    pub name: String,
    /// When it was last decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// The capacity that it is to have.
    pub desired: u32,
    /// The least capacity in force.
    pub min: u32,
    /// The greatest.
    pub max: u32,
    /// Instances that metrics are of.
    pub serving: u32,
    /// Instances that warm up.
    pub warming: u32,
    /// The last change of the capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_change: Option<LastChangeView>,
    /// What each policy wants, in the configuration's order.
    pub policies: Vec<WishView>,
    /// The policy whose wish came true, if one did just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub won: Option<String>,
    /// What holds the group back.
    pub held: Vec<String>,
    /// What was last measured for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<MeasuredView>,
}

/// A change of the capacity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastChangeView {
    /// When.
    pub at: Moment,
    /// Why.
    pub cause: String,
    /// The capacity before.
    pub from: u32,
    /// The capacity since.
    pub to: u32,
}

/// What a policy wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WishView {
    /// Its name.
    pub policy: String,
    /// The figure that it goes by; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figure: Option<f64>,
    /// Where the figure should be, or where it begins to act.
    pub target: f64,
    /// The capacity that it wants; absent when it wants no change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// The same for people.
    pub wish: String,
}

impl ExplanationView {
    /// That of the group that `view` shows.
    pub fn of(view: &View) -> Self {
        let (engine, explanation) = (&view.engine, view.engine.explanation(view.at));
        let decision = explanation.as_ref().map(|explanation| &explanation.decision);
        let held = explanation.iter().flat_map(|explanation| explanation.decision.held.iter().chain(&explanation.held));
        let last_change = explanation.as_ref().and_then(|explanation| explanation.last_change.as_ref());
        Self {
            name: engine.group().name.to_string(),
            at: explanation.as_ref().map(|explanation| explanation.at.into()),
            desired: engine.desired(),
            min: engine.bounds().min,
            max: engine.bounds().max,
            serving: explanation.as_ref().map_or(0, |explanation| explanation.serving),
            warming: explanation.as_ref().map_or(0, |explanation| explanation.warming),
            last_change: last_change.map(|change| LastChangeView {
                at: change.at.into(),
                cause: change.cause.to_string(),
                from: change.from,
                to: change.to,
            }),
            policies: decision.iter().flat_map(|decision| &decision.wishes).map(WishView::from).collect(),
            won: decision.and_then(|decision| decision.won.as_ref()).map(ToString::to_string),
            held: held.map(ToString::to_string).chain(view.trouble.clone()).collect(),
            measured: MeasuredView::of(view),
        }
    }
}

impl From<&Wish> for WishView {
    fn from(wish: &Wish) -> Self {
        let capacity = match wish.want {
            Want::Out { capacity } | Want::In { capacity } => Some(capacity),
            Want::Keep { .. } => None,
        };
        Self {
            policy: wish.policy.to_string(),
            figure: wish.figure,
            target: wish.target,
            capacity,
            wish: wish.want.to_string(),
        }
    }
}
