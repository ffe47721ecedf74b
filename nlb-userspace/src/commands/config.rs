//! `nlb config check FILE` and `nlb config show`.

use super::CommandError;
use super::output::Output;
use super::render::plural;
use crate::api::client::Client;
use crate::args::Config;
use crate::config::{self, ConfigErrors};
use crate::target_agent;

/// Checks a file, or shows what is in force.
pub(super) async fn run(client: &Client, output: &Output, command: Config) -> Result<(), CommandError> {
    match command {
        Config::Check { file, target: true } => match target_agent::load(&file) {
            Ok(settings) => {
                let counted = serde_json::json!({ "file": file, "problems": [], "vips": settings.vips });
                let vips = plural(settings.vips.len(), "VIP");
                output.show(&counted, |_, _| format!("{} is valid: {vips}\n", file.display()))
            }
            Err(errors) => Err(refused(&errors, *output)?),
        },
        Config::Check { file, target: false } => match config::load(&file) {
            Ok(configuration) => {
                let targets = configuration.groups.iter().map(|group| group.targets.len()).sum();
                let counted = serde_json::json!({
                    "file": file,
                    "problems": [],
                    "listeners": configuration.listeners.len(),
                    "target_groups": configuration.groups.len(),
                    "targets": targets,
                });
                output.show(&counted, |_, _| {
                    format!(
                        "{} is valid: {}, {}, {}\n",
                        file.display(),
                        plural(configuration.listeners.len(), "listener"),
                        plural(configuration.groups.len(), "target group"),
                        plural(targets, "target")
                    )
                })
            }
            Err(errors) => Err(refused(&errors, *output)?),
        },
        Config::Show => output.show(&client.config().await?, |config, _| config.text.clone()),
    }
}

fn refused(errors: &ConfigErrors, output: Output) -> Result<CommandError, CommandError> {
    if output.is_json() {
        output.show(&serde_json::json!({ "problems": errors.to_json() }), |_, _| String::new())?;
    } else {
        let cause = std::error::Error::source(errors).map_or_else(String::new, |cause| format!(": {cause}"));
        eprintln!("{errors}{cause}");
    }
    Ok(CommandError::Shown)
}
