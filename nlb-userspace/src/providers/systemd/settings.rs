//! What a template says of units, and the unit that a launch makes of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;
use zbus::zvariant::Value;

use super::bus::Place;
use super::properties::properties;
use crate::autoscale::model::LaunchTemplate;
use crate::providers::pool::Pool;
use crate::providers::settings::Settings;
use crate::providers::{Launch, ProviderError};

/// Seconds that a unit has to end by itself.
const STOP: u64 = 10;

/// Connects a unit's own namespace to a bridge of the manager's. `$1` names the bridge's end of the cable, `$2` the bridge, `$3` is
/// address and prefix, `$4` the router or nothing, `$5` `nodad` or nothing.
const CONNECT: &str = r#"
ip link delete eth0 2>/dev/null || :
ip link add eth0 type veth peer name "$1" netns 1
nsenter --net=/proc/1/ns/net ip link set "$1" master "$2" up
ethtool -K eth0 tx off tso off gso off
ip link set lo up
ip link set eth0 up
ip address add "$3" dev eth0 $5
[ -z "$4" ] || ip route add default via "$4"
"#;

/// A template's settings, checked.
#[derive(Clone, Debug)]
pub(super) struct UnitSettings {
    /// Where the manager is.
    pub(super) bus: Place,
    /// Instances' addresses.
    pub(super) pool: Pool,
    /// How long a unit that is told to end may take.
    pub(super) stop_timeout: Duration,
    /// Program and arguments, in which `{address}` and `{port}` stand for the instance's own.
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    /// What units are connected to; `None` when the addresses are the manager's own.
    bridge: Option<String>,
    gateway: Option<IpAddr>,
    properties: Vec<(String, Value<'static>)>,
}

impl UnitSettings {
    /// What `template` says.
    pub(super) fn of(template: &LaunchTemplate) -> Result<Self, ProviderError> {
        let settings = Settings(template);
        settings.only(&[
            "addresses",
            "bridge",
            "bus",
            "command",
            "environment",
            "gateway",
            "properties",
            "stop_timeout",
        ])?;
        settings.serves_a_port("a unit")?;
        let bus = settings.text("bus")?.unwrap_or("system");
        let place = Place::parse(bus).ok_or_else(|| {
            let right = "give \"system\", or a bus's socket as \"unix:path=/run/dbus/system_bus_socket\"";
            settings.wrong("bus", format!("is {bus:?}: {right}"))
        })?;
        let bridge = settings.text("bridge")?;
        let gateway = settings.address("gateway")?;
        if gateway.is_some() && bridge.is_none() {
            return Err(settings.wrong("gateway", "is of no use without `bridge`: give both, or none"));
        }
        Ok(Self {
            bus: place,
            pool: settings.pool("addresses")?,
            stop_timeout: settings.seconds("stop_timeout", STOP)?,
            command: settings.command("command")?,
            environment: settings.texts("environment")?,
            bridge: bridge.map(str::to_owned),
            gateway,
            properties: properties(settings)?,
        })
    }

    /// The properties of a launch's unit, which is to be called `name`.
    pub(super) fn unit(&self, name: &str, launch: &Launch, address: IpAddr) -> Vec<(String, Value<'static>)> {
        let Launch { group, token, zone, template } = launch;
        let (shown, port) = (address.to_string(), template.port.to_string());
        let place = [
            ("NLB_ADDRESS", shown.clone()),
            ("NLB_GROUP", group.to_string()),
            ("NLB_INSTANCE", token.to_string()),
            ("NLB_PORT", port.clone()),
            ("NLB_ZONE", zone.as_ref().map_or_else(String::new, ToString::to_string)),
        ];
        let own = self.environment.iter().map(|(name, value)| format!("{name}={value}"));
        let environment: Vec<_> = own.chain(place.iter().map(|(name, value)| format!("{name}={value}"))).collect();
        let words = self.command.iter().map(|word| word.replace("{address}", &shown).replace("{port}", &port));
        let mut unit: Vec<(String, Value<'static>)> = vec![
            ("Description".to_owned(), format!("nlb: instance {token} at {address}").into()),
            ("Type".to_owned(), "exec".into()),
            ("Environment".to_owned(), environment.into()),
            ("TimeoutStopUSec".to_owned(), (self.stop_timeout.as_secs() * 1_000_000).into()),
        ];
        unit.extend(self.properties.iter().cloned());
        if let Some(bridge) = &self.bridge {
            let detection = if address.is_ipv6() { "nodad" } else { "" };
            let gateway = self.gateway.map_or_else(String::new, |gateway| gateway.to_string());
            let address = format!("{address}/{}", self.pool.prefix);
            let sh = ["/bin/sh", "-ec", CONNECT, "nlb-connect", &cable(name), bridge, &address, &gateway, detection];
            unit.push(("PrivateNetwork".to_owned(), true.into()));
            unit.push(("ExecStartPreEx".to_owned(), command(sh.map(str::to_owned).to_vec(), &["privileged"])));
        }
        unit.push(("ExecStartEx".to_owned(), command(words.collect(), &[])));
        unit
    }
}

/// A command as properties have it, of which nothing is replaced.
fn command(words: Vec<String>, flags: &[&str]) -> Value<'static> {
    let flags: Vec<_> = flags.iter().chain(&["no-env-expand"]).map(|flag| (*flag).to_owned()).collect();
    vec![(words[0].clone(), words, flags)].into()
}

/// What the bridge's end of a unit's cable is called: at most 15 letters.
fn cable(unit: &str) -> String {
    format!("nlb{:011x}", xxh3_64(unit.as_bytes()) >> 20)
}
