//! The API on its Unix socket: who may connect, and who may take the socket's place.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use axum::Router;
use nix::unistd::{Gid, Group, chown};
use tokio::net::{UnixListener, UnixStream};

use super::routes::{self, Served};
use crate::agent::Handle;
use crate::autoscale::runtime as scaling;

/// The group whose members may use the API, when it exists.
pub const GROUP: &str = "nlb";

/// Owner and group may connect.
const MODE: u32 = 0o660;

/// Why the API can't be served.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Another agent answers there.
    #[error(
        "another agent answers on {}: stop it (systemctl stop nlb-agent), or give this one another `agent.socket`",
        .0.display()
    )]
    InUse(PathBuf),
    /// Something else is there.
    #[error("{} is there and is no socket: remove it, or set another `agent.socket`", .0.display())]
    NotASocket(PathBuf),
    /// The socket can't be made.
    #[error("the socket {} can't be made: {source}; its directory must exist or be creatable, and writable", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The API, bound to its socket and not yet answering.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Binds the socket at `path`. A stale one, on which nobody answers, is replaced.
    pub async fn bind(path: &Path) -> Result<Self, ServerError> {
        let failed = |source| ServerError::Io { path: path.to_owned(), source };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        clear(path).await?;
        // The mode is set before anybody can connect: what is bound under another name is not found.
        let hidden = path.with_extension(format!("{}.new", std::process::id()));
        let listener = UnixListener::bind(&hidden).map_err(failed)?;
        let made = restrict(&hidden).and_then(|()| std::fs::rename(&hidden, path));
        if let Err(source) = made {
            drop(std::fs::remove_file(&hidden));
            return Err(failed(source));
        }
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers until `stop` is done, then takes the socket away.
    pub async fn serve(
        self,
        agent: Handle,
        scaling: scaling::Handle,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), ServerError> {
        let router = router(Served { agent, scaling });
        let served = tokio::select! {
            served = async { axum::serve(self.listener, router).await } => served,
            () = stop => Ok(()),
        };
        drop(std::fs::remove_file(&self.path));
        served.map_err(|source| ServerError::Io { path: self.path, source })
    }
}

/// The routes, answering for what is `served`.
fn router(served: Served) -> Router {
    Router::from(routes::all())
        .fallback(routes::unknown_path)
        .method_not_allowed_fallback(routes::wrong_method)
        .with_state(served)
}

async fn clear(path: &Path) -> Result<(), ServerError> {
    let failed = |source| ServerError::Io { path: path.to_owned(), source };
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    if !found.file_type().is_socket() {
        return Err(ServerError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(ServerError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

fn restrict(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))?;
    let group: Option<Gid> = Group::from_name(GROUP)?.map(|group| group.gid);
    match group {
        // An agent that is neither root nor of the group can't hand its socket to the group, and works without.
        Some(gid) => match chown(path, None, Some(gid)) {
            Ok(()) | Err(nix::errno::Errno::EPERM) => Ok(()),
            Err(error) => Err(error.into()),
        },
        None => Ok(()),
    }
}
