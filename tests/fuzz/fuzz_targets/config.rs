//! Any text is either refused with its problems, or a configuration that reads as itself again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nlb_userspace::config::{parse, render};

fuzz_target!(|text: &str| match parse(text, "fuzz.toml") {
    Ok(configuration) => {
        let rendered = render(&configuration);
        match parse(&rendered, "rendered.toml") {
            Ok(again) => assert_eq!(again, configuration),
            Err(errors) => panic!("{errors}\n\nin\n{rendered}"),
        }
    }
    Err(errors) => {
        assert!(!errors.problems().is_empty());
        assert!(!errors.to_string().is_empty());
        assert!(errors.to_json().is_array());
    }
});
