//! Control messages between real hosts and a VIP.

use anyhow::{Result, ensure};
use nlb_tests::lab::{NginxOptions, Options, Service, VIP_V4, VIP_V6, web_and_dns};

#[test]
fn a_vip_answers_to_ping_without_any_loss() -> Result<()> {
    let service = Service::start(Options::default(), NginxOptions::default(), web_and_dns())?;
    let client = service.lab.client();
    for vip in [VIP_V4.to_string(), VIP_V6.to_string()] {
        for payload in ["0", "56", "1400"] {
            let said = client.run("ping", ["-n", "-c", "20", "-i", "0.01", "-W", "2", "-s", payload, &vip])?.stdout;
            ensure!(said.contains(" 20 received, 0% packet loss"), "{vip} with {payload} bytes: {said}");
        }
    }
    Ok(())
}
