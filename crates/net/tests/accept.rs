//! Accepting when the process has no file descriptors left. In a process of its own, since the limit is the process's.

use std::fs::File;
use std::time::Duration;

use connectors_net::{Listeners, accept};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket};

#[test]
#[expect(clippy::disallowed_methods, reason = "this is the client, not the proxy")]
fn accepting_goes_on_once_there_are_file_descriptors_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let address = listeners.local_addr();
        let listener = TcpListener::from_std(listeners.into_iter().next().unwrap()).unwrap();
        let client = TcpSocket::new_v4().unwrap().connect(address).await.unwrap();

        let limit = Rlimit { current: Some(64), ..getrlimit(Resource::Nofile) };
        setrlimit(Resource::Nofile, limit).unwrap();
        let mut held = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            held.push(file);
        }
        // It can't be accepted now, and waiting for that isn't an error.
        assert!(tokio::time::timeout(Duration::from_millis(50), accept(&listener)).await.is_err());
        drop(held);
        let (_, peer) = tokio::time::timeout(Duration::from_secs(20), accept(&listener)).await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}
