use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, server};

use super::*;
use crate::testing::{DEADLINE, HOUR, TestCa, listen, origin, run, self_signed};
use crate::{AddressClass, Cidr, Resolving};

/// Answers each question with the next of these, and the last one from then on.
#[derive(Clone)]
struct Answers {
    answers: Arc<[&'static [&'static str]]>,
    asked: Arc<AtomicUsize>,
}

impl Answers {
    fn new(answers: &[&'static [&'static str]]) -> Self {
        Self { answers: answers.into(), asked: Arc::default() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Answers {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[asked.min(self.answers.len() - 1)];
        let addresses = answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Box::pin(async move { Ok(addresses) })
    }
}

/// Never answers.
struct Silent;

impl Resolve for Silent {
    fn resolve<'a>(&'a self, _: &'a str) -> Resolving<'a> {
        Box::pin(std::future::pending())
    }
}

/// Trusts no system CAs and lets through, besides what the guard does by itself, these ranges.
fn dialer(allow: &[&str], within: Duration, resolver: impl Resolve + 'static) -> Dialer {
    let allow: Vec<Cidr> = allow.iter().map(|text| text.parse().unwrap()).collect();
    Dialer::with_resolver(Guard::new(allow), ClientTls::with_system_roots(RootCertStore::empty()), within, resolver)
}

/// Two listeners on the same port, of two loopback addresses.
async fn two_listeners() -> (TcpListener, TcpListener, u16) {
    loop {
        let (one, address) = listen("127.0.0.1:0").await;
        // Taken by somebody else only if the port happens to be in use there.
        if let Ok(two) = TcpListener::bind(("127.0.0.2", address.port())).await {
            return (one, two, address.port());
        }
    }
}

/// Nobody has connected. What a finished handshake leaves is there by the time that its client knows, so there is nothing to wait for.
fn is_untouched(listener: TcpListener) -> bool {
    matches!(listener.into_std().unwrap().accept(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Has a listener take part in no handshake any more, for as long as what is returned is kept.
fn deafen(listener: &TcpListener) -> Vec<socket2::Socket> {
    SockRef::from(listener).listen(0).unwrap();
    let address = listener.local_addr().unwrap().into();
    let client = || {
        let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        // The first fills the backlog; the others are in progress for good.
        let _ = client.connect(&address);
        client
    };
    (0..4).map(|_| client()).collect()
}

/// Accepts one TLS connection and says "hello" on it.
async fn serve(listener: TcpListener, config: Arc<ServerConfig>) -> io::Result<server::TlsStream<TcpStream>> {
    let (stream, _) = listener.accept().await?;
    let mut stream = TlsAcceptor::from(config).accept(stream).await?;
    stream.write_all(b"hello").await?;
    stream.flush().await?;
    Ok(stream)
}

#[test]
fn p18_a_name_is_resolved_once_and_what_was_checked_is_dialled() {
    run(async {
        let (denied, allowed, port) = two_listeners().await;
        let origin = origin(Scheme::Http, "rebinding.example", port);
        for reach in [Reach::Elsewhere, Reach::Target] {
            let answers = Answers::new(&[&["127.0.0.2"], &["127.0.0.1"]]);
            let connect = async |dialer: &Dialer| dialer.connect(&origin, &TrustRoots::default(), reach, Alpn::Http1).await;
            let before = dialer(&["127.0.0.2"], DEADLINE, answers.clone());
            for _ in 0..2 {
                assert_eq!(connect(&before).await.unwrap().peer.to_string(), format!("127.0.0.2:{port}"));
                allowed.accept().await.unwrap();
                assert_eq!(answers.asked(), 1);
            }
            // The name leads to the proxy's own machine now. What is remembered is checked like what is new.
            let after = dialer(&["127.0.0.2"], DEADLINE, answers.clone());
            for _ in 0..2 {
                let error = connect(&after).await.unwrap_err();
                assert!(matches!(error, DialError::Denied(_)), "{error:?}");
                assert_eq!(answers.asked(), 2);
            }
        }
        assert!(is_untouched(denied));
    });
}

#[test]
fn p18_what_was_resolved_for_a_connector_is_checked_anew_for_everybody_else() {
    run(async {
        let (listener, address) = listen("127.0.0.1:0").await;
        let answers = Answers::new(&[&["10.0.0.1"], &["10.0.0.1"]]);
        let dialer = dialer(&[], Duration::from_millis(50), answers.clone());
        let origin = origin(Scheme::Http, "git.example", address.port());
        let connect = async |reach| dialer.connect(&origin, &TrustRoots::default(), reach, Alpn::Http1).await.unwrap_err();
        // Private, so a Connector may lead there; nobody is there.
        assert!(!matches!(connect(Reach::Target).await, DialError::Denied(_)));
        assert!(matches!(connect(Reach::Elsewhere).await, DialError::Denied(AddressDenied::Elsewhere { class: AddressClass::Private, .. })));
        assert_eq!(answers.asked(), 2);
        drop(listener);
    });
}

/// As [`Dialer::connect`] returns it for a name that was looked up `ago`.
fn standing(ago: Duration) -> Standing {
    let confirmed = Moment::now() - ago;
    Standing { confirmed, due: Some(confirmed + crate::names::ANSWER_COUNTS) }
}

#[test]
fn a_connection_whose_address_its_name_has_lost_carries_no_other_request() {
    run(async {
        let answers = Answers::new(&[&["192.0.2.1", "192.0.2.2"]]);
        let dialer = dialer(&[], DEADLINE, answers.clone());
        let origin = origin(Scheme::Http, "moved.example", 80);
        let [kept, lost] = ["192.0.2.2:80", "192.0.2.3:80"].map(|address| address.parse().unwrap());
        let long_ago = Duration::from_secs(3);
        // Known to be right still, so nobody is asked.
        assert!(dialer.confirm(&origin, Reach::Target, lost, &mut standing(long_ago)).await);
        assert_eq!(answers.asked(), 0);
        let due = || standing(crate::names::ANSWER_COUNTS);
        assert!(!dialer.confirm(&origin, Reach::Target, lost, &mut due()).await);
        let mut renewed = due();
        assert!(dialer.confirm(&origin, Reach::Target, kept, &mut renewed).await);
        assert!(!renewed.is_due(Moment::now()) && renewed.is_due(Moment::now() + crate::names::ANSWER_COUNTS));
        assert_eq!(answers.asked(), 1);
    });
}

#[test]
fn a_name_server_that_is_silent_or_fails_breaks_no_connection_for_a_minute() {
    run(async {
        let origin = origin(Scheme::Http, "quiet.example", 80);
        let peer = "192.0.2.1:80".parse().unwrap();
        for dialer in [dialer(&[], DEADLINE, Silent), dialer(&[], DEADLINE, Answers::new(&[&[]]))] {
            let mut recent = standing(UNCONFIRMED - Duration::from_secs(5));
            assert!(dialer.confirm(&origin, Reach::Target, peer, &mut recent).await);
            // Not asked for with every request.
            assert!(!recent.is_due(Moment::now()) && recent.is_due(Moment::now() + FAILURE_COUNTS));
            assert!(!dialer.confirm(&origin, Reach::Target, peer, &mut standing(UNCONFIRMED)).await);
        }
    });
}

#[test]
fn literal_addresses_stand_for_ever() {
    run(async {
        let (listener, address) = listen("127.0.0.1:0").await;
        let answers = Answers::new(&[&["192.0.2.1"]]);
        let dialer = dialer(&[], DEADLINE, answers.clone());
        for host in ["127.0.0.1", "localhost"] {
            let origin = origin(Scheme::Http, host, address.port());
            let mut connected = dialer.connect(&origin, &TrustRoots::default(), Reach::Target, Alpn::Http1).await.unwrap();
            listener.accept().await.unwrap();
            assert!(!connected.standing.is_due(Moment::now() + 24 * HOUR));
            assert!(dialer.confirm(&origin, Reach::Target, connected.peer, &mut connected.standing).await);
        }
        assert_eq!(answers.asked(), 0);
    });
}

#[test]
fn p18_of_several_addresses_the_denied_ones_are_never_dialled() {
    run(async {
        let (denied, allowed, port) = two_listeners().await;
        let dialer = dialer(&["127.0.0.2"], DEADLINE, Answers::new(&[&["127.0.0.1", "127.0.0.2", "::1"]]));
        let origin = origin(Scheme::Http, "mixed.example", port);
        let connected = dialer.connect(&origin, &TrustRoots::default(), Reach::Elsewhere, Alpn::Http1).await.unwrap();
        assert_eq!(connected.peer.ip().to_string(), "127.0.0.2");
        // Nor when the only allowed one doesn't answer.
        drop(allowed);
        let error = dialer.connect(&origin, &TrustRoots::default(), Reach::Elsewhere, Alpn::Http1).await.unwrap_err();
        assert!(matches!(error, DialError::Connect(ConnectError { address, .. }) if address.ip().to_string() == "127.0.0.2"));
        assert!(is_untouched(denied));
    });
}

#[test]
fn p19_addresses_and_localhost_are_never_resolved() {
    run(async {
        let answers = Answers::new(&[&["127.0.0.1"]]);
        let dialer = dialer(&[], DEADLINE, answers.clone());
        for (host, class) in [
            ("127.0.0.1", AddressClass::Loopback),
            ("[::1]", AddressClass::Loopback),
            ("[::ffff:127.0.0.1]", AddressClass::Loopback),
            ("localhost", AddressClass::Loopback),
            ("c-git.team.localhost", AddressClass::Loopback),
            ("10.0.0.1", AddressClass::Private),
            ("169.254.169.254", AddressClass::Metadata),
            ("0.0.0.0", AddressClass::Unspecified),
        ] {
            let error = dialer.connect(&origin(Scheme::Http, host, 80), &TrustRoots::default(), Reach::Elsewhere, Alpn::Http1).await.unwrap_err();
            let DialError::Denied(AddressDenied::Elsewhere { class: found, .. }) = error else { panic!("{host}: {error:?}") };
            assert_eq!(found, class, "{host}");
        }
        assert_eq!(answers.asked(), 0);
    });
}

#[test]
fn localhost_of_a_connector_is_this_machine_whatever_dns_says() {
    run(async {
        let (listener, address) = listen("127.0.0.1:0").await;
        let answers = Answers::new(&[&["8.8.8.8"]]);
        let dialer = dialer(&[], DEADLINE, answers.clone());
        for host in ["localhost", "git.localhost", "127.0.0.1"] {
            let connected = dialer.connect(&origin(Scheme::Http, host, address.port()), &TrustRoots::default(), Reach::Target, Alpn::Http1).await.unwrap();
            assert_eq!(connected.peer, address);
            assert!(!connected.stream.is_tls());
            listener.accept().await.unwrap();
        }
        assert_eq!(answers.asked(), 0);
    });
}

#[test]
fn names_of_connectors_do_not_lead_to_loopback_or_metadata() {
    run(async {
        for (ip, class) in [("127.0.0.1", AddressClass::Loopback), ("169.254.169.254", AddressClass::Metadata)] {
            let dialer = dialer(
                &[],
                DEADLINE,
                Answers::new(&[match class {
                    AddressClass::Loopback => &["127.0.0.1"],
                    _ => &["169.254.169.254"],
                }]),
            );
            let error = dialer.connect(&origin(Scheme::Http, "git.example", 80), &TrustRoots::default(), Reach::Target, Alpn::Http1).await.unwrap_err();
            let DialError::Denied(AddressDenied::Target { address, class: found }) = error else { panic!("{error:?}") };
            assert_eq!((address.to_string().as_str(), found), (ip, class));
        }
    });
}

#[test]
fn what_answers_nothing_is_an_error_of_its_own() {
    run(async {
        let trust = TrustRoots::default();
        let none = dialer(&[], DEADLINE, Answers::new(&[&[]]));
        let error = none.connect(&origin(Scheme::Http, "none.example", 80), &trust, Reach::Target, Alpn::Http1).await.unwrap_err();
        assert!(matches!(error, DialError::Resolve(_)), "{error:?}");
        // Bound but not listening, so that nobody else can take the port.
        let closed = TcpSocket::new_v4().unwrap();
        closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = closed.local_addr().unwrap();
        let error = none.connect(&origin(Scheme::Http, "127.0.0.1", address.port()), &trust, Reach::Target, Alpn::Http1).await.unwrap_err();
        let DialError::Connect(error) = error else { panic!("{error:?}") };
        assert_eq!((error.address, error.source.kind()), (address, io::ErrorKind::ConnectionRefused));
    });
}

#[test]
fn every_step_has_its_share_of_one_deadline() {
    run(async {
        let within = Duration::from_millis(50);
        let trust = TrustRoots::default();
        let silent = dialer(&[], within, Silent);
        let error = silent.connect(&origin(Scheme::Http, "slow.example", 80), &trust, Reach::Target, Alpn::Http1).await.unwrap_err();
        assert!(matches!(error, DialError::Timeout(Phase::Resolve)), "{error:?}");
        let (deaf, address) = listen("127.0.0.1:0").await;
        let _held = deafen(&deaf);
        let error = silent.connect(&origin(Scheme::Http, "127.0.0.1", address.port()), &trust, Reach::Target, Alpn::Http1).await.unwrap_err();
        assert!(matches!(error, DialError::Timeout(Phase::Connect)), "{error:?}");
        let (_listener, address) = listen("127.0.0.1:0").await;
        let error = silent.connect(&origin(Scheme::Https, "127.0.0.1", address.port()), &trust, Reach::Target, Alpn::Http1).await.unwrap_err();
        assert!(matches!(error, DialError::Timeout(Phase::Tls)), "{error:?}");
    });
}

#[test]
fn an_address_that_does_not_answer_holds_nobody_up() {
    run(async {
        let (listener, deaf, port) = two_listeners().await;
        let _held = deafen(&deaf);
        let answers = Answers::new(&[&["127.0.0.2", "127.0.0.1"], &["::1", "127.0.0.2", "127.0.0.1"]]);
        let dialer = dialer(&["127.0.0.0/8", "::1"], DEADLINE, answers);
        for _ in 0..2 {
            let connected = dialer.connect(&origin(Scheme::Http, "two.example", port), &TrustRoots::default(), Reach::Target, Alpn::Http1).await.unwrap();
            assert_eq!(connected.peer, listener.local_addr().unwrap());
        }
    });
}

#[test]
fn an_address_that_refuses_is_followed_by_the_next_at_once() {
    run(async {
        let (listener, refuses, port) = two_listeners().await;
        drop(refuses);
        let dialer =
            dialer(&["127.0.0.0/8"], DEADLINE, Answers::new(&[&["127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.2", "127.0.0.1"]]));
        let start = Moment::now();
        let connected = dialer.connect(&origin(Scheme::Http, "two.example", port), &TrustRoots::default(), Reach::Target, Alpn::Http1).await.unwrap();
        // With the pause between them it would be six of these.
        assert!(Moment::now().since(start) < 3 * STAGGER);
        assert_eq!(connected.peer, listener.local_addr().unwrap());
    });
}

#[test]
fn what_answers_first_is_taken_and_the_other_attempts_end() {
    run(async {
        let (listener, deaf, port) = two_listeners().await;
        let _held = deafen(&deaf);
        let before = half_open(port);
        let addresses = ["127.0.0.2", "127.0.0.2", "127.0.0.1"].map(|ip| SocketAddr::new(ip.parse().unwrap(), port));
        let connecting = connect_any(Allowed::new(addresses.to_vec()).unwrap());
        let watch = async {
            while half_open(port) == before {
                tokio::task::yield_now().await;
            }
        };
        let (connected, ()) = tokio::join!(connecting, watch);
        assert_eq!(connected.unwrap().1, listener.local_addr().unwrap());
        while half_open(port) != before {
            tokio::task::yield_now().await;
        }
    });
}

/// Sockets of this machine that are connecting to 127.0.0.2 at `port`.
fn half_open(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let (remote, connecting) = (format!("0200007F:{port:04X}"), "02");
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|line| line[2] == remote && line[3] == connecting).count()
}

#[test]
fn both_families_are_tried_the_preferred_first() {
    run(async {
        let (v6, address) = listen("[::1]:0").await;
        let v4 = TcpListener::bind(("127.0.0.1", address.port())).await.unwrap();
        let origin = origin(Scheme::Http, "both.example", address.port());
        let connect = async |answers: &[&'static [&'static str]]| {
            let dialer = dialer(&["127.0.0.1", "::1"], DEADLINE, Answers::new(answers));
            dialer.connect(&origin, &TrustRoots::default(), Reach::Target, Alpn::Http1).await.unwrap().peer
        };
        assert!(connect(&[&["::1", "127.0.0.1"]]).await.is_ipv6());
        assert!(connect(&[&["127.0.0.1", "::1"]]).await.is_ipv4());
        drop(v6);
        assert!(connect(&[&["::1", "127.0.0.1"]]).await.is_ipv4());
        drop(v4);
    });
}

#[test]
fn addresses_alternate_between_families_and_are_bounded() {
    let addresses = |ips: &[&str]| ips.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 80)).collect::<Vec<_>>();
    let order = |ips: &[&str]| {
        let allowed = Allowed::new(addresses(ips)).unwrap();
        std::iter::once(allowed.first).chain(allowed.others).map(|address| address.ip().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(order(&["::1", "::2", "::3", "1.0.0.1", "1.0.0.2"]), ["::1", "1.0.0.1", "::2", "1.0.0.2", "::3"]);
    assert_eq!(order(&["1.0.0.1", "1.0.0.2", "::1"]), ["1.0.0.1", "::1", "1.0.0.2"]);
    assert_eq!(order(&["1.0.0.1"]), ["1.0.0.1"]);
    assert_eq!(order(&["1.0.0.1"; 100]).len(), MAX_ADDRESSES);
    assert!(Allowed::new(Vec::new()).is_none());
}

#[test]
fn the_right_certificate_is_accepted_and_the_stream_carries_bytes_both_ways() {
    run(async {
        let ca = TestCa::new();
        for host in ["tool.example", "127.0.0.1"] {
            let (listener, address) = listen("127.0.0.1:0").await;
            let mut config = Arc::unwrap_or_clone(ca.server(host));
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let dialer = dialer(&["127.0.0.1"], DEADLINE, Answers::new(&[&["127.0.0.1"]]));
            let origin = origin(Scheme::Https, host, address.port());
            let trust = ca.trust();
            let (served, connected) = tokio::join!(serve(listener, config.into()), dialer.connect(&origin, &trust, Reach::Target, Alpn::Http1));
            let (mut served, mut connected) = (served.unwrap(), connected.unwrap());
            assert_eq!(connected.peer, address);
            assert!(connected.stream.is_tls());
            assert_eq!(served.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
            // An address isn't sent as a name (RFC 6066 §3).
            assert_eq!(served.get_ref().1.server_name(), (host == "tool.example").then_some(host));
            connected.stream.write_all(b"hi").await.unwrap();
            connected.stream.flush().await.unwrap();
            let mut buffer = [0; 7];
            served.read_exact(&mut buffer[..2]).await.unwrap();
            connected.stream.read_exact(&mut buffer[2..]).await.unwrap();
            assert_eq!(&buffer, b"hihello");
        }
    });
}

#[test]
fn the_protocol_is_the_best_that_both_sides_have_and_http_1_if_nothing_is_said() {
    run(async {
        let ca = TestCa::new();
        let dialer = dialer(&["127.0.0.1"], DEADLINE, Answers::new(&[&["127.0.0.1"]]));
        for (tool, offered, expect) in [
            (&[&b"h2"[..], b"http/1.1"][..], Alpn::Http2, Protocol::Http2),
            (&[b"http/1.1", b"h2"], Alpn::Http1, Protocol::Http1),
            (&[b"http/1.1"], Alpn::Http2, Protocol::Http1),
            (&[], Alpn::Http2, Protocol::Http1),
        ] {
            let (listener, address) = listen("127.0.0.1:0").await;
            let mut config = Arc::unwrap_or_clone(ca.server("tool.example"));
            config.alpn_protocols = tool.iter().map(|name| name.to_vec()).collect();
            let origin = origin(Scheme::Https, "tool.example", address.port());
            let trust = ca.trust();
            let (served, connected) = tokio::join!(serve(listener, config.into()), dialer.connect(&origin, &trust, Reach::Target, offered));
            served.unwrap();
            assert_eq!(connected.unwrap().protocol, expect, "{tool:?} {offered:?}");
        }
    });
}

#[test]
fn a_certificate_that_does_not_prove_who_answers_is_refused() {
    run(async {
        let (ca, other) = (TestCa::new(), TestCa::new());
        let now = SystemTime::now();
        let (issuer, name) = ("the certificate is from an unknown issuer", "the certificate is for another name");
        for (what, config, trust, category) in [
            ("another CA", ca.server("tool.example"), other.trust(), issuer),
            ("no CA", ca.server("tool.example"), TrustRoots::default(), issuer),
            ("another name", ca.server("other.example"), ca.trust(), name),
            ("a parent's name", ca.server("example"), ca.trust(), name),
            ("the address instead of the name", ca.server("127.0.0.1"), ca.trust(), name),
            ("expired", ca.server_within("tool.example", now - 48 * HOUR, now - 24 * HOUR), ca.trust(), "the certificate has expired"),
            ("not yet valid", ca.server_within("tool.example", now + 24 * HOUR, now + 48 * HOUR), ca.trust(), "the certificate is not valid yet"),
        ] {
            let (listener, address) = listen("127.0.0.1:0").await;
            let dialer = dialer(&["127.0.0.1"], DEADLINE, Answers::new(&[&["127.0.0.1"]]));
            let origin = origin(Scheme::Https, "tool.example", address.port());
            let (served, connected) = tokio::join!(serve(listener, config), dialer.connect(&origin, &trust, Reach::Target, Alpn::Http1));
            let Err(DialError::Tls(error @ TlsError::Handshake(_))) = connected else { panic!("{what}: {connected:?}") };
            assert_eq!(error.category(), category, "{what}");
            assert!(served.is_err(), "{what}");
        }
    });
}

/// The mistake of everyone's first self-signed certificate; the other one is how it is done.
#[test]
fn a_self_signed_certificate_will_do_unless_it_is_a_cas() {
    run(async {
        for ca in [true, false] {
            let (config, trust) = self_signed("tool.example", ca);
            let (listener, address) = listen("127.0.0.1:0").await;
            let dialer = dialer(&["127.0.0.1"], DEADLINE, Answers::new(&[&["127.0.0.1"]]));
            let origin = origin(Scheme::Https, "tool.example", address.port());
            let (served, connected) = tokio::join!(serve(listener, config), dialer.connect(&origin, &trust, Reach::Target, Alpn::Http1));
            assert_eq!(served.is_ok(), !ca);
            assert_eq!(matches!(connected, Err(DialError::Tls(TlsError::CaAsServer(_)))), ca, "{connected:?}");
        }
    });
}

#[test]
fn a_session_of_one_set_of_cas_is_not_resumed_under_another() {
    run(async {
        let (ca, other) = (TestCa::new(), TestCa::new());
        let config = ca.server("tool.example");
        let dialer = dialer(&["127.0.0.1"], DEADLINE, Answers::new(&[&["127.0.0.1"]]));
        let (listener, address) = listen("127.0.0.1:0").await;
        let origin = origin(Scheme::Https, "tool.example", address.port());
        let mut resumed = Vec::new();
        let std_listener = listener.into_std().unwrap();
        for trust in [ca.trust(), ca.trust(), other.trust()] {
            let listener = TcpListener::from_std(std_listener.try_clone().unwrap()).unwrap();
            let (served, connected) = tokio::join!(serve(listener, config.clone()), dialer.connect(&origin, &trust, Reach::Target, Alpn::Http1));
            resumed.push(served.ok().and_then(|served| served.get_ref().1.handshake_kind()));
            if let Ok(mut connected) = connected {
                // Tickets come with the first data.
                connected.stream.read_exact(&mut [0; 5]).await.unwrap();
            }
        }
        assert_eq!(resumed, [Some(rustls::HandshakeKind::Full), Some(rustls::HandshakeKind::Resumed), None]);
    });
}

#[test]
fn a_server_without_tls_is_told_from_one_that_is_away() {
    run(async {
        let (listener, address) = listen("127.0.0.1:0").await;
        let dialer = dialer(&[], DEADLINE, Silent);
        let origin = origin(Scheme::Https, "localhost", address.port());
        let plain = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            stream
        };
        let trust = TrustRoots::default();
        let (_stream, connected) = tokio::join!(plain, dialer.connect(&origin, &trust, Reach::Target, Alpn::Http1));
        let Err(DialError::Tls(error @ TlsError::Handshake(_))) = connected else { panic!("{connected:?}") };
        assert_eq!(error.category(), "the peer doesn't speak TLS");
    });
}

#[test]
fn connections_keep_alive_and_do_not_delay() {
    run(async {
        let (listener, address) = listen("127.0.0.1:0").await;
        let stream = connect_one(address).await.unwrap();
        listener.accept().await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(60));
    });
}
