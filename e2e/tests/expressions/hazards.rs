//! Expressions that would hang, or take all memory: each ends in an error, soon and small.
//!
//! With `$CONNECTORS_EXPRESSIONS_EXACT` the limits are those of the release binary, which `cargo xtask bench expressions` measures; else there is
//! room for builds without optimizations, and for machines with other things to do.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use connectors_e2e::binary;
use serde_json::{Value as Json, json};

use crate::compare::Answerer;

/// Until the answer is there, and what the process takes more than with an expression that does nothing.
const TIME: Duration = Duration::from_millis(100);
const MEMORY_KIB: u64 = 64 << 10;

/// A build without optimizations takes up to 20 times as long, and several times the memory: its frames on the stack are larger.
const ROOM_TIME: u32 = 40;
const ROOM_MEMORY: u64 = 4;

/// Times each is tried in a process of its own, where the limits are exact: the quickest counts, since others use the machine too.
const TRIES: usize = 3;

#[test]
fn hazards_end_soon_and_small() {
    let exact = std::env::var_os("CONNECTORS_EXPRESSIONS_EXACT").is_some();
    let (time, memory, tries) = if exact { (TIME, MEMORY_KIB, TRIES) } else { (TIME * ROOM_TIME, MEMORY_KIB * ROOM_MEMORY, 1) };
    let mut wrong = String::new();
    for (name, case, ends) in hazards() {
        let tried = || Tried::of(&case);
        let Some(tried) = (0..tries).map(|_| tried()).min_by_key(|tried| tried.time) else { continue };
        println!("hazard | {name} | {:.1} | {:.1} | {}", tried.time.as_secs_f64() * 1e3, tried.memory_kib as f64 / 1024.0, tried.shown());
        let ended_so = match ends {
            Ends::InError => tried.answer["error"].is_string(),
            Ends::With(text) => tried.answer["result"] == text,
        };
        if !ended_so || tried.time > time || tried.memory_kib > memory {
            let _ = writeln!(wrong, "{name}: {:?}, {} KiB, {}", tried.time, tried.memory_kib, tried.shown());
        }
    }
    assert!(wrong.is_empty(), "more than {time:?} or {memory} KiB, or no error:\n{wrong}");
}

/// What came of a hazard.
struct Tried {
    answer: Json,
    time: Duration,
    memory_kib: u64,
}

impl Tried {
    fn of(case: &Json) -> Self {
        let mut process = Answerer::start(&binary(), &["eval", "--cases", "-"]);
        // What is done once a process isn't the expression's.
        for warm in
            [json!({"id": 0, "template": "{{ 1 }}"}), json!({"id": 0, "module": "package p\nx := 1", "query": "data.p.x"}), json!({"id": 0, "expr": "1"})]
        {
            process.ask(&warm);
            assert_eq!(process.answer().expect("an answer")["error"], Json::Null);
        }
        let before = process.peak_kib();
        let began = Instant::now();
        process.ask(case);
        let answer = process.answer().unwrap_or_else(|| panic!("the process ended at {:.300}", case.to_string()));
        Self { answer, time: began.elapsed(), memory_kib: process.peak_kib().saturating_sub(before) }
    }

    fn shown(&self) -> String {
        let text = self.answer["error"].as_str().map_or_else(|| self.answer["result"].to_string(), str::to_owned);
        let text = text.replace('\n', " ");
        // The last part says what is wrong.
        let start = text.char_indices().rev().nth(79).map_or(0, |(at, _)| at);
        text[start..].to_owned()
    }
}

