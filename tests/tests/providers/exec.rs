//! A command of the user's.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use nlb_userspace::autoscale::model::{LaunchTemplate, ProviderKind, TemplateVersion};
use nlb_userspace::providers::{self, ProviderError};
use serde_json::json;

use crate::contract::{Tried, run};

/// A launcher that keeps its instances as files, `GROUP/TOKEN`, in the folder that is its first argument.
const LAUNCHER: &str = r#"#!/bin/sh -eu
dir="$1" call="$2"
input="$(cat)"
field() { printf '%s' "$input" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
first() { printf '%s' "$input" | sed -n 's/.*"ids":\["\([^"]*\)".*/\1/p'; }
group="$dir/$(field group)"
mkdir -p "$group"
case "$call" in
    launch)
        token="$(field token)"
        if [ ! -e "$group/$token" ]; then
            last="$(cat "$dir/last" 2>/dev/null || echo 0)"
            echo $((last + 1)) > "$dir/last"
            echo "running 10.0.0.$((last + 1))" > "$group/$token"
        fi
        printf '{"id":"%s"}' "$token" ;;
    list)
        separator=
        printf '{"instances":['
        for file in "$group"/*; do
            [ -e "$file" ] || continue
            read -r state address < "$file"
            token="${file##*/}"
            printf '%s{"id":"%s","token":"%s","address":"%s","state":{"kind":"%s"}}' \
                "$separator" "$token" "$token" "$address" "$state"
            separator=,
        done
        printf ']}' ;;
    terminate) rm -f "$group/$(first)" ;;
    stop) sed -i s/running/stopped/ "$group/$(field id)" ;;
    start) sed -i s/stopped/running/ "$group/$(field id)" ;;
esac
"#;

fn script(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

fn template(command: &[&Path], timeout: u64) -> Result<LaunchTemplate> {
    let version = TemplateVersion { name: "web".parse()?, version: 1 };
    let settings = json!({ "command": command, "timeout": timeout });
    let settings = settings.as_object().cloned().unwrap_or_default();
    Ok(LaunchTemplate { version, provider: ProviderKind::Exec, port: 80, settings })
}

#[test]
fn a_launcher_holds_to_the_contract() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let launcher = script(dir.path(), "launcher", LAUNCHER)?;
    let template = template(&[&launcher, &dir.path().join("instances")], 30)?;
    fs::create_dir(dir.path().join("instances"))?;
    let provider = providers::open(&template, dir.path())?;
    run(Tried { provider: &*provider, template: &template }.holds())
}

#[test]
fn how_a_launcher_ends_says_what_is_wrong() -> Result<()> {
    let dir = tempfile::tempdir()?;
    type Is = fn(&ProviderError) -> bool;
    let cases: [(&str, &str, Is, &str); 7] = [
        ("room", "echo full >&2; exit 75", |error| matches!(error, ProviderError::Capacity(_)), "full"),
        ("settings", "echo no image >&2; exit 64", |error| matches!(error, ProviderError::Settings { .. }), "no image"),
        ("cannot", "exit 69", |error| matches!(error, ProviderError::Unsupported(_)), "list"),
        (
            "breaks",
            "echo out of order >&2; exit 1",
            |error| matches!(error, ProviderError::Unavailable { .. }),
            "order",
        ),
        ("silent", "kill -9 $$", |error| matches!(error, ProviderError::Unavailable { .. }), "signal"),
        ("babbles", "echo hello", |error| matches!(error, ProviderError::Unavailable { .. }), "not understood"),
        ("hangs", "exec sleep 1000", |error| matches!(error, ProviderError::TimedOut { .. }), "no answer within 1s"),
    ];
    for (name, body, is_right, words) in cases {
        let launcher = script(dir.path(), name, &format!("#!/bin/sh\n{body}\n"))?;
        let provider = providers::open(&template(&[&launcher], 1)?, dir.path())?;
        run(async {
            let error = provider.list(&"web".parse()?).await.expect_err("it can't succeed");
            ensure!(is_right(&error) && error.to_string().contains(words), "{name}: {error}");
            Ok(())
        })?;
    }
    Ok(())
}
