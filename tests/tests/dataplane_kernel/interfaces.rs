//! Attaching, moving and refusing.

use std::time::{Duration, Instant};

use nlb_userspace::dataplane::{
    Attachment, Dataplane as _, DataplaneError, Kernel, KernelError, KernelSettings, detach,
};
use nlb_userspace::model::XdpMode;

use crate::bench::{Bench, FIRST, SECOND, on_the_bench};

fn modes(attachments: &[Attachment]) -> Vec<(&str, XdpMode)> {
    attachments.iter().map(|attachment| (attachment.interface.as_str(), attachment.mode)).collect()
}

#[test]
fn interfaces_and_mode_become_what_they_are_set_to() {
    use XdpMode::{Generic, Native};
    on_the_bench(|bench| {
        let mut kernel = Kernel::open(&bench.settings()).unwrap();
        let steps: [&[(&str, XdpMode)]; 6] = [
            &[(FIRST, Native)],
            &[(FIRST, Native), (SECOND, Native)],
            &[(SECOND, Native)],
            &[(SECOND, Generic)],
            &[(FIRST, Generic), (SECOND, Generic)],
            &[(FIRST, Native), (SECOND, Native)],
        ];
        for step in steps {
            let names = step.iter().map(|(name, _)| (*name).to_owned()).collect();
            kernel.set_interfaces(names, step[0].1);
            kernel.activate().unwrap();
            assert_eq!(modes(&kernel.attachments()), step);
            let programs: Vec<u32> = kernel.attachments().iter().map(|attachment| attachment.program_id).collect();
            assert!(programs.windows(2).all(|pair| pair[0] == pair[1]), "all run the same program");
        }
    });
}

#[test]
fn an_interface_named_twice_is_attached_once() {
    on_the_bench(|bench| {
        let interfaces = vec![FIRST.to_owned(), FIRST.to_owned()];
        let kernel = bench.active(&KernelSettings { interfaces, ..bench.settings() });
        assert_eq!(modes(&kernel.attachments()), [(FIRST, XdpMode::Native)]);
    });
}

#[test]
fn an_interface_that_was_renamed_keeps_its_link() {
    on_the_bench(|bench| {
        drop(bench.active(&bench.settings()));
        let links = bench.link_ids();
        bench.ip(&["link", "set", FIRST, "down"]);
        bench.ip(&["link", "set", FIRST, "name", "nlbk.new"]);
        bench.ip(&["link", "set", "nlbk.new", "up"]);
        let kernel = bench.active(&KernelSettings { interfaces: vec!["nlbk.new".to_owned()], ..bench.settings() });
        assert_eq!(modes(&kernel.attachments()), [("nlbk.new", XdpMode::Native)]);
        assert_eq!(bench.link_ids(), links);
    });
}

#[test]
fn an_interface_that_was_made_anew_is_attached_again() {
    on_the_bench(|bench| {
        let mut kernel = bench.active(&bench.settings());
        bench.ip(&["link", "del", FIRST]);
        assert_eq!(kernel.attachments(), []);
        bench.ip(&["link", "add", FIRST, "type", "veth", "peer", "name", "nlbk0p"]);
        kernel.activate().unwrap();
        assert_eq!(modes(&kernel.attachments()), [(FIRST, XdpMode::Native)]);
        assert_eq!(bench.link_ids().len(), 1, "the dead link's pin is gone");
    });
}

fn refusal(bench: &Bench, settings: &KernelSettings) -> KernelError {
    let refused = Kernel::open(settings).and_then(|mut kernel| kernel.activate());
    let Err(DataplaneError::Kernel(error)) = refused else { panic!("{:?}", bench.attachments()) };
    error
}

#[test]
fn a_driver_without_native_mode_is_told_of_the_setting_that_helps() {
    on_the_bench(|bench| {
        bench.ip(&["link", "add", "nlbkbr", "type", "bridge"]);
        for name in ["lo", "nlbkbr"] {
            let settings = KernelSettings { interfaces: vec![name.to_owned()], ..bench.settings() };
            let error = refusal(bench, &settings);
            assert!(matches!(&error, KernelError::NativeRefused { interface, .. } if interface == name), "{error}");
            assert!(error.to_string().contains("`mode = \"generic\"`"), "{error}");
            assert_eq!(bench.attachments(), []);
            let kernel = bench.active(&KernelSettings { mode: XdpMode::Generic, ..settings });
            assert_eq!(modes(&kernel.attachments()), [(name, XdpMode::Generic)]);
            drop(kernel);
            detach(&bench.pin_path).unwrap();
        }
    });
}

#[test]
fn a_change_to_a_mode_that_is_refused_leaves_the_former_one_at_work() {
    on_the_bench(|bench| {
        let settings = KernelSettings { interfaces: vec!["lo".to_owned()], ..bench.settings() };
        drop(bench.active(&KernelSettings { mode: XdpMode::Generic, ..settings.clone() }));
        assert!(matches!(refusal(bench, &settings), KernelError::NativeRefused { .. }));
        assert_eq!(modes(&bench.attachments()), [("lo", XdpMode::Generic)]);
    });
}

#[test]
fn another_program_on_the_interface_is_named_and_left_alone() {
    on_the_bench(|bench| {
        let other = bench.pin_path.with_extension("other").to_string_lossy().replace('.', "-");
        let other = Bench { pin_path: other.into() };
        let theirs = KernelSettings { pin_path: other.pin_path.clone(), ..bench.settings() };
        drop(other.active(&theirs));
        for mode in [XdpMode::Native, XdpMode::Generic] {
            let error = refusal(bench, &KernelSettings { mode, ..bench.settings() });
            assert!(matches!(&error, KernelError::OtherProgram { mode: XdpMode::Native, .. }), "{error}");
            let text = error.to_string();
            assert!(text.contains("`nlb_edge`") && text.contains(FIRST) && text.contains("xdpdrv"), "{text}");
        }
        assert_eq!(modes(&other.attachments()), [(FIRST, XdpMode::Native)]);
        detach(&other.pin_path).unwrap();
        bench.active(&bench.settings());
    });
}

#[test]
fn a_missing_interface_is_refused_before_anything_is_made_and_those_that_exist_are_listed() {
    on_the_bench(|bench| {
        let settings = KernelSettings { interfaces: vec!["eth7".to_owned()], ..bench.settings() };
        let error = refusal(bench, &settings);
        assert!(matches!(error, KernelError::UnknownInterface { .. }), "{error}");
        let text = error.to_string();
        assert!(["`eth7`", "lo", FIRST, SECOND].iter().all(|name| text.contains(name)), "{text}");
        assert!(!bench.pin_path.exists());
    });
}

#[test]
fn detaching_is_done_when_detach_returns() {
    on_the_bench(|bench| {
        // The kernel frees unpinned links some time later; the next attach must not fail for that.
        let end = Instant::now() + Duration::from_millis(300);
        while Instant::now() < end {
            drop(bench.active(&bench.settings()));
            detach(&bench.pin_path).unwrap();
        }
    });
}
