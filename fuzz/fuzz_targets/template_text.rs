//! The fuzzer of `template_text`; without `--cfg fuzzing`, a program that tries the files named on its command line.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| connectors_fuzz::template_text::check(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    connectors_fuzz::try_files(connectors_fuzz::template_text::check)
}
