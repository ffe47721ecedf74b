//! Which provider a template asks for.

use std::path::Path;
use std::sync::Arc;

use super::exec::Exec;
use super::process::Processes;
use super::{Provider, ProviderError};
use crate::autoscale::model::{LaunchTemplate, ProviderKind};

/// Whether there is a provider of this kind.
pub const fn is_available(kind: ProviderKind) -> bool {
    matches!(kind, ProviderKind::Process | ProviderKind::Exec)
}

/// The provider that launches from `template`. What it has to remember it keeps below `directory`, which may not be there yet.
pub fn open(template: &LaunchTemplate, directory: &Path) -> Result<Arc<dyn Provider>, ProviderError> {
    let provider: Arc<dyn Provider> = match template.provider {
        ProviderKind::Process => Arc::new(Processes::new(directory.join("processes"))),
        ProviderKind::Exec => Arc::new(Exec::new(template)?),
        ProviderKind::Systemd
        | ProviderKind::Webhook
        | ProviderKind::Docker
        | ProviderKind::Kubernetes
        | ProviderKind::Ec2 => {
            return Err(ProviderError::Unsupported("launch anything: this agent has no such provider"));
        }
    };
    provider.check(template)?;
    Ok(provider)
}
