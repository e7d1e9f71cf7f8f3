use connectors_core::{Host, Origin, Scheme};
use serde_json::{Value, json};

use super::*;
use crate::testing::{checked, class, connector, credentials, secret};
use crate::{CheckedClass, Secret, validate};

const CANARY: &str = "canary-8841";

fn probing(http: Value) -> CheckedClass {
    checked(class(json!({"livenessProbe": {"http": http}})))
}

/// What is sent to the tool of a Connector with these fields.
fn sent(http: Value, more: Value, secret: Option<&Secret>) -> Result<Request, Outcome> {
    let class = probing(http);
    assert_eq!(class.error(), None);
    prepare(Role::Liveness, &connector(more), &class, secret, None).map(|request| request.unwrap())
}

/// Origin and target, or what is wrong.
fn url(http: Value, more: Value) -> String {
    match sent(http, more, Some(&credentials())) {
        Ok(request) => format!("{}://{}{}", request.origin.scheme().as_str(), request.origin.authority(), request.target.expose_str().unwrap()),
        Err(outcome) => outcome.message,
    }
}

fn headers(http: Value, secret: Option<&Secret>) -> Vec<String> {
    let request = sent(http, json!({}), secret).unwrap();
    request.headers.iter().map(|(name, value)| format!("{name}: {}", value.expose_str().unwrap())).collect()
}

#[test]
fn where_a_probe_goes() {
    let at = |address: &str| json!({"address": address});
    for (http, address, expect) in [
        // The path of the address doesn't count, but a template can put it there.
        (json!({"path": "/x?y=z"}), "https://git.example/prefix", "https://git.example/x?y=z"),
        (
            json!({"path": "{{ trimSuffix \"/\" .Connector.Spec.Address | urlParse | dig \"path\" \"\" }}/x"}),
            "https://git.example/p/",
            "https://git.example/p/x",
        ),
        (json!({"path": "/"}), "http://git.example:8080", "http://git.example:8080/"),
        (json!({"path": "/", "host": "GIT.example"}), "https://git.example:8443", "https://git.example:8443/"),
        (json!({"path": "/", "host": "git.example:9000"}), "https://git.example:8443", "https://git.example:9000/"),
        (json!({"path": "/", "host": "api.example"}), "https://git.example:8443", "http://api.example/"),
        (json!({"path": "/", "host": "api.example", "scheme": "https"}), "http://git.example", "https://api.example/"),
        (json!({"path": "/", "host": "api.example:8080"}), "https://git.example", "http://api.example:8080/"),
        (json!({"path": "/", "scheme": "https"}), "http://git.example", "https://git.example/"),
        (json!({"path": "/", "scheme": "http"}), "https://git.example:8443", "http://git.example:8443/"),
        (json!({"path": "\n  /a b/ü/{{ \"%2F\" }}\n"}), "https://git.example", "https://git.example/a%20b/%C3%BC/%2F"),
        (json!({"path": "/{{ .Connector.Name }}"}), "https://git.example", "https://git.example/repo"),
        (json!({"path": "{{ .Connector.Name }}"}), "https://git.example", "spec.livenessProbe.http.path must render to a path that begins with '/'"),
        (
            json!({"path": "/{{ \"a\\nb\" }}"}),
            "https://git.example",
            "spec.livenessProbe.http.path renders to a path with a line break or another control character in it",
        ),
        (json!({"path": "/{{ \"#\" }}"}), "https://git.example", "spec.livenessProbe.http.path must render to a path without '#'"),
    ] {
        assert_eq!(url(http.clone(), at(address)), expect, "{http}");
    }
}

