//! `nlb listener list` and `nlb listener show`.

use super::output::Output;
use super::render::{Cell, Style, Table};
use super::{CommandError, target_group};
use crate::api::client::Client;
use crate::api::dto::{ListenerDetail, ListenerView, Moment};
use crate::args::Listener;

/// Shows listeners.
pub(super) async fn run(client: &Client, output: &Output, command: Listener) -> Result<(), CommandError> {
    match command {
        Listener::List => output.show(&client.listeners().await?, |listeners, style| list(listeners, style)),
        Listener::Show { name } => {
            output.show(&client.listener(&name).await?, |shown, style| detail(shown, Moment::now(), style))
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
            listener.address.to_string().into(),
            listener.port.to_string().into(),
            listener.target_group.as_str().into(),
            target_group::healthy(listener.healthy, listener.total),
            target_group::routing(listener.routing, style),
        ]);
    }
    table.render(style)
}

/// A listener with its group.
pub fn detail(ListenerDetail { listener, target_group }: &ListenerDetail, now: Moment, style: Style) -> String {
    let address = crate::model::at(listener.address, &listener.port);
    let mut head = Table::new(&["LISTENER", "PROTOCOL", "ADDRESS"]);
    let cells: [Cell; 3] = [listener.name.as_str().into(), listener.protocol.text().into(), address.into()];
    head.row(cells);
    format!("{}\n{}", head.render(style), target_group::detail(target_group, now, style))
}
