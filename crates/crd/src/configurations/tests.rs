use connectors_core::SecretValue;
use serde_json::{Map, Value, json};

use super::*;
use crate::testing::{checked, class, connector};

const TOKEN: &str = "the-token";
const CA: &str = "-----BEGIN CERTIFICATE-----\n";

/// A class of that name with these configurations, `more` laid over the rest of its spec.
fn class_with(name: &str, configurations: Value, more: &[(&str, Value)]) -> CheckedClass {
    let mut spec = json!({"configurations": configurations});
    for (key, value) in more {
        spec[key] = value.clone();
    }
    let mut class = class(spec);
    class.metadata.name = name.into();
    checked(class)
}

/// `team/NAME`, reached where a cluster has it.
fn connector_of(name: &str, more: Value) -> Connector {
    let mut connector = connector(more);
    connector.metadata.name = name.into();
    let url = format!("http://c-{name}.team.svc.cluster.local");
    connector.status =
        Some(serde_json::from_value(json!({"proxy": {"httpAddress": {"url": url}}, "conditions": [{"type": "Ready", "status": "True"}]})).unwrap());
    connector
}

const PROXY: &str = "http://connectors-proxy-service.connectors-system.svc.cluster.local";

struct Case {
    mounted: Vec<(Connector, CheckedClass, &'static str)>,
}

impl Case {
    fn one(configurations: Value) -> Self {
        Self { mounted: vec![(connector_of("npm", json!({})), class_with("npm", configurations, &[]), PROXY)] }
    }

    fn and(mut self, name: &str, class: CheckedClass, proxy: &'static str) -> Self {
        self.mounted.push((connector_of(name, json!({})), class, proxy));
        self
    }

    fn render(&self, names: &str, params: &str) -> Result<Files, ConfigurationError> {
        self.select(&Selection::new(names.split(','), Params::parse(params)?)?)
    }

    fn select(&self, selection: &Selection) -> Result<Files, ConfigurationError> {
        let mounted: Vec<_> = self.mounted.iter().map(|(connector, class, class_proxy)| Mounted { connector, class, class_proxy }).collect();
        render(&mounted, selection, &Context { token: &SecretValue::new(TOKEN), ca_cert: CA, no_proxy: NO_PROXY })
    }

    /// The files' names and contents, `name=content`, only those that are not built in.
    #[track_caller]
    fn has(&self, names: &str, params: &str, expect: &[&str]) {
        let files = self.render(names, params).unwrap_or_else(|error| panic!("{names} {params}: {error}"));
        let lines: Vec<String> = files.files.iter().filter(|file| file.is_of_class()).map(line).collect();
        assert_eq!(lines, expect, "{names} {params}");
    }

    #[track_caller]
    fn fails(&self, names: &str, params: &str, expect: &str) {
        let error = self.render(names, params).map(|files| files.files.iter().map(line).collect::<Vec<_>>()).unwrap_err().to_string();
        assert_eq!(error, expect, "{names} {params}");
    }
}

fn line(file: &File) -> String {
    format!("{}={}", file.name, file.content.expose_str().unwrap())
}

#[test]
fn built_in_files() {
    let files = Case::one(json!([{"name": "npmrc", "data": {".npmrc": "x"}}])).render("", "").unwrap().files;
    let url = format!("http://team%2Fnpm:{TOKEN}@connectors-proxy-service.connectors-system.svc.cluster.local");
    let expect = [
        (".env", format!("http_proxy={url}\nhttps_proxy={url}\nno_proxy=localhost,127.0.0.1\n"), true),
        ("ca.cert", CA.into(), false),
        ("ca.crt", CA.into(), false),
        ("connector.status.proxyAddress", "http://c-npm.team.svc.cluster.local".into(), false),
        ("context.proxy.caCert", CA.into(), false),
        ("context.token", TOKEN.into(), true),
        ("http.proxy", url.clone(), true),
        ("https.proxy", url, true),
    ];
    let found: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.content.expose_str().unwrap().to_owned(), file.is_secret())).collect();
    assert_eq!(found, expect);
    assert!(files.iter().all(|file| !format!("{file:?}").contains(TOKEN)));
}