#[test]
fn headers_are_templates() {
    let basic = "{{- if .Secret }}\nBasic {{ printf \"%s:%s\" .Secret.StringData.username .Secret.StringData.password | b64enc }}\n{{- end }}\n";
    let http = || json!({"path": "/", "httpHeaders": [{"name": "Authorization", "value": basic}, {"name": "Accept", "value": "text/html"}]});
    assert_eq!(headers(http(), Some(&credentials())), ["Authorization: Basic dTpw", "Accept: text/html"]);
    // Without a Secret there is nothing to send, rather than an empty value.
    assert_eq!(headers(http(), None), ["Accept: text/html"]);
    let broken = json!({"path": "/", "httpHeaders": [{"name": "X", "value": "a\nb"}]});
    let outcome = sent(broken, json!({}), None).unwrap_err();
    assert_eq!(outcome.message, "spec.livenessProbe.http.httpHeaders[0].value renders to a text with a line break or another control character in it");
    assert_eq!(outcome.verdict, Verdict::Invalid);
}

#[test]
fn p31_what_a_probe_renders_is_small_and_soon_made() {
    for (path, expect) in [
        ("/{{ repeat 70000 \"x\" }}", "more than 65536 bytes"),
        ("/{{ repeat 16384 \"x\" }}", "spec.livenessProbe.http.path renders to a path of more than 16 KiB"),
        ("/{{ repeat 6000 \"ü\" }}", "spec.livenessProbe.http.path renders to a path of more than 16 KiB"),
        ("/{{ bcrypt \"a\" }}{{ bcrypt \"b\" }}", "more than 1 calls of functions that make keys or hash passwords"),
    ] {
        let outcome = sent(json!({"path": path}), json!({}), None).unwrap_err();
        assert!(outcome.verdict == Verdict::Invalid && outcome.message.contains(expect), "{path}: {}", outcome.message);
    }
    let full = sent(json!({"path": "/", "httpHeaders": vec![json!({"name": "A", "value": "v"}); 64]}), json!({}), None).unwrap();
    assert_eq!(full.headers.len(), 64);
}

/// A class with a probe of `basicAuth` that has a parameter.
fn with_auth_probe(params: Value) -> CheckedClass {
    let path =
        "/{{ range .Connector.Spec.Auth.Params }}{{ if eq .Name \"repository\" }}{{ .Value.StringVal }}{{ end }}{{ end }}/info/refs?service=git-upload-pack";
    checked(class(json!({"authProbes": [{"authName": "basicAuth", "params": params, "probe": {"http": {"path": path}}}]})))
}

#[test]
fn authentication_probes_are_those_of_the_type_with_its_parameters() {
    let target = |class: &CheckedClass, more: Value, secret: Option<&Secret>| {
        let request = prepare(Role::Auth, &connector(more), class, secret, None).unwrap()?;
        Some(request.target.expose_str().unwrap().to_owned())
    };
    let class = with_auth_probe(json!([{"name": "repository", "default": "none"}]));
    assert_eq!(class.error(), None);
    let given = json!({"auth": {"name": "basicAuth", "secretRef": {"name": "repo"}, "params": [{"name": "repository", "value": "org/repo.git"}]}});
    assert_eq!(target(&class, given, Some(&credentials())).as_deref(), Some("/org/repo.git/info/refs?service=git-upload-pack"));
    // The class's default counts, also where the Connector says nothing at all of authentication.
    for more in [json!({}), json!({"auth": {"name": "basicAuth"}}), json!({"auth": null})] {
        assert_eq!(target(&class, more, None).as_deref(), Some("/none/info/refs?service=git-upload-pack"));
    }
    let other = json!({"auth": {"name": "tokenAuth", "secretRef": {"name": "repo"}}});
    assert_eq!(target(&class, other, None), None);
}

