//! The table of cases in `tests/cases`, checked against this crate. What Node and hyper make of them is checked by
//! `http1_oracles` in the `e2e` folder.

mod cases;
mod drive;

use std::collections::HashSet;

use cases::Case;

#[test]
fn every_case_has_the_outcome_of_the_table() {
    let wrong = wrong_outcomes(|input| vec![input]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_byte_at_a_time_has_the_same_outcome() {
    let wrong = wrong_outcomes(|input| input.chunks(1).collect());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn cut_in_two_anywhere_has_the_same_outcome() {
    for (case, input) in short_cases() {
        for at in 0..input.len() {
            let (left, right) = input.split_at(at);
            assert_eq!(outcome(&case, [left, right]), case.ours, "{} cut at {at}", case.id);
        }
    }
}

#[test]
fn nothing_cut_short_is_complete() {
    let mut checked = 0;
    for (case, input) in short_cases() {
        let is_incomplete = |part: &String| part == "incomplete" || part == "Truncated";
        let method = case.method.as_deref().unwrap_or_default();
        if case.is_refused() || case.ours.iter().any(is_incomplete) || drive::ends_with_the_connection(method, &input) {
            continue;
        }
        // Some go on after the last message that is read.
        let end = (0..=input.len()).find(|&end| outcome(&case, [&input[..end]]) == case.ours);
        let end = end.expect("the whole input has this outcome");
        for at in 0..end {
            let mut cut = outcome(&case, [&input[..at]]);
            cut.retain(|part| !is_incomplete(part));
            assert!(case.ours.starts_with(&cut) && cut.len() < case.ours.len(), "{} cut at {at}: {cut:?}", case.id);
        }
        checked += 1;
    }
    assert!(checked > 150, "only {checked} cases");
}

#[test]
fn p07_ambiguous_framing_is_refused() {
    refused(7, 200);
}

#[test]
fn p10_repeated_and_aliased_fields_are_refused() {
    refused(10, 15);
}

#[test]
fn the_table_is_well_kept() {
    let all = cases::all("");
    assert!(all.len() > 700, "{} cases", all.len());
    let mut ids = HashSet::new();
    for case in &all {
        assert!(ids.insert(&case.id), "{} is there twice", case.id);
        let section = case.rfc.split_once(" §");
        assert!(section.is_some_and(|(rfc, _)| ["3986", "9110", "9112", "9113"].contains(&rfc)), "{}: {}", case.id, case.rfc);
        let nothing_to_see = case.input().is_empty();
        assert!(nothing_to_see || !(case.node.is_empty() && case.hyper.is_empty()), "{} was never recorded", case.id);
    }
}

fn refused(pitfall: u8, at_least: usize) {
    let tagged: Vec<Case> = cases::all("").into_iter().filter(|case| case.pitfall == Some(pitfall)).collect();
    assert!(tagged.len() >= at_least, "only {} cases", tagged.len());
    for case in tagged {
        assert!(case.is_refused(), "{} is let through", case.id);
        assert_eq!(outcome(&case, [&case.input()[..]]), case.ours, "{}", case.id);
    }
}

/// All but those that are long, which are so only by repetition.
fn short_cases() -> impl Iterator<Item = (Case, Vec<u8>)> {
    let with_input = |case: Case| {
        let input = case.input();
        (case, input)
    };
    cases::all("").into_iter().map(with_input).filter(|(_, input)| input.len() < 1000)
}

fn wrong_outcomes(cut: impl Fn(&[u8]) -> Vec<&[u8]>) -> Vec<String> {
    let describe = |case: Case| {
        let got = outcome(&case, cut(&case.input()));
        (got != case.ours).then(|| format!("{}: {got:?}, the table has {:?}", case.id, case.ours))
    };
    cases::all("").into_iter().filter_map(describe).collect()
}

fn outcome<'a>(case: &Case, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    match &case.method {
        None => drive::requests(pieces),
        Some(method) => drive::responses(method, pieces),
    }
}
