//! `[autoscaling_group.template]`.

use toml::Spanned;

use crate::autoscale::model::{LaunchTemplate, ProviderKind, TemplateVersion};
use crate::config::error::Reported;
use crate::config::reader::{Complaint, Table};
use crate::model::Name;
use crate::providers::{self, ProviderError};

/// Reads the template of the group in `table`, which is called as the group is. Which version it is, the engine finds out; what its
/// settings mean, the provider.
pub(super) fn template(table: &Table<'_>, group: Option<&Spanned<Name>>) -> Result<LaunchTemplate, Reported> {
    let Some(template) = table.table("template")? else {
        let complaint = Complaint::new("`[[autoscaling_group]]` needs `[autoscaling_group.template]`");
        return Err(
            table.wrong(complaint.help("add it with `provider = \"process\"`: what launches instances, and how"))
        );
    };
    let kinds = ProviderKind::ALL.map(|kind| (kind.as_str(), kind));
    let provider = template.require("provider").and_then(|value| value.one_of(&kinds));
    let port = template.optional("port", |value| value.integer(0..=u16::MAX));
    let settings = template.optional("settings", |value| value.json_table());
    let (provider, port, settings) = (provider?, port?.unwrap_or_default(), settings?.unwrap_or_default());
    // Without a name the group is refused anyway.
    let name = group.map(|name| name.get_ref().clone());
    let name = name.or_else(|| "group".parse().ok()).expect("it is a name");
    let read = LaunchTemplate { version: TemplateVersion { name, version: 1 }, provider, port, settings };
    providers::check(&read).map_err(|error| wrong(&template, error))?;
    Ok(read)
}

/// Notes what a provider has against its settings, or that there is no such provider.
fn wrong(template: &Table<'_>, error: ProviderError) -> Reported {
    let (key, problem) = match error {
        ProviderError::Settings { key, problem, .. } => (key, problem),
        other => ("provider".to_owned(), format!("can't be used: {other}")),
    };
    template.wrong_at(&template.place(&key), Complaint::new(format!("`{key}` {problem}")))
}