#[test]
fn the_class_api_gets_what_plugins_get() {
    let class = checked(class(json!({
        "api": {"uri": "https://plugin.example/base"},
        "authProbes": [{"authName": "basicAuth", "probe": {"api": {"path": "/check/{{ .Connector.Name }}"}}}],
    })));
    assert_eq!(class.error(), None);
    let prepared = |secret, api| prepare(Role::Auth, &connector(json!({})), &class, secret, api).map(Option::unwrap);
    let secret = credentials();
    let request = prepared(Some(&secret), Some("https://plugin.example/base/")).unwrap();
    assert_eq!(request.target.expose_str(), Some("/base/check/repo"));
    assert_eq!(request.shown(), "GET https://plugin.example/base/check/repo");
    assert!(request.to_api && !request.follow);
    let decode = |text: &str| String::from_utf8(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap()).unwrap();
    let lines: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {}", decode(value.expose_str().unwrap()))).collect();
    assert_eq!(
        lines,
        [
            r#"X-Plugin-Meta: {"baseURL":"https://git.example"}"#,
            "X-Plugin-Auth: kubernetes.io/basic-auth",
            r#"X-Plugin-Secret: {"password":"cA==","username":"dQ=="}"#,
        ]
    );
    assert_eq!(prepared(None, Some("http://plugin")).unwrap().headers.len(), 1);
    for (status, verdict) in [
        (200, Verdict::Passed),
        (401, Verdict::Refused),
        (403, Verdict::Refused),
        (204, Verdict::Undecided),
        (302, Verdict::Undecided),
        (500, Verdict::Undecided),
    ] {
        assert_eq!(request.judge(answer(status, b"")).verdict, verdict, "{status}");
    }
    assert_eq!(request.no_answer("no connection can be made", None).verdict, Verdict::Undecided);
    let unknown = prepared(None, None).unwrap_err();
    assert_eq!((unknown.verdict, &*unknown.message), (Verdict::Undecided, "the address of the class's API is not known"));
}

fn answer(status: u16, body: &[u8]) -> Answer<'_> {
    Answer { status, headers: &[], body, redirected: None }
}

/// The same request as a liveness probe and as an authentication probe.
fn both(http: Value, secret: Option<&Secret>) -> [Request; 2] {
    let class = checked(class(json!({"livenessProbe": {"http": http}, "authProbes": [{"authName": "basicAuth", "probe": {"http": http}}]})));
    assert_eq!(class.error(), None);
    [Role::Liveness, Role::Auth].map(|role| prepare(role, &connector(json!({})), &class, secret, None).unwrap().unwrap())
}

