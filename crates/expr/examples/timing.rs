//! How long expressions take, as the programs in e2e/tools tell it of Go's and OPA's, for `cargo xtask bench expressions`.
//!
//! A line in is a case of `connectors eval --cases`, with `rounds` and `times`, and with a `role` if it is a module: `extractor` or `generator`. A line
//! out has nanoseconds: how long that many evaluations took in each round, as the data path has them, with all that they need of a request.
#![allow(clippy::print_stdout, reason = "it is asked and answers")]

use std::time::Instant;

use anyhow::{Context as _, bail};
use connectors_expr::{Data, Extractor, Generator, Numbers, Request, probe_data, template_data};
use connectors_template::{Options, Template};
use serde_json::Value as Json;

fn main() -> anyhow::Result<()> {
    for line in std::io::stdin().lines() {
        let case: Json = serde_json::from_str(&line?)?;
        println!("{}", serde_json::json!({"id": case["id"], "result": answer(&case)?}));
    }
    Ok(())
}

fn answer(case: &Json) -> anyhow::Result<Vec<u64>> {
    match (case["template"].as_str(), case["module"].as_str(), case["role"].as_str()) {
        (Some(text), ..) => template(case, text),
        (_, Some(module), Some("extractor")) => extractor(case, module),
        (_, Some(module), Some("generator")) => generator(case, module),
        _ => bail!("a case needs `template`, or `module` and `role`"),
    }
}

fn template(case: &Json, text: &str) -> anyhow::Result<Vec<u64>> {
    let template = Template::parse("t", text, Options::default())?;
    let data = match case["model"].as_str() {
        Some("structs") => probe_data(&case["data"]["Connector"], &case["data"]["Secret"])?,
        _ => template_data(&case["data"].to_string(), Numbers::Integers)?,
    };
    let mut out = Vec::new();
    rounds(case, || {
        out.clear();
        Ok(template.render_into(&data, &mut out)?)
    })
}

fn extractor(case: &Json, module: &str) -> anyhow::Result<Vec<u64>> {
    let extractor = Extractor::compile(module)?;
    let headers = headers(case);
    rounds(case, || {
        let token = extractor.extract(request(case, &headers))?;
        token.map(|_| ()).context("there is no token")
    })
}

fn generator(case: &Json, module: &str) -> anyhow::Result<Vec<u64>> {
    let generator = Generator::compile(module)?;
    let headers = headers(case);
    let fields = case["input"]["data"].as_object().context("a generator needs `input.data`")?;
    let data = Data::new(fields.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default().as_bytes())));
    rounds(case, || Ok(generator.generate(Some(request(case, &headers)), &data).map(|_| ())?))
}

/// One for each value.
fn headers(case: &Json) -> Vec<(&str, &str)> {
    let fields = case["input"]["request"]["headers"].as_object().into_iter().flatten();
    fields.flat_map(|(name, values)| values.as_array().into_iter().flatten().filter_map(|value| Some((name.as_str(), value.as_str()?)))).collect()
}

fn request<'a>(case: &'a Json, headers: &'a Vec<(&'a str, &'a str)>) -> Request<'a> {
    let text = |key: &str| case["input"]["request"][key].as_str().unwrap_or_default();
    Request { method: text("method"), path: text("path"), host: text("host"), query: "", headers, body: None }
}

/// Nanoseconds of each round.
fn rounds(case: &Json, mut once: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Vec<u64>> {
    let count = |key: &str| case[key].as_u64().with_context(|| format!("`{key}` must be a number"));
    let (rounds, times) = (count("rounds")?, count("times")?);
    let mut took = Vec::new();
    for _ in 0..rounds {
        let began = Instant::now();
        for _ in 0..times {
            once()?;
        }
        took.push(u64::try_from(began.elapsed().as_nanos())?);
    }
    Ok(took)
}
