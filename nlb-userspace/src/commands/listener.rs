//! `nlb listener list`, `show` and `set-weight`.

use super::output::Output;
use super::render::{Cell, Style, Table};
use super::{CommandError, target, target_group};
use crate::api::client::Client;
use crate::api::dto::{ListenerDetail, ListenerView, Moment, SetShare, SetShares};
use crate::args::Listener;

/// Shows or changes listeners.
pub(super) async fn run(client: &Client, output: &Output, command: Listener) -> Result<(), CommandError> {
    match command {
        Listener::List => output.show(&client.listeners().await?, |listeners, style| list(listeners, style)),
        Listener::Show { name } => {
            output.show(&client.listener(&name).await?, |shown, style| detail(shown, Moment::now(), style))
        }
        Listener::SetWeight { name, shares } => {
            let told: Vec<_> = shares.iter().map(ToString::to_string).collect();
            let wanted = SetShares { shares: shares.into_iter().map(SetShare::from).collect() };
            let report = client.set_shares(&name, &wanted).await?;
            output.show(&report, |report, _| {
                let what = format!("weights {} for", told.join(", "));
                target::moved(&what, &report.listener, report.ring.as_ref())
            })
        }
    }
}

/// Listeners, a line each.
pub fn list(listeners: &[ListenerView], style: Style) -> String {
    if listeners.is_empty() {
        return "no listeners: the configuration has no [[listener]]\n".to_owned();
    }
    let mut table = Table::new(&["LISTENER", "PROTOCOL", "ADDRESS", ">PORT", "TARGET GROUP", "HEALTHY", "ROUTING"]);
    for listener in listeners {
        table.row([
            listener.name.as_str().into(),
            listener.protocol.text().into(),
            listener
                .prefix_length
                .map_or_else(|| listener.address.to_string(), |length| format!("{}/{length}", listener.address))
                .into(),
            listener.port.to_string().into(),
            listener.target_group.as_str().into(),
            target_group::healthy(listener.healthy, listener.total),
            target_group::routing(listener.routing, style),
        ]);
    }
    table.render(style)
}

/// A listener with its groups.
pub fn detail(ListenerDetail { listener, target_groups }: &ListenerDetail, now: Moment, style: Style) -> String {
    let address = crate::model::place(listener.address, listener.prefix_length, &listener.port);
    let mut head = Table::new(&["LISTENER", "PROTOCOL", "ADDRESS"]);
    let cells: [Cell; 3] = [listener.name.as_str().into(), listener.protocol.text().into(), address.into()];
    head.row(cells);
    let mut parts = vec![head.render(style)];
    if !listener.shares.is_empty() {
        let mut shares = Table::new(&["TARGET GROUP", ">WEIGHT", ">SLOTS"]);
        for share in &listener.shares {
            let weight = Cell::overriding(share.weight, share.file_weight);
            let cells: [Cell; 3] = [share.target_group.as_str().into(), weight, share.slots.to_string().into()];
            shares.row(cells);
        }
        parts.push(shares.render(style));
    }
    parts.extend(target_groups.iter().map(|group| target_group::detail(group, now, style)));
    parts.join("\n")
}
