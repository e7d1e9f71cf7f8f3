# The project's commands. `just` lists them.

_default:
    @just --list

# Before every commit: format, lints, licences, tidy
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo deny check licenses bans sources
    cargo xtask tidy

# Everything, with real clients against real servers; or the suites whose name has FILTER in it
test *FILTER:
    cargo xtask test {{FILTER}}

# Every fuzz target, or one: `just fuzz mapping --seconds 1800`
fuzz *OPTIONS:
    cargo xtask fuzz {{OPTIONS}}

# Callers and tools with random faults, for 10 minutes: `just soak --seconds 60`
soak *OPTIONS:
    cargo xtask soak {{OPTIONS}}

# A private Git repository, cloned without its password
demo *FLAGS:
    cargo run --release -- demo {{FLAGS}}
