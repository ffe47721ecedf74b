//! Packets through the edge's program on an interface.
mod balancer;
mod lane;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Result;
use nlb_tests::generator::{Sizes, Traffic};

use crate::Settings;
use crate::report::Report;
use balancer::Setup;
use lane::{Arms, Cores, Lane, Work};

pub(crate) const VIP_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
pub(crate) const VIP_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1);
pub(crate) const PORT: u16 = 80;

pub(crate) fn run(settings: Settings, report: &mut Report) -> Result<()> {
    let t = || Traffic::to(SocketAddr::new(VIP_V4.into(), PORT));
    let works = [("drop", Work::Drop, Arms::One), ("floor", Work::Floor, Arms::One), ("floor2", Work::Floor, Arms::Two), ("ours", Work::Balance(Setup::default()), Arms::One), ("ours2", Work::Balance(Setup::default()), Arms::Two)];
    let mut lanes = Vec::new();
    for (n, (name, w, arms)) in works.into_iter().enumerate() {
        let lane = Lane::build(n, w, arms)?;
        let gens = vec![
            ("1", lane.generator(&t())?),
            ("64k", lane.generator(&Traffic { flows: 1 << 16, ..t() })?),
            ("16M", lane.generator(&Traffic { flows: 1 << 24, ..t() })?),
            ("synflood", lane.generator(&Traffic { flows: 1 << 32, opens: true, ..t() })?),
            ("mixed", lane.generator(&Traffic { sizes: Sizes::Mixed, ..t() })?),
        ];
        lanes.push((name, lane, gens));
    }
    for run in 0..settings.runs {
        for cores in [Cores::One, Cores::Two] {
            for (name, lane, gens) in &mut lanes {
                lane.use_cores(cores)?;
                for (g, gener) in gens {
                    let s = lane.run(gener, 1 << 20)?;
                    println!("{run} {cores:?} {name} {g} {:.3} {:.3}", s.mpps, s.share);
                }
            }
        }
    }
    report.figure("x", "Mpps", &[]);
    Ok(())
}
