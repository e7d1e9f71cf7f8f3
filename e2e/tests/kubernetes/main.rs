//! kubectl against a real API server, by the `proxy-url` of a kubeconfig that has nothing but the caller's own token: the proxy intercepts, and puts the
//! administrator's on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may panic too")]

mod world;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

use connectors_e2e::{random_bytes, unique, wait_for};

use crate::world::{Transport, World};

#[test]
fn get_and_create() {
    let world = World::new();
    let case = world.serve();
    let (pod, name) = (world.tool.pod(), unique("map"));
    case.kubectl(["auth", "whoami"]).succeeds().says("connectors-admin");
    case.kubectl(["get", "pod", &pod, "--output", "jsonpath={.status.phase}"]).succeeds().says("Running");
    case.kubectl(["create", "configmap", &name, "--from-literal=key=value"]).succeeds();
    assert_eq!(world.tool.kubectl(["get", "configmap", &name, "--output", "jsonpath={.data.key}"]), "value");
    case.kubectl(["delete", "configmap", &name]).succeeds();
    case.kubectl(["get", "configmap", &name]).fails().says("NotFound");
    case.assert_injected("create", "/api/v1/namespaces/default/configmaps?fieldManager=kubectl-create", 201);
}

#[test]
fn watch() {
    let world = World::new();
    let case = world.serve();
    let client = case.client(Transport::WebSocket);
    let watching = client.start("watch", ["get", "configmaps", "--watch", "--output", "name"]);
    let name = |number| format!("{}-{number}", unique("watched"));
    for number in 0..5 {
        let name = name(number);
        world.tool.kubectl(["create", "configmap", &name]);
        // Nothing that comes after it could push it out: the next one is made when this one is there.
        wait_for("the event", || watching.output().contains(&name).then_some(()));
    }
    drop(watching);
    // The tool is told that nobody watches any more.
    case.wait_for_record("/api/v1/namespaces/default/configmaps", |record| record["complete"] == false);
}

#[test]
fn exec() {
    let world = World::new();
    let case = world.serve();
    let pod = world.tool.pod();
    let input = random_bytes(5_000_000);
    for transport in Transport::BOTH {
        let client = case.client(transport);
        client.client.write("input", &input);
        let ran = client.shell(&format!("kubectl exec -i {pod} -- sh -c 'cat; echo to the error output >&2; exit 3' < input > output"));
        assert_eq!((ran.status.code(), ran.stderr.lines().next()), (Some(3), Some("to the error output")), "{ran:?}");
        assert!(std::fs::read(client.client.home().join("output")).unwrap() == input, "{transport:?}");
        // Each line is answered before the next is sent.
        let (mut lines, mut running) = client.start_with_input("exec", &format!("exec kubectl exec -i {pod} -- cat"));
        for number in 0..20 {
            writeln!(lines, "line {number}").unwrap();
            wait_for("the line", || running.output().contains(&format!("line {number}\n")).then_some(()));
        }
        drop(lines);
        assert!(running.wait().success(), "{}", running.errors());
        case.assert_injected(transport.verb(), &format!("/api/v1/namespaces/default/pods/{pod}/exec?"), 101);
    }
}

#[test]
fn a_caller_that_is_gone_is_gone_for_the_command_too() {
    let world = World::new();
    let case = world.serve();
    let pod = world.tool.pod();
    for transport in Transport::BOTH {
        let client = case.client(transport);
        let (_lines, running) = client.start_with_input("exec", &format!("exec kubectl exec -i {pod} -- sh -c 'echo $$; exec cat'"));
        let id: u32 = wait_for("the command's id", || running.output().trim().parse().ok());
        drop(running);
        wait_for("the command to end", || (!std::path::Path::new(&format!("/proc/{id}")).exists()).then_some(()));
    }
}

#[test]
fn port_forward() {
    let world = World::new();
    let case = world.serve();
    let pod = world.tool.pod();
    let port = echo();
    for transport in Transport::BOTH {
        let client = case.client(transport);
        let forwarding = client.start("port-forward", ["port-forward", &format!("pod/{pod}"), &format!(":{port}")]);
        let local: u16 = wait_for("the local port", || {
            let output = forwarding.output();
            output.lines().find_map(|line| line.strip_prefix("Forwarding from 127.0.0.1:")?.split(' ').next()?.parse().ok())
        });
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let data = random_bytes(2_000_000);
                    let mut stream = connect(local);
                    let mut reader = stream.try_clone().unwrap();
                    let back = std::thread::spawn(move || {
                        let mut back = Vec::new();
                        reader.read_to_end(&mut back).map(|_| back)
                    });
                    stream.write_all(&data).unwrap();
                    // The other side goes on sending after this.
                    stream.shutdown(Shutdown::Write).unwrap();
                    assert!(back.join().unwrap().unwrap() == data, "{transport:?}");
                });
            }
        });
        drop(forwarding);
        case.assert_injected(transport.verb(), &format!("/api/v1/namespaces/default/pods/{pod}/portforward"), 101);
    }
}

#[test]
fn logs_are_followed() {
    let world = World::new();
    let case = world.serve();
    let pod = world.tool.pod();
    let client = case.client(Transport::WebSocket);
    let following = client.start("logs", ["logs", "--follow", &pod]);
    for number in 0..5 {
        let line = format!("{}-{number}", unique("logged"));
        world.tool.log(&format!("{line}\n"));
        wait_for("the line", || following.output().contains(&line).then_some(()));
    }
    drop(following);
    case.wait_for_record(&format!("/api/v1/namespaces/default/pods/{pod}/log"), |record| record["status"] == 200);
}

#[test]
fn cp() {
    let world = World::new();
    let case = world.serve();
    let pod = world.tool.pod();
    let inside = tempfile::tempdir().unwrap();
    let data = random_bytes(5_000_000);
    for transport in Transport::BOTH {
        let client = case.client(transport);
        client.client.write("file", &data);
        let path = inside.path().join(format!("{transport:?}"));
        client.kubectl(["cp", "file", &format!("{pod}:{}", path.display())]).succeeds();
        assert!(std::fs::read(&path).unwrap() == data, "{transport:?}");
        client.kubectl(["cp", &format!("{pod}:{}", path.display()), "back"]).succeeds();
        assert!(std::fs::read(client.client.home().join("back")).unwrap() == data, "{transport:?}");
    }
}

#[test]
fn without_rights() {
    let world = World::new();
    let case = world.serve_as("team/stranger");
    let pod = world.tool.pod();
    for transport in Transport::BOTH {
        let client = case.client(transport);
        client.kubectl(["get", "pod", &pod]).fails().says("Forbidden");
        client.kubectl(["exec", &pod, "--", "true"]).fails().says("Forbidden");
    }
    assert!(world.tool.seen().iter().all(|seen| !seen["requestURI"].as_str().unwrap().ends_with(&format!("/pods/{pod}/exec"))));
}

/// A server that sends back what it gets, also after that has ended. Its thread ends with the process.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).and_then(|_| stream.write_all(&all))
            });
        }
    });
    port
}

#[expect(clippy::disallowed_methods, reason = "this is a client of kubectl's")]
fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).unwrap()
}
