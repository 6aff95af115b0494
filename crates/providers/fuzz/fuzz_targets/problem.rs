#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tryon_providers::fuzzing::problem(bytes));