#[test]
fn of_several_classes_the_last_ones_proxy_counts() {
    let other = class_with("other", json!([]), &[]);
    let case = Case::one(json!([])).and("two", other.clone(), "http://plugin.ns.svc:8080/prefix");
    let files = case.render("", "").unwrap().files;
    let found = |name: &str| files.iter().find(|file| file.name == name).map(|file| file.content.expose_str().unwrap().to_owned());
    assert_eq!(found("http.proxy").unwrap(), format!("http://team%2Fnpm,team%2Ftwo:{TOKEN}@plugin.ns.svc:8080"));
    assert_eq!(found("connector.status.proxyAddress").unwrap(), "http://c-npm.team.svc.cluster.local");
    // A class without a proxy of its own is reached where its Connector is.
    let case = Case::one(json!([])).and("two", other.clone(), "");
    let files = case.render("", "").unwrap().files;
    assert!(files.iter().any(|file| line(file) == format!("https.proxy=http://team%2Fnpm,team%2Ftwo:{TOKEN}@c-two.team.svc.cluster.local")));
    // And where nothing is, no file names anything.
    let mut case = Case { mounted: vec![(connector_of("two", json!({})), other, "")] };
    case.mounted[0].0.status = None;
    let names: Vec<String> = case.render("", "").unwrap().files.into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["ca.cert", "ca.crt", "connector.status.proxyAddress", "context.proxy.caCert", "context.token"]);
}

