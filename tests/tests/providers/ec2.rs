//! EC2 Auto Scaling, as moto's server plays it: AWS's own API, without machines. `scripts/setup.sh --test` installs it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use nlb_userspace::autoscale::model::{LaunchTemplate, ProviderKind, TemplateVersion};
use nlb_userspace::providers::{self, ProviderError};
use serde_json::json;

use crate::contract::{Tried, run};

/// Serves until its input ends, with a group `fleet`. Prints its port.
const SERVER: &str = r#"
import logging, sys, boto3
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
_, port = server.get_host_and_port()
at = dict(endpoint_url=f"http://127.0.0.1:{port}", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
image = boto3.client("ec2", **at).describe_images()["Images"][0]["ImageId"]
scaling = boto3.client("autoscaling", **at)
scaling.create_launch_configuration(LaunchConfigurationName="web", ImageId=image, InstanceType="t3.micro")
scaling.create_auto_scaling_group(AutoScalingGroupName="fleet", LaunchConfigurationName="web", MinSize=0, MaxSize=3,
    DesiredCapacity=0, AvailabilityZones=["eu-central-1a", "eu-central-1b"])
print(port, flush=True)
sys.stdin.read()
"#;

/// A server that runs. It ends with this.
struct Moto {
    child: Child,
    port: u16,
}

impl Moto {
    /// `None` where it isn't installed.
    fn start() -> Result<Option<Self>> {
        let Some(python) = python() else { return Ok(None) };
        let mut child =
            Command::new(python).args(["-c", SERVER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let read = BufReader::new(child.stdout.take().context("it is piped")?).read_line(&mut line);
        let mut moto = Self { child, port: 0 };
        read?;
        moto.port = line.trim().parse().context("moto did not say its port")?;
        Ok(Some(moto))
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // One that has ended by itself is what is wanted.
        self.child.kill().unwrap_or_default();
        drop(self.child.wait());
    }
}

/// The interpreter that has moto.
fn python() -> Option<PathBuf> {
    let tools = PathBuf::from(std::env::var_os("NLB_TOOLS")?);
    Some(tools.join("moto/bin/python")).filter(|python| python.exists())
}

fn template(port: u16, credentials: &Path, group: &str) -> Result<LaunchTemplate> {
    let version = TemplateVersion { name: "web".parse()?, version: 1 };
    let endpoint = format!("http://127.0.0.1:{port}");
    let settings = json!({
        "group": group, "region": "eu-central-1", "endpoint": endpoint, "credentials_file": credentials,
    });
    let settings = settings.as_object().cloned().unwrap_or_default();
    Ok(LaunchTemplate { version, provider: ProviderKind::Ec2, port: 80, settings })
}

#[test]
fn an_auto_scaling_group_holds_to_the_contract() -> Result<()> {
    let Some(moto) = Moto::start()? else {
        eprintln!("SKIPPED: moto's server is not installed: run scripts/setup.sh --test");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let credentials = dir.path().join("credentials");
    fs::write(&credentials, "[default]\naws_access_key_id = a\naws_secret_access_key = b\n")?;
    let template = template(moto.port, &credentials, "fleet")?;
    let provider = providers::open(&template, dir.path())?;
    run(async {
        let tried = Tried { provider: &*provider, template: &template };
        tried.holds().await?;
        for number in 1..=3 {
            tried.launch("web", number).await?;
        }
        // Another agent finds them by their tags.
        let next = providers::open(&template, dir.path())?;
        let tried = Tried { provider: &*next, template: &template };
        ensure!(tried.list("web").await?.len() == 3);
        ensure!(tried.launch("web", 3).await? == tried.list("web").await?[2].id, "a token made another instance");

        let missing = self::template(moto.port, &credentials, "none")?;
        let refused = providers::open(&missing, dir.path())?.list(&"web".parse()?).await.expect_err("no such group");
        let wrong = matches!(&refused, ProviderError::Settings { key, .. } if key == "settings.group");
        ensure!(wrong && refused.to_string().contains("eu-central-1"), "{refused}");
        Ok(())
    })
}

/// A group without instances, of which nothing else can be had than what `failure` answers.
async fn refusing(failure: (StatusCode, &'static str)) -> Result<u16> {
    let answer = async move |body: String| {
        if body.contains("Action=DescribeAutoScalingGroups&") {
            let group =
                "<R><AutoScalingGroups><member><DesiredCapacity>0</DesiredCapacity></member></AutoScalingGroups></R>";
            (StatusCode::OK, group)
        } else if body.contains("Action=DescribeInstances&") {
            (StatusCode::OK, "<R><reservationSet/></R>")
        } else {
            failure
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(axum::serve(listener, Router::new().route("/", post(answer))).into_future());
    Ok(port)
}

#[test]
fn what_aws_answers_says_what_is_wrong() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let credentials = dir.path().join("credentials");
    fs::write(&credentials, "[default]\naws_access_key_id = a\naws_secret_access_key = b\n")?;
    type Is = fn(&ProviderError) -> bool;
    let failed: Is = |error| matches!(error, ProviderError::Unavailable { .. });
    let cases: [(&str, Is, &str); 3] = [
        (
            "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>New SetDesiredCapacity value 1 is above \
             max value 0 for the AutoScalingGroup.</Message></Error></ErrorResponse>",
            |error| matches!(error, ProviderError::Capacity(_)),
            "above max value 0",
        ),
        (
            "<ErrorResponse><Error><Code>AccessDenied</Code><Message>not authorized</Message></Error></ErrorResponse>",
            failed,
            "AccessDenied: not authorized",
        ),
        ("<html>Bad Request", failed, "400 Bad Request: <html>Bad Request"),
    ];
    run(async {
        for (answer, is_right, words) in cases {
            let template = template(refusing((StatusCode::BAD_REQUEST, answer)).await?, &credentials, "fleet")?;
            let provider = providers::open(&template, dir.path())?;
            let tried = Tried { provider: &*provider, template: &template };
            let error = tried.launch("web", 1).await.expect_err("nothing can be had");
            let is_so = error.downcast_ref::<ProviderError>().is_some_and(is_right);
            ensure!(is_so && error.to_string().contains(words), "{error:#}");
        }
        Ok(())
    })
}