#[test]
fn answers_are_judged() {
    let [plain, auth] = both(json!({"path": "/"}), None);
    assert!(!plain.wants_body());
    for (status, verdict, to_a_credential) in [
        (200, Verdict::Passed, Verdict::Passed),
        (299, Verdict::Passed, Verdict::Passed),
        (302, Verdict::Failed, Verdict::Failed),
        // Nobody was told no to a credential by an answer to a request without one, unless that is what was asked.
        (401, Verdict::Failed, Verdict::Refused),
        (403, Verdict::Failed, Verdict::Refused),
        (404, Verdict::Failed, Verdict::Failed),
        (500, Verdict::Failed, Verdict::Failed),
    ] {
        for (request, verdict) in [(&plain, verdict), (&auth, to_a_credential)] {
            let outcome = request.judge(answer(status, b""));
            assert_eq!(outcome.verdict, verdict, "{:?} {status}", request.role);
            let expect = if verdict == Verdict::Passed { String::new() } else { format!("GET https://git.example/ : {status}") };
            assert_eq!(outcome.message, expect);
        }
    }
    let strict = both(json!({"path": "/", "method": "POST", "response": {"cel": "response.statusCode == 200 && response.body.valid"}}), None);
    for (request, field) in strict.iter().zip(["spec.livenessProbe.http.response.cel", "spec.authProbes[0].probe.http.response.cel"]) {
        assert!(request.wants_body());
        // That the tool says no more than it should with a 200 is about the credential only where a credential is asked about.
        let no = if request.role == Role::Auth { Verdict::Refused } else { Verdict::Failed };
        for (status, body, verdict, message) in [
            (200, r#"{"valid": true}"#, Verdict::Passed, String::new()),
            (200, r#"{"valid": false}"#, no, format!("POST https://git.example/ : 200, and {field} is false")),
            (401, "{}", no, format!("POST https://git.example/ : 401, and {field} is false")),
            (500, r#"{"valid": true}"#, Verdict::Failed, format!("POST https://git.example/ : 500, and {field} is false")),
            (200, "{}", Verdict::Invalid, format!("POST https://git.example/ : 200, and {field}: no such key: valid")),
        ] {
            assert_eq!(request.judge(answer(status, body.as_bytes())), Outcome { verdict, message }, "{:?} {status} {body}", request.role);
        }
    }
    // 401 can be what a class waits for.
    let challenged = sent(json!({"path": "/v2/", "response": {"cel": "response.statusCode in [200, 401]"}}), json!({}), None).unwrap();
    assert_eq!(challenged.judge(answer(401, b"")).verdict, Verdict::Passed);
    for (scheme, host, port, shown) in [
        (Scheme::Https, "git.example", Some(8443), "https://git.example:8443"),
        (Scheme::Http, "git.example", None, "http://git.example"),
        (Scheme::Https, "sso.example", None, "another host"),
        (Scheme::Https, "buy-this.git.example", None, "another host"),
    ] {
        let origin = Origin::new(scheme, Host::parse(host).unwrap(), port);
        let redirected = plain.judge(Answer { redirected: Some(&origin), ..answer(404, b"") });
        assert_eq!(redirected.message, format!("GET https://git.example/, redirected to {shown} : 404"));
    }
    assert_eq!(plain.no_answer("timed out", None), Outcome { verdict: Verdict::NoAnswer, message: "GET https://git.example/ : timed out".into() });
}

#[test]
fn messages_are_short_and_end_with_what_was_found() {
    let request = sent(json!({"path": "/{{ repeat 16383 \"x\" }}"}), json!({}), None).unwrap();
    assert_eq!((request.target.expose().len(), request.shown().len()), (16 * 1024, 768));
    let message = request.judge(answer(404, b"")).message;
    assert!(message.starts_with("GET https://git.example/xxx") && message.ends_with("x… : 404"), "{message}");
    for outcome in [request.no_answer(&"ü".repeat(5000), None), Outcome::invalid("ü".repeat(5000))] {
        assert!((1020..=1024).contains(&outcome.message.len()) && outcome.message.ends_with("ü…"), "{}", outcome.message);
    }
    let condition = crate::Condition::fails("A", "B", "x".repeat(5000));
    assert_eq!((condition.message.len(), condition.status), (1024, crate::ConditionStatus::False));
}

#[test]
fn a_liveness_probe_is_refused_only_with_a_credential() {
    let header = |value: &str| json!({"path": "/", "httpHeaders": [{"name": "A", "value": value}], "response": {"cel": "false"}});
    for (http, verdict) in [
        (header("fixed"), Verdict::Failed),
        (header("{{ if .Secret }}there is one{{ end }}"), Verdict::Failed),
        (header("{{ .Secret.StringData.password }}"), Verdict::Refused),
        (json!({"path": "/{{ .Secret.StringData.password | sha256sum }}"}), Verdict::Refused),
        (json!({"path": "/"}), Verdict::Failed),
    ] {
        let [liveness, _] = both(http.clone(), Some(&credentials()));
        for status in [401, 403] {
            assert_eq!(liveness.judge(answer(status, b"")).verdict, verdict, "{http} {status}");
        }
        assert_ne!(liveness.judge(answer(404, b"")).verdict, Verdict::Refused, "{http}");
    }
    let class = checked(class(json!({"api": {"uri": "https://plugin.example"}, "livenessProbe": {"api": {"path": "/"}}})));
    for (secret, verdict) in [(None, Verdict::Failed), (Some(&credentials()), Verdict::Refused)] {
        let request = prepare(Role::Liveness, &connector(json!({})), &class, secret, Some("https://plugin.example")).unwrap().unwrap();
        assert_eq!(request.judge(answer(403, b"")).verdict, verdict);
    }
}

#[test]
fn p23_messages_have_nothing_of_the_secret() {
    let secret = secret("repo", crate::BASIC_AUTH, &[("username", "u"), ("password", CANARY)]);
    let everything = |path: &str| {
        let http = json!({"path": path, "httpHeaders": [{"name": "X-Token", "value": "{{ .Secret.StringData.password }}"}]});
        match sent(http, json!({}), Some(&secret)) {
            Err(outcome) => format!("{outcome:?}"),
            Ok(request) => {
                assert_eq!(request.headers[0].1.expose_str(), Some(CANARY));
                let leak = Origin::new(Scheme::Http, Host::parse(&format!("{CANARY}.example")).unwrap(), None);
                let redirected = Answer { redirected: Some(&leak), ..answer(401, b"") };
                format!("{request:?} {} {:?} {:?}", request.shown(), request.judge(redirected), request.no_answer("x", Some(&leak)))
            }
        }
    };
    for (path, expect) in [
        ("/", "GET https://git.example/ "),
        ("/{{ .Connector.Name }}?a=b", "GET https://git.example/repo?a=b "),
        ("/x?token={{ .Secret.StringData.password }}&a=b", "GET https://git.example/x?token=…&a=b "),
        ("/{{ printf \"%v\" .Secret.StringData }}", "GET https://git.example/… "),
        ("/{{ toJson .Secret.StringData | b64enc }}", "GET https://git.example/… "),
        ("/{{ range $k, $v := .Secret.StringData }}{{ $v | sha256sum }}{{ end }}", "GET https://git.example/… "),
        ("/{{ fail .Secret.StringData.password }}", "spec.livenessProbe.http.path: fails at 1:4"),
        ("/{{ .Connector.Missing }}", "template: path:1:14: executing \\\"path\\\" at <.Connector.Missing>"),
    ] {
        let text = everything(path);
        assert!(text.contains(expect), "{path}: {text}");
        assert!(!text.contains(CANARY), "{path}: {text}");
        assert!(!text.contains("Y2FuYXJ5"), "{path}: {text}");
    }
}

#[test]
fn what_is_wrong_with_a_probe_is_found_with_its_class() {
    let problems = |probe: Value| -> Vec<String> {
        let class = class(json!({"livenessProbe": probe}));
        validate::class(&class).iter().map(|problem| format!("{} {problem}", problem.severity.as_str())).collect()
    };
    let http = |more: Value| {
        let mut http = json!({"path": "/"});
        http.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        problems(json!({"http": http}))
    };
    assert!(http(json!({})).is_empty() && http(json!({"path": " {{ \"/\" }}"})).is_empty());
    for (found, expect) in [
        (http(json!({"path": "/{{ .x"})), "error spec.livenessProbe.http.path: is no usable template: template: path:1: unclosed action"),
        (http(json!({"path": "{id}/x"})), "error spec.livenessProbe.http.path: must begin with '/'"),
        (http(json!({"path": "x{{ .Connector.Name }}"})), "error spec.livenessProbe.http.path: must begin with '/'"),
        (http(json!({"host": "a/b"})), "error spec.livenessProbe.http.host: must be a host, or host:port: "),
        (http(json!({"httpHeaders": [{"name": "a b", "value": "v"}]})), "error spec.livenessProbe.http.httpHeaders[0].name: must be the name of a header"),
        (
            http(json!({"httpHeaders": [{"name": "A", "value": "{{ nothing }}"}]})),
            "error spec.livenessProbe.http.httpHeaders[0].value: is no usable template: template: value:1: function \"nothing\" not defined",
        ),
        (http(json!({"httpHeaders": [{"name": "HOST", "value": "x"}]})), "warning spec.livenessProbe.http.httpHeaders[0].name: HOST is not sent"),
        (
            http(json!({"httpHeaders": vec![json!({"name": "A", "value": "v"}); 65]})),
            "error spec.livenessProbe.http.httpHeaders: has 65 headers, and may have 64",
        ),
        (http(json!({"response": {"cel": " "}})), "error spec.livenessProbe.http.response.cel: is required"),
        (http(json!({"response": {"cel": "response.status +"}})), "error spec.livenessProbe.http.response.cel: is no usable condition: 1:18: "),
        (
            http(json!({"response": {"cel": "1 + 1"}})),
            "error spec.livenessProbe.http.response.cel: is no usable condition: the condition is a int, and must be a bool",
        ),
        (problems(json!({"api": {"path": "/"}})), "error spec.livenessProbe.api: needs spec.api, which says where the class's API is"),
    ] {
        assert!(found.len() == 1 && found[0].starts_with(expect), "{found:?} / {expect}");
    }
}

/// What classes of known tools ask for, as one would write them.
#[test]
fn known_tools() {
    let prefix = r#"{{ (.Connector.Spec.Address | urlParse).path | trimSuffix "/" }}"#;
    let basic = r#"{{ if .Secret }}Basic {{ printf "%s:%s" .Secret.StringData.username .Secret.StringData.password | b64enc }}{{ end }}"#;
    let sonar = r#"{{ if .Secret }}Basic {{ printf "%s:" .Secret.StringData.token | b64enc }}{{ end }}"#;
    let bearer = "{{ if .Secret }}Bearer {{ .Secret.StringData.token }}{{ end }}";
    // The check of a repository that refuses anonymous callers; without a Secret whatever answers will do.
    let maven = format!("{{{{ if .Secret }}}}{prefix}{{{{ end }}}}/");
    let token = || secret("repo", crate::BEARER_TOKEN, &[("token", "t")]);
    let header = |name: &str, value: &str| json!([{"name": name, "value": value}]);
    for (address, http, secret, url, sent) in [
        (
            "https://nexus.example/repository/npm/",
            json!({"path": format!("{prefix}/"), "httpHeaders": header("Authorization", basic)}),
            credentials(),
            "https://nexus.example/repository/npm/",
            "Authorization: Basic dTpw",
        ),
        (
            "https://pypi.example",
            json!({"path": format!("{prefix}/simple/"), "httpHeaders": header("Authorization", basic)}),
            credentials(),
            "https://pypi.example/simple/",
            "Authorization: Basic dTpw",
        ),
        (
            "https://nexus.example/repository/maven",
            json!({"path": maven, "httpHeaders": header("Authorization", basic)}),
            credentials(),
            "https://nexus.example/repository/maven/",
            "Authorization: Basic dTpw",
        ),
        (
            "https://gitlab.example",
            json!({"path": "/api/v4/user", "httpHeaders": header("Private-Token", "{{ with .Secret }}{{ .StringData.token }}{{ end }}")}),
            token(),
            "https://gitlab.example/api/v4/user",
            "Private-Token: t",
        ),
        (
            "https://github.com",
            json!({"path": "/rate_limit", "host": "api.github.com", "scheme": "https", "httpHeaders": header("Authorization", bearer)}),
            token(),
            "https://api.github.com/rate_limit",
            "Authorization: Bearer t",
        ),
        (
            "https://k8s.example:6443/kubernetes/global",
            json!({"path": format!("{prefix}/api"), "httpHeaders": header("Authorization", bearer)}),
            token(),
            "https://k8s.example:6443/kubernetes/global/api",
            "Authorization: Bearer t",
        ),
        (
            "http://sonar.example:9000",
            json!({"path": "/api/authentication/validate", "httpHeaders": header("Authorization", sonar), "response": {"cel": "response.statusCode == 200 && response.body.valid"}}),
            token(),
            "http://sonar.example:9000/api/authentication/validate",
            "Authorization: Basic dDo=",
        ),
    ] {
        let request = self::sent(http, json!({"address": address}), Some(&secret)).unwrap();
        let lines: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {}", value.expose_str().unwrap())).collect();
        let target = request.target.expose_str().unwrap();
        assert_eq!(
            (format!("{}://{}{target}", request.origin.scheme().as_str(), request.origin.authority()), &*lines),
            (url.to_owned(), &[sent.to_owned()][..])
        );
        // Nothing of these comes from the Secret, so all of it can be told.
        assert_eq!(request.shown(), format!("GET {url}"));
    }
    let anonymous =
        self::sent(json!({"path": maven, "httpHeaders": header("Authorization", basic)}), json!({"address": "https://nexus.example/repository/maven"}), None)
            .unwrap();
    assert_eq!((anonymous.target.expose_str(), anonymous.headers.len()), (Some("/"), 0));
}
