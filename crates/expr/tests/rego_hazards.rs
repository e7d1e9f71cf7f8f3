//! Modules that would crash, hang or fill the memory: each ends in an error, soon, on a thread with a small stack.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic too")]

use connectors_expr::{Dialect, Rego};
use std::fmt::Write as _;
use std::thread;

/// What tokio's threads have.
const STACK_BYTES: usize = 2 << 20;

/// What an evaluation may take of the thread's time, with its compilation; the wall is slower where machines are busy.
const MAX_CPU_MS: u128 = 100;
const MAX_MEMORY_KIB: u64 = 64 << 10;

fn rules(count: usize, rule: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut module, index| {
        writeln!(module, "{}", rule(index)).unwrap();
        module
    })
}

/// The module, and a part of the error.
fn hazards() -> Vec<(&'static str, String, &'static str)> {
    let nested = |open: &str, close: &str| format!("x := {}1{}", open.repeat(18), close.repeat(18));
    // 80 KiB.
    let big = format!("b0 := \"0123456789\"\n{}big := b13\n", rules(13, |index| format!("b{} := concat(\"\", [b{index}, b{index}])", index + 1)));
    vec![
        ("arrays", nested("[", "]"), "nested too deeply"),
        ("sets", nested("{", "}"), "nested too deeply"),
        ("objects", nested("{\"a\": ", "}"), "nested too deeply"),
        ("parentheses", nested("(", ")"), "nested too deeply"),
        ("calls", nested("abs(", ")"), "nested too deeply"),
        ("many nested", format!("x := [{}]", "[[[[[[[1]]]]]]],\n".repeat(1000)), "nested too deeply"),
        ("operators", format!("x := 1{}", " + 1".repeat(10_000)), "nested too deeply"),
        ("operators over lines", format!("x := 1{}", "\n+ 1".repeat(10_000)), "nested too deeply"),
        ("references", format!("x := input{}", ".a".repeat(20_000)), "nested too deeply"),
        ("brackets", format!("x := input{}", "[0]".repeat(20_000)), "nested too deeply"),
        ("memberships", format!("x if 1{}", " in [1]".repeat(5_000)), "nested too deeply"),
        ("a function that calls itself", "f(n) := f(n + 1)\nx := f(1)".to_owned(), "recursive"),
        ("functions that call each other", "f(n) := g(n)\ng(n) := h(n)\nh(n) := data.p.f(n)\nx := f(1)".to_owned(), "recursive"),
        ("a function that calls itself by an alias", "import data.p as me\nf(n) := me.f(n)\nx := f(1)".to_owned(), "recursive"),
        ("a function that calls itself by a rule", "f(n) := r\nr := f(1)\nx := r".to_owned(), "recursive"),
        ("a function that is put in another's place", "f(n) := g(n)\ng(n) := n\nr if g(1) with data.p.g as f\nx := r".to_owned(), ""),
        ("a rule that reads all", "x := data[y]\ny := \"p\"".to_owned(), "recursive"),
        ("a long chain of rules", format!("x := r0\n{}r1000 := 1", rules(1000, |index| format!("r{index} := r{}", index + 1))), "nested too deeply"),
        (
            "a long chain of functions",
            format!("x := r0(1)\n{}r1000(n) := n", rules(1000, |index| format!("r{index}(n) := r{}(n)", index + 1))),
            "nested too deeply",
        ),
        ("a long text", format!("x := \"{}\"", "a".repeat(100_000)), "64 KiB"),
        ("a huge range", "x := count(numbers.range(1, 1000000000))".to_owned(), "makes too much"),
        ("a huge range by steps", "x := count(numbers.range_step(-9000000000000000000, 9000000000000000000, 1))".to_owned(), "makes too much"),
        ("many ranges", "x := count([y | some i in numbers.range(1, 1000); y := numbers.range(1, 90000)])".to_owned(), "rule data.p.x: "),
        ("a wide field", "x := sprintf(\"%999999999d\", [1])".to_owned(), "makes too much"),
        ("a wide field by an argument", "x := sprintf(\"%*d\", [999999999, 1])".to_owned(), "makes too much"),
        ("a precise number", "x := sprintf(\"%.999999999f\", [1.5])".to_owned(), "makes too much"),
        (
            "doubled texts",
            format!("t0 := \"0123456789\"\n{}x := t40", rules(40, |index| format!("t{} := concat(\"\", [t{index}, t{index}])", index + 1))),
            "rule data.p.x: ",
        ),
        ("encoded texts", format!("{big}t0 := big\n{}x := t30", rules(30, |index| format!("t{} := hex.encode(t{index})", index + 1))), "rule data.p.x: "),
        ("a text for each character", format!("{big}x := replace(big, \"0\", big)"), "makes too much"),
        ("a text for each match", format!("{big}x := regex.replace(big, \"[0-9]\", big)"), "rule data.p.x: "),
        (
            "a large text again and again",
            format!("{big}x := [y | some i in numbers.range(1, 90000); y := concat(\"\", [big, sprintf(\"%d\", [i])])]"),
            "rule data.p.x: ",
        ),
        ("a wide tree", format!("t0 := [1]\n{}x := json.marshal(t40)", rules(40, |index| format!("t{} := [t{index}, t{index}]", index + 1))), "makes too much"),
        ("a wide result", format!("t0 := [1]\n{}x := t40", rules(40, |index| format!("t{} := [t{index}, t{index}]", index + 1))), "makes too much"),
        ("a huge shift", "x := bits.lsh(1, 1000000000)".to_owned(), "makes too much"),
        (
            "a huge number",
            format!("t0 := 99999999\n{}x := sprintf(\"%d\", [t16])", rules(16, |index| format!("t{} := t{index} * t{index}", index + 1))),
            "rule data.p.x: ",
        ),
        (
            "many loops",
            "x := count([1 | some a in numbers.range(1, 1000); some b in numbers.range(1, 1000); some c in numbers.range(1, 1000); a + b + c == 0])".to_owned(),
            "50 ms",
        ),
        (
            "loops in functions that fail",
            "f(n) := count([1 | some a in numbers.range(1, 90000); some b in numbers.range(1, 90000); a + b == 0])\nf(n) := 1\nx := f(1)".to_owned(),
            "rule data.p.x: ",
        ),
        (
            "a condition that fails by a limit",
            "default x := \"default\"\nx := \"other\" if not count(numbers.range(1, 1000000000)) == 0".to_owned(),
            "makes too much",
        ),
        ("a pattern with large repetitions", "x := regex.match(\"((a{1,100}){1,100}){1,100}\", \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\")".to_owned(), ""),
        ("a pattern of many classes", "x := regex.match(`(\\pL\\pN\\pS){300}`, \"a\")".to_owned(), "a pattern is too large"),
        ("a pattern for a long text", format!("{big}x := regex.match(\"(0|1|[2-9]){{100}}(a|b)*$\", big)"), "a pattern is too large"),
        ("all matches of a long text", format!("{big}x := regex.find_n(\".*b|[0-9]\", big, -1)"), "50 ms"),
        ("a long glob", format!("{big}x := glob.match(replace(big, \"0\", \"*\"), [], \"a\")"), "makes too much"),
    ]
}

#[test]
fn hazards_end_in_errors() {
    let before = peak_kib();
    for (name, module, expect) in hazards() {
        let run = move || {
            let start = cpu_ms();
            let found = Rego::compile(&format!("package p\n{module}\n"), "data.p.x", Dialect::Either).map_err(|error| error.to_string());
            let found = found.and_then(|rego| rego.eval("{}").map_err(|error| error.to_string()));
            (found, cpu_ms() - start)
        };
        let (found, ms) = thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap();
        match found {
            Err(error) => assert!(error.contains(expect), "{name}: {error}"),
            Ok(result) => assert!(expect.is_empty(), "{name}: {result:.100?}"),
        }
        println!("{name}: {ms} ms, {} KiB", peak_kib() - before);
        assert!(ms < MAX_CPU_MS, "{name} took {ms} ms of processor time");
        assert!(peak_kib() - before < MAX_MEMORY_KIB, "{name}: {} KiB more than before", peak_kib() - before);
    }
}

/// What this thread has used of a processor.
fn cpu_ms() -> u128 {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    line.split(' ').next().unwrap().parse::<u128>().unwrap() / 1_000_000
}

/// The most memory that the process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