#[test]
fn what_templates_see() {
    let check = |template: &str, expect: &str| {
        let configurations = json!([{"name": "c", "data": {"f": template}}]);
        let class = class_with("npm", configurations, &[("params", json!([{"name": "mode", "default": "all"}, {"name": "other", "default": "o"}]))]);
        let given = connector_of("npm", json!({"params": [{"name": "mode", "value": "some"}]}));
        Case { mounted: vec![(given, class, PROXY)] }.has("c", r#"{"c": {"p": "v"}}"#, &[&format!("f={expect}")]);
    };
    check("{{ .connector.name }} {{ .connector.namespace }} {{ .connector.metadata.name }}", "npm team npm");
    check("{{ .connector.spec.address }} {{ .connector.spec.auth.secretRef.name }}", "https://git.example repo");
    check("{{ .connector.status.proxyAddress }}", "http://c-npm.team.svc.cluster.local");
    check("{{ .connector.status.proxy.httpAddress.url }} {{ (index .connector.status.conditions 0).status }}", "http://c-npm.team.svc.cluster.local True");
    check("{{ range .connector.spec.params }}{{ .name }}={{ .value }} {{ end }}", "mode=some other=o ");
    check("{{ len .connectors }} {{ (first .connectors).name }}", "1 npm");
    check("{{ .connectorclass.proxyAddress }}", PROXY);
    check("{{ .context.token }} {{ .context.proxy.caCert | trim }}", "the-token -----BEGIN CERTIFICATE-----");
    check("{{ .configurations.p }} {{ .configurations.none }}", "v <no value>");
    check("{{ (urlParse .connector.status.proxyAddress).host }} {{ printf \":%s\" .context.token | b64enc }}", "c-npm.team.svc.cluster.local OnRoZS10b2tlbg==");
    // What is no part of the data: neither Go's names nor the environment.
    check("{{ .Connector }} {{ .connectorclass.name }}", "<no value> <no value>");
}

#[test]
fn names_choose_and_the_later_file_counts() {
    let case = Case::one(json!([
        {"name": "a", "data": {"f": "from a", "only-a": ""}},
        {"name": "b", "data": {"f": "from b"}},
        {"name": "env", "data": {".env": "A=b\n", "ca.crt": "mine"}},
    ]));
    case.has("a", "", &["f=from a", "only-a="]);
    case.has("a,b", "", &["f=from b", "only-a="]);
    case.has(" b , a ", "", &["f=from a", "only-a="]);
    case.has("a,b,a", "", &["f=from b", "only-a="]);
    case.has("env", "", &[".env=A=b\n", "ca.crt=mine"]);
    case.has("a,,", "", &["f=from a", "only-a="]);
    case.has("", "", &[]);
}

#[test]
fn exclusions_apply_last() {
    let case = Case::one(json!([{"name": "a", "data": {"f": "from a", ".env": "X=y"}}, {"name": "b", "data": {"f": "from b"}}]));
    case.has("!f,a,b", "", &[".env=X=y"]);
    case.has("a,!.env,!nothing", "", &["f=from a"]);
    let names = |names: &str| case.render(names, "").unwrap().files.into_iter().map(|file| file.name).collect::<Vec<_>>();
    assert!(!names("a,! .env").contains(&".env".to_owned()));
    // Exclusions are no names: what is left are the built-in files.
    let left = names("!context.token,!http.proxy,!https.proxy,!.env");
    assert_eq!(left, ["ca.cert", "ca.crt", "connector.status.proxyAddress", "context.proxy.caCert"]);
    for item in ["!", "!a/b", "!..", "!../x"] {
        case.fails(item, "", &format!("{item:?} in configuration.names must be '!' and the name of a file, without '/' and '..'"));
    }
}

#[test]
fn of_several_names_one_must_exist() {
    let case = Case::one(json!([{"name": "npmrc", "data": {"f": ""}}]));
    case.fails("npmrcs", "", "no class of these Connectors has a configuration \"npmrcs\"; they have npmrc; did you mean \"npmrc\"?");
    case.fails("x,y", "", "no class of these Connectors has a configuration \"x\" or \"y\"; they have npmrc");
    Case::one(json!([])).fails("x", "", "no class of these Connectors has a configuration \"x\"; they have none");
    assert_eq!(case.render("x,npmrc", "").unwrap().missing, ["x"]);
    assert_eq!(Case { mounted: Vec::new() }.render("", "").unwrap_err(), ConfigurationError::NoConnector);
}

#[test]
fn params() {
    let case = Case::one(json!([
        {
            "name": "strict",
            "params": [
                {"name": "repo"},
                {"name": "tls", "default": "true", "enum": ["true", "false"]},
                {"name": "list", "type": "array", "default": ["x"]},
                {"name": "map", "type": "object", "default": {}},
            ],
            "data": {"f": "{{ .configurations.repo }} {{ .configurations.tls }} {{ join \",\" .configurations.list }} {{ len .configurations.map }}"},
        },
        {"name": "free", "data": {"g": "{{ .configurations.any }}"}},
    ]));
    case.has("strict", r#"{"strict": {"repo": "r"}}"#, &["f=r true x 0"]);
    case.has("strict", r#"{"strict": {"repo": "", "tls": "false", "list": ["a", "b"], "map": {"k": 1}}}"#, &["f= false a,b 1"]);
    case.has("free", r#"{"free": {"any": "thing"}}"#, &["g=thing"]);
    case.has("free", "", &["g=<no value>"]);
    // One that isn't chosen doesn't matter.
    case.has("free", r#"{"strict": {"nonsense": 1}}"#, &["g=<no value>"]);

    let of = |rest: &str| format!("configuration \"strict\" of ConnectorClass \"npm\": parameter {rest}");
    case.fails("strict", "", &of(r#""repo" is required: give {"strict": {"repo": "…"}}"#));
    let known = "is not declared; it declares repo, tls, list, map";
    case.fails("strict", r#"{"strict": {"repo": "r", "rep": "r"}}"#, &of(&format!("\"rep\" {known}; did you mean \"repo\"?")));
    case.fails("strict", r#"{"strict": {"repo": 1}}"#, &of("\"repo\" must be a string, but it is a number"));
    case.fails("strict", r#"{"strict": {"repo": null}}"#, &of("\"repo\" must be a string, but it is null"));
    case.fails("strict", r#"{"strict": {"repo": "r", "list": "x"}}"#, &of("\"list\" must be a list, but it is a string"));
    case.fails("strict", r#"{"strict": {"repo": "r", "map": []}}"#, &of("\"map\" must be a mapping, but it is a list"));
    case.fails("strict", r#"{"strict": {"repo": "r", "tls": "yes"}}"#, &of("\"tls\" must be one of \"true\", \"false\""));

    let of = |rest: &str| format!("configuration.params must be {{\"<configuration>\": {{\"<parameter>\": \"<value>\"}}}}: {rest}");
    case.fails("free", r#"{"fre": {}}"#, &of("no class of these Connectors has a configuration \"fre\"; did you mean \"free\"?"));
    case.fails("free", r#"{"free": "secret"}"#, &of("\"free\" is no object"));
    case.fails("free", r#"["free"]"#, &of("it is no object"));
    case.fails("free", "{\"free\": secret", &of("line 1 column 10 is no JSON"));
}

#[test]
fn everything_is_what_needs_no_more() {
    let case = Case::one(json!([
        {"name": "a", "data": {"a": ""}},
        {"name": "b", "params": [{"name": "p"}], "data": {"b": "{{ .configurations.p }}"}},
    ]));
    let own = |params: &str| {
        let files = case.select(&Selection::everything(Params::parse(params).unwrap())).unwrap().files;
        files.iter().filter(|file| file.is_of_class()).map(line).collect::<Vec<_>>()
    };
    assert_eq!(own(""), ["a="]);
    assert_eq!(own(r#"{"b": {"p": "v"}}"#), ["a=", "b=v"]);
    let but = Selection::all_but(["!a", "!ca.crt"], Params::parse(r#"{"b": {"p": "v"}}"#).unwrap()).unwrap();
    let names: Vec<String> = case.select(&but).unwrap().files.into_iter().map(|file| file.name).collect();
    assert!(
        names.contains(&"b".to_owned()) && names.contains(&"ca.cert".to_owned()) && !names.contains(&"a".to_owned()) && !names.contains(&"ca.crt".to_owned())
    );
    assert!(Selection::all_but(["!../x"], Params::default()).is_err());
    assert!(Case::one(json!([])).select(&Selection::everything(Params::default())).unwrap().missing.is_empty());
}

#[test]
fn several_connectors() {
    let text = "{{ .connector.name }}/{{ range .connectors }}{{ .name }},{{ end }}{{ .connectorclass.proxyAddress }}";
    let npm = class_with("npm", json!([{"name": "c", "data": {"shared": text, "npm": text}}]), &[]);
    let pypi = class_with("pypi", json!([{"name": "c", "data": {"shared": text, "pypi": text}}, {"name": "d", "data": {"d": text}}]), &[]);
    let case = Case { mounted: vec![(connector_of("one", json!({})), npm.clone(), "http://a")] }.and("two", pypi, "http://b").and("three", npm, "http://a");
    // Once a class, with its Connectors; of a file in both, that of the class whose Connector is named last, as is the proxy.
    case.has("c", "", &["npm=one/one,three,http://a", "pypi=two/two,http://b", "shared=one/one,three,http://a"]);
    let proxy = |case: &Case| case.render("", "").unwrap().files.iter().find(|file| file.name == "http.proxy").map(line).unwrap();
    assert!(proxy(&case).ends_with("@a"), "{}", proxy(&case));
    case.has("d", "", &["d=two/two,http://b"]);
    let case = Case { mounted: case.mounted.into_iter().take(2).collect() };
    case.has("c", "", &["npm=one/one,http://a", "pypi=two/two,http://b", "shared=two/two,http://b"]);
    assert!(proxy(&case).ends_with("@b"), "{}", proxy(&case));
}

#[test]
fn p24_no_file_name_leads_out() {
    for name in ["a/b", "/etc/passwd", "..", "../x", "..data", "a..b", ".", "", "nul\0", &"x".repeat(256)] {
        assert!(!is_file_name(name), "{name:?}");
        // The class is refused for it.
        let case = Case::one(json!([{"name": "c", "data": {name: ""}}]));
        let error = case.render("c", "").unwrap_err().to_string();
        assert!(error.starts_with("ConnectorClass \"npm\" is not usable: spec.configurations[0].data"), "{name:?}: {error}");
        // And if it weren't, the file would be.
        let mut files = Collected::default();
        let put = files.put(File { name: name.into(), content: SecretValue::new(""), source: Source::BuiltIn });
        assert_eq!(put, Err(ConfigurationError::FileName { name: name.into() }));
    }
    for name in ["a", ".npmrc", "a.b", &"x".repeat(255), "é", "-rf", "a b", "a\nb"] {
        assert!(is_file_name(name), "{name:?}");
    }
}

#[test]
fn p31_what_a_template_makes_is_bounded() {
    let fails = |template: &str, says: &str| {
        let error = Case::one(json!([{"name": "c", "data": {"f": template}}])).render("c", "").unwrap_err().to_string();
        assert!(error.starts_with("ConnectorClass \"npm\", configuration \"c\", file \"f\", line 1, column ") && error.contains(says), "{error}");
    };
    fails("{{ repeat 100000000 \"x\" }}", "bytes");
    fails("{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}", "");
    // Each file within its limit, and all of them too much.
    let data: Map<String, Value> = (0..5).map(|n| (format!("f{n}"), json!("{{ repeat 4000000 \"x\" }}"))).collect();
    let error = Case::one(json!([{"name": "c", "data": data}])).render("c", "").unwrap_err();
    assert_eq!(error, ConfigurationError::TooLarge { name: "f4".into() });
    // What another takes the place of was rendered too.
    let many = |count: usize| json!([{"name": "c", "data": (0..count).map(|n| (format!("f{n:03}"), json!("x"))).collect::<Map<_, _>>()}]);
    let case = Case::one(many(128));
    assert_eq!(case.render("c", "").unwrap().files.iter().filter(|file| file.is_of_class()).count(), 128);
    let case = case.and("two", class_with("other", many(1), &[]), "http://b");
    assert_eq!(case.render("c", "").unwrap_err(), ConfigurationError::TooMany { name: "f000".into() });
}

#[test]
fn errors_name_the_place_and_never_the_token() {
    let fails = |template: &str, expect: &str| {
        let case = Case::one(json!([{"name": "c", "data": {"f": template}}]));
        case.fails("c", "", &format!("ConnectorClass \"npm\", configuration \"c\", file \"f\", {expect}"));
    };
    fails("a\n {{ index .connectors 1 }}", "line 2, column 5: error calling index: reflect: slice index out of range");
    fails("{{ fail .context.token }}", "line 1, column 4: error calling fail: [redacted]");
    // Nor anything that is made of it.
    fails("{{ fail (b64enc .context.token) }}", "line 1, column 4: error calling fail: W3JlZGFjdGVkXQ==");
    fails("{{ fail (trunc 5 .context.token) }}", "line 1, column 4: error calling fail: [reda");
    fails("{{ fail (join \"-\" (splitList \"\" .context.token)) }}", "line 1, column 4: error calling fail: [-r-e-d-a-c-t-e-d-]");
    let only_then = "{{ if hasPrefix \"the\" .context.token }}\n{{ fail (upper .context.token) }}{{ end }}";
    fails(only_then, "line 2, column 4: it fails, and only with the token, which its message may quote");
    // Parameters are told with the token away as with it there.
    let given = Case::one(json!([{"name": "c", "data": {"f": "{{ fail .configurations.p }}"}}]));
    given.fails("c", r#"{"c": {"p": "v"}}"#, "ConnectorClass \"npm\", configuration \"c\", file \"f\", line 1, column 4: error calling fail: v");
    let broken = Case::one(json!([{"name": "c", "data": {"f": "a\n{{ if }}"}}]));
    broken.fails("", "", "ConnectorClass \"npm\" is not usable: spec.configurations[0].data.f: is no usable template: line 2: missing value for if");
}

#[test]
fn a_template_changes_nothing_for_the_next() {
    let case = Case::one(json!([{"name": "c", "data": {
        "a": "{{ $_ := set .connector \"name\" \"changed\" }}{{ .connector.name }}",
        "b": "{{ .connector.name }}",
    }}]));
    case.has("c", "", &["a=changed", "b=npm"]);
}
