//! The manager's D-Bus interface, as far as it is needed (org.freedesktop.systemd1(5)).

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;
use zbus::connection::Builder;
use zbus::zvariant::{DynamicType, OwnedObjectPath, OwnedValue, Value};
use zbus::{Address, Connection, Error, Message};

use crate::providers::ProviderError;

const SERVICE: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// How long one call may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The manager's own socket, where no bus is between. It names itself there as only a bus may, which `zbus` 5 doesn't take.
const OWN_SOCKET: &str = "/systemd/private";

/// Where the manager is reached.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// By the system's bus.
    System,
    /// By a bus at a socket.
    Socket(Address),
}

impl Place {
    /// What a text of the settings names; `None` when it names none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "system" => Some(Self::System),
            _ if text.starts_with("unix:path=/") && !text.ends_with(OWN_SOCKET) => text.parse().ok().map(Self::Socket),
            _ => None,
        }
    }

    fn builder(&self) -> Result<Builder<'static>, Error> {
        match self {
            Self::System => Builder::system(),
            Self::Socket(address) => Builder::address(address.clone()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("the system's bus"),
            Self::Socket(address) => address.fmt(f),
        }
    }
}

/// A unit of a list.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) name: String,
    /// `loaded`, `not-found`, …
    pub(super) load: String,
    /// `active`, `activating`, …
    pub(super) active: String,
    pub(super) path: OwnedObjectPath,
    /// What is queued for it: `start`, `stop`, …; empty when nothing is.
    pub(super) job: String,
}

/// Name, description, load, active and sub state, what it follows, path, job's number, type and path.
type Row = (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// A connection to the manager.
#[derive(Debug)]
pub(super) struct Bus {
    connection: Connection,
}

impl Bus {
    /// Connects.
    pub(super) async fn connect(place: &Place) -> Result<Self, ProviderError> {
        let what = format!("connect to systemd by {place}");
        let connect = async { place.builder()?.method_timeout(LIMIT).build().await };
        let connected = timeout(LIMIT, connect).await;
        let connected = connected.map_err(|_| ProviderError::TimedOut { what: what.clone(), limit: LIMIT })?;
        Ok(Self { connection: connected.map_err(|error| failed(&what, &error))? })
    }

    /// The units whose names fit a pattern.
    pub(super) async fn list(&self, pattern: &str) -> Result<Vec<Listed>, ProviderError> {
        let states: [&str; 0] = [];
        let answer = self.manage("ListUnitsByPatterns", &(&states[..], &[pattern][..])).await;
        let rows: Result<Vec<Row>, _> = answer.and_then(|answer| answer.body().deserialize());
        let rows = rows.map_err(|error| failed("list units", &error))?;
        let listed = |(name, _, load, active, _, _, path, _, job, _): Row| Listed { name, load, active, path, job };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// A property of the interface `kind` of a unit; `None` when the unit is gone.
    pub(super) async fn property<T>(&self, unit: &Listed, kind: &str, name: &str) -> Result<Option<T>, ProviderError>
    where
        T: TryFrom<OwnedValue>,
    {
        let of = format!("{SERVICE}.{kind}");
        let answer = self.call(unit.path.as_str(), PROPERTIES, "Get", &(of.as_str(), name)).await;
        let what = || format!("get {name} of {}", unit.name);
        let value: OwnedValue = match answer.and_then(|answer| answer.body().deserialize()) {
            Ok(value) => value,
            Err(error) if is(&error, "systemd1.NoSuchUnit") || is(&error, "DBus.Error.UnknownObject") => {
                return Ok(None);
            }
            Err(error) => return Err(failed(&what(), &error)),
        };
        value.try_into().map(Some).map_err(|_| ProviderError::Unavailable {
            what: what(),
            reason: "it is of another type than expected".to_owned(),
        })
    }

    /// Starts a unit that there is none of yet.
    pub(super) async fn start(&self, name: &str, properties: &[(String, Value<'_>)]) -> Result<(), Error> {
        let others: [(&str, &[(&str, Value<'_>)]); 0] = [];
        self.manage("StartTransientUnit", &(name, "fail", properties, &others[..])).await.map(drop)
    }

    /// Stops a unit, which may be gone.
    pub(super) async fn stop(&self, name: &str) -> Result<(), ProviderError> {
        self.order("StopUnit", name, &(name, "replace")).await
    }

    /// Forgets a unit that failed, which may be gone.
    pub(super) async fn forget(&self, name: &str) -> Result<(), ProviderError> {
        self.order("ResetFailedUnit", name, &name).await
    }

    async fn order<B: Serialize + DynamicType>(&self, method: &str, name: &str, body: &B) -> Result<(), ProviderError> {
        match self.manage(method, body).await {
            Err(error) if !is(&error, "systemd1.NoSuchUnit") => Err(failed(&format!("{method} {name}"), &error)),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    async fn manage<B: Serialize + DynamicType>(&self, method: &str, body: &B) -> Result<Message, Error> {
        self.call(PATH, MANAGER, method, body).await
    }

    async fn call<B>(&self, path: &str, interface: &str, method: &str, body: &B) -> Result<Message, Error>
    where
        B: Serialize + DynamicType,
    {
        self.connection.call_method(Some(SERVICE), path, Some(interface), method, body).await
    }
}

/// Whether an answer is the error of that name, without its `org.freedesktop.`.
pub(super) fn is(error: &Error, name: &str) -> bool {
    let Error::MethodError(found, ..) = error else { return false };
    found.as_str().strip_prefix("org.freedesktop.") == Some(name)
}

/// What an error means that is nothing special.
pub(super) fn failed(what: &str, error: &Error) -> ProviderError {
    match error {
        Error::InputOutput(error) if error.kind() == ErrorKind::TimedOut => {
            ProviderError::TimedOut { what: what.to_owned(), limit: LIMIT }
        }
        Error::MethodError(_, Some(told), _) if is(error, "DBus.Error.LimitsExceeded") => {
            ProviderError::Capacity(told.clone())
        }
        _ => ProviderError::Unavailable { what: what.to_owned(), reason: told(error) },
    }
}

/// What an error says for people.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::MethodError(_, Some(told), _) => told.clone(),
        _ => error.to_string(),
    }
}