/// How one is to end.
enum Ends {
    InError,
    With(&'static str),
}

fn hazards() -> Vec<(&'static str, Json, Ends)> {
    let template = |text: &str| (json!({"id": 1, "template": text}), Ends::InError);
    let rego = |text: &str| (json!({"id": 1, "module": format!("package p\n{text}\n"), "query": "data.p.x"}), Ends::InError);
    let cel = |text: &str| (json!({"id": 1, "expr": text}), Ends::InError);
    let printf = |text: &str, expect| (json!({"id": 1, "template": text}), Ends::With(expect));
    let doubled = |function: &str| format!("{{{{ $x := \"ab\" }}}}{{{{ range until 60 }}}}{{{{ $x = {function} }}}}{{{{ end }}}}");
    let nested = |open: &str, close: &str, count: usize| format!("{}1{}", open.repeat(count), close.repeat(count));
    let rules = |count: usize, rule: &dyn Fn(usize) -> String| (0..count).map(rule).collect::<String>();
    let all = [
        ("ranges in ranges", template("{{ range until 100000 }}{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}{{ end }}")),
        ("ranges in ranges that print", template("{{ range 99999 }}{{ range 99999 }}x{{ end }}{{ end }}")),
        ("a range to 1e9", template("{{ range 1000000000 }}{{ end }}")),
        ("until 1e9", template("{{ until 1000000000 }}")),
        ("untilStep to 2^63", template("{{ untilStep 0 9223372036854775807 1 }}")),
        ("seq to 1e9", template("{{ seq 1000000000 }}")),
        ("print doubles", template(&doubled("print $x $x"))),
        ("printf doubles", template(&doubled("printf \"%s%s\" $x $x"))),
        ("cat doubles", template(&doubled("cat $x $x"))),
        ("replace doubles", template(&doubled("replace \"a\" \"aa\" (print $x \"a\")"))),
        ("regexReplaceAll doubles", template(&doubled("regexReplaceAll \".\" $x \"$0$0\""))),
        ("join squares", template(&doubled("join $x (list $x $x $x)"))),
        ("quote grows", template(&doubled("printf \"%q\" (print $x $x)"))),
        ("toJson grows", template(&doubled("list $x $x | toJson"))),
        ("a list doubles", template("{{ $x := list 1 }}{{ range until 60 }}{{ $x = concat $x $x }}{{ end }}")),
        ("a map doubles", template("{{ $x := dict \"a\" \"b\" }}{{ range until 60 }}{{ $x = dict \"l\" $x \"r\" $x }}{{ end }}{{ toJson $x }}")),
        ("a map doubles, printed", template("{{ $x := dict \"a\" \"b\" }}{{ range until 60 }}{{ $x = dict \"l\" $x \"r\" $x }}{{ end }}{{ $x }}")),
        ("a map that contains itself", template("{{ $x := dict }}{{ $_ := set $x \"self\" $x }}{{ $x }}")),
        ("repeat 1e9", template("{{ repeat 1000000000 \"x\" }}")),
        ("repeat 2^63", template("{{ repeat 9223372036854775807 \"xy\" }}")),
        ("repeat of repeat", template("{{ repeat 100000 (repeat 100000 \"x\") }}")),
        ("indent 1e9", template("{{ indent 1000000000 \"a\\nb\" }}")),
        ("nindent 1e9", template("{{ nindent 1000000000 \"a\\nb\" }}")),
        ("nindent of many lines", template("{{ repeat 100000 \"\\n\" | nindent 100000 }}")),
        ("wrapWith a long text", template("{{ $x := repeat 100000 \"ab\" }}{{ wrapWith 1 $x $x }}")),
        ("randBytes 1e9", template("{{ randBytes 1000000000 }}")),
        ("randAlphaNum 1e9", template("{{ randAlphaNum 1000000000 }}")),
        ("a template executes itself", template("{{ define \"r\" }}{{ template \"r\" . }}{{ end }}{{ template \"r\" . }}")),
        (
            "templates execute each other",
            template("{{ define \"a\" }}{{ template \"b\" }}{{ end }}{{ define \"b\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}"),
        ),
        ("a template that doubles", template("{{ define \"r\" }}{{ template \"r\" . }}{{ template \"r\" . }}x{{ end }}{{ template \"r\" . }}")),
        ("100,000 brackets", template(&format!("{{{{ {} }}}}", nested("(", ")", 100_000)))),
        ("brackets without an end", template(&format!("{{{{ {}", "(".repeat(500_000)))),
        ("calls in calls", template(&format!("{{{{ {} }}}}", nested("(print ", ")", 50_000)))),
        ("50,000 blocks without an end", template(&"{{if 1}}".repeat(50_000))),
        ("JSON of 500,000 brackets", template("{{ repeat 500000 \"[\" | fromJson }}")),
        ("a value of 100,000 levels", template("{{ $x := list }}{{ range until 100000 }}{{ $x = list $x }}{{ end }}{{ $x }}")),
        ("regexMatch (a+)+$", template("{{ $x := repeat 1000000 \"a\" }}{{ range until 100000 }}{{ $y := regexMatch \"(a+)+$b\" $x }}{{ end }}")),
        ("regexMatch (a|a)*b", template("{{ $x := repeat 1000000 \"a\" }}{{ range until 100000 }}{{ $y := regexMatch \"(a|a)*b\" $x }}{{ end }}")),
        ("regexFindAll of all parts", template("{{ $x := repeat 300000 \"a\" }}{{ $y := regexFindAll \".*?b|a\" $x -1 }}")),
        ("a pattern of large repetitions", template("{{ mustRegexMatch \"((a{1,1000}){1,1000}){1,1000}\" \"aaa\" }}")),
        ("many patterns", template("{{ range $i, $e := until 100000 }}{{ $y := regexMatch (printf \"%d(a{100}){9}\" $i) \"a\" }}{{ end }}")),
        ("uniq of a long list", template("{{ uniq (until 20000) }}")),
        ("keys again and again", template("{{ range until 1000 }}{{ genPrivateKey \"ed25519\" }}{{ end }}")),
        ("sha512sum again and again", template("{{ $x := repeat 100000 \"a\" }}{{ range until 1000000 }}{{ $y := sha512sum $x }}{{ end }}")),
        ("printf %999999999d", printf("{{ printf \"%999999999d|\" 5 }}", "%!(NOVERB)%!(EXTRA int=5)")),
        ("printf %*d", printf("{{ printf \"%*d|\" 100000000 5 }}", "%!(BADWIDTH)5|")),
        ("printf %.999999999f", printf("{{ printf \"%.999999999f|\" 1.5 }}", "%!(NOVERB)%!(EXTRA float64=1.5)")),
        ("printf wide, often", template("{{ range until 100000 }}{{ printf \"%999999d\" 5 }}{{ end }}")),
        ("Rego: brackets", rego(&format!("x := {}", nested("[", "]", 10_000)))),
        ("Rego: 20 brackets", rego(&format!("x := {}", nested("{\"a\": ", "}", 20)))),
        ("Rego: operators", rego(&format!("x := 1{}", " + 1".repeat(10_000)))),
        ("Rego: a function calls itself", rego("f(n) := f(n + 1)\nx := f(1)")),
        ("Rego: a range to 1e9", rego("x := count(numbers.range(1, 1000000000))")),
        (
            "Rego: loops in loops",
            rego("x := count([1 | some a in numbers.range(1, 1000); some b in numbers.range(1, 1000); some c in numbers.range(1, 1000); a + b + c == 0])"),
        ),
        (
            "Rego: texts double",
            rego(&format!("t0 := \"0123456789\"\n{}x := t40", rules(40, &|index| format!("t{} := concat(\"\", [t{index}, t{index}])\n", index + 1)))),
        ),
        ("Rego: trees double", rego(&format!("t0 := [1]\n{}x := json.marshal(t40)", rules(40, &|index| format!("t{} := [t{index}, t{index}]\n", index + 1))))),
        ("Rego: sprintf %999999999d", rego("x := sprintf(\"%999999999d\", [1])")),
        ("Rego: sprintf %*d", rego("x := sprintf(\"%*d\", [999999999, 1])")),
        ("Rego: a large pattern", rego("x := regex.match(`(\\pL\\pN\\pS){300}`, \"a\")")),
        ("Rego: shift by 1e9", rego("x := bits.lsh(1, 1000000000)")),
        ("CEL: brackets", cel(&nested("(", ")", 500))),
        ("CEL: operators", cel(&format!("1{}", "+1".repeat(1000)))),
        ("CEL: loops in loops", cel("lists.range(1000).all(a, lists.range(1000).all(b, lists.range(1000).all(c, a + b + c >= 0)))")),
        ("CEL: two loops", cel("lists.range(100000).all(a, lists.range(100000).all(b, a + b >= 0))")),
        ("CEL: a range to 1e9", cel("lists.range(1000000000).size() == 1")),
        (
            "CEL: texts double",
            cel(&format!("[1,2,3,4,5,6,7,8,9].map(x, [1,2,3,4,5,6,7,8,9].map(y, '{}'.split('').join('{}')))", "a".repeat(500), "b".repeat(500))),
        ),
    ];
    all.into_iter().map(|(name, (case, ends))| (name, case, ends)).collect()
}
