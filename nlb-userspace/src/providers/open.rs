//! Which provider a template asks for.

use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "docker")]
use super::docker::Docker;
#[cfg(feature = "ec2")]
use super::ec2::Ec2;
use super::exec::Exec;
#[cfg(feature = "kubernetes")]
use super::kubernetes::Kubernetes;
use super::process::Processes;
#[cfg(feature = "systemd")]
use super::systemd::Systemd;
use super::webhook::Webhook;
use super::{Provider, ProviderError};
use crate::autoscale::model::{LaunchTemplate, ProviderKind};

/// What is wrong with a template, before anything is launched from it. Nobody is asked, and no file is read.
pub fn check(template: &LaunchTemplate) -> Result<(), ProviderError> {
    open(template, Path::new("")).map(drop)
}

/// The provider that launches from `template`. What it has to remember it keeps below `directory`, which may not be there yet.
/// It connects to nothing before its first call.
pub fn open(template: &LaunchTemplate, directory: &Path) -> Result<Arc<dyn Provider>, ProviderError> {
    Ok(match template.provider {
        ProviderKind::Process => Arc::new(Processes::new(template, directory.join("processes"))?),
        ProviderKind::Exec => Arc::new(Exec::provider(template)?),
        ProviderKind::Webhook => Arc::new(Webhook::provider(template)?),
        #[cfg(feature = "docker")]
        ProviderKind::Docker => Arc::new(Docker::new(template)?),
        #[cfg(feature = "kubernetes")]
        ProviderKind::Kubernetes => Arc::new(Kubernetes::provider(template)?),
        #[cfg(feature = "ec2")]
        ProviderKind::Ec2 => Arc::new(Ec2::provider(template)?),
        #[cfg(feature = "systemd")]
        ProviderKind::Systemd => Arc::new(Systemd::new(template)?),
        #[cfg(not(all(feature = "docker", feature = "ec2", feature = "kubernetes", feature = "systemd")))]
        missing => return Err(ProviderError::NotBuiltIn(missing)),
    })
}
