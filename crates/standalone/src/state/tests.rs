use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::sync::Barrier;

use tempfile::TempDir;

use super::*;

/// A new state folder, and the folder it is in, which is removed when dropped.
fn folder() -> (TempDir, State) {
    let parent = tempfile::tempdir().unwrap();
    let state = State::open(parent.path().join(DEFAULT_FOLDER)).unwrap();
    (parent, state)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn addresses() -> (SocketAddr, SocketAddr) {
    ("127.0.0.1:8080".parse().unwrap(), "127.0.0.1:8081".parse().unwrap())
}

#[test]
fn is_private_and_ignored_by_git() {
    let (_parent, state) = folder();
    assert_eq!(mode(state.folder()), 0o700);
    assert_eq!(fs::read_to_string(state.folder().join(".gitignore")).unwrap(), "*\n");
    assert_eq!(names(state.folder()), [".gitignore"]);
    assert_eq!((state.ca_certificate(), state.ca_key()), (state.folder().join("ca.crt"), state.folder().join("ca.key")));
}

#[test]
fn opening_again_changes_nothing() {
    let (_parent, state) = folder();
    fs::write(state.folder().join(".gitignore"), "*\n!ca.crt\n").unwrap();
    chmod(state.folder(), 0o500);
    State::open(state.folder()).unwrap();
    assert_eq!(fs::read_to_string(state.folder().join(".gitignore")).unwrap(), "*\n!ca.crt\n");
    assert_eq!(mode(state.folder()), 0o500);
}

#[test]
fn refuses_folders_that_will_not_do() {
    let (parent, state) = folder();
    for mode in [0o720, 0o702, 0o777, 0o1777, 0o750, 0o710, 0o701, 0o755, 0o2740] {
        chmod(state.folder(), mode);
        let error = State::open(state.folder()).unwrap_err();
        assert!(matches!(error, OpenError::OpenToOthers(_, found) if found == mode), "{error}");
        assert!(error.to_string().contains(&format!("(mode {mode:04o}): run `chmod 700 /")), "{error}");
    }
    assert!(matches!(State::open(parent.path().join("no/such")), Err(OpenError::Create(..))));
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(State::open(file), Err(OpenError::NotAFolder(_))));
}

/// A folder that isn't ours, whoever runs the test.
fn of_another_user(parent: &Path) -> PathBuf {
    let folder = parent.join("theirs");
    DirBuilder::new().mode(0o700).create(&folder).unwrap();
    match chown(&folder, Some(65534), None) {
        Ok(()) => folder,
        // Only root may give something away, and it isn't root who runs this.
        Err(_) => PathBuf::from("/"),
    }
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let theirs = of_another_user(parent.path());
    let link = parent.path().join("link");
    symlink(&theirs, &link).unwrap();
    for folder in [theirs, link] {
        let error = State::open(&folder).unwrap_err();
        assert!(matches!(&error, OpenError::NotOwned(path, _) if *path == folder), "{error}");
        assert!(!folder.join(GIT_IGNORE).exists());
    }
}

#[test]
fn a_link_is_as_good_as_what_it_leads_to() {
    let (parent, state) = folder();
    let link = parent.path().join("link");
    symlink(state.folder(), &link).unwrap();
    State::open(&link).unwrap().signing_key().unwrap();
    chmod(state.folder(), 0o755);
    assert!(matches!(State::open(&link), Err(OpenError::OpenToOthers(_, 0o755))));
}

#[test]
fn a_key_of_another_user_is_refused() {
    let (parent, state) = folder();
    // One that root made for us is as well known to somebody else as any other.
    let theirs = parent.path().join("key");
    fs::write(&theirs, SigningKey::generate_pem().unwrap().expose()).unwrap();
    chmod(&theirs, 0o600);
    let theirs = match chown(&theirs, Some(65534), None) {
        Ok(()) => theirs,
        Err(_) => PathBuf::from("/etc/passwd"),
    };
    symlink(theirs, state.folder().join(SIGNING_KEY)).unwrap();
    assert!(matches!(state.signing_key(), Err(SigningKeyError::NotOwned(..))));
}

#[test]
fn the_key_is_made_once_with_mode_0600() {
    let (_parent, state) = folder();
    let first = state.signing_key().unwrap();
    let path = state.folder().join("signing-key.pem");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(names(state.folder()), [".gitignore", "signing-key.pem"]);
    let content = fs::read(&path).unwrap();
    assert_eq!(state.signing_key().unwrap().thumbprint(), first.thumbprint());
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn of_many_that_make_the_key_at_once_all_get_the_same() {
    const MAKERS: usize = 16;
    for _ in 0..20 {
        let (_parent, state) = folder();
        let start = Barrier::new(MAKERS);
        let thumbprints: Vec<String> = thread::scope(|scope| {
            let make = || {
                start.wait();
                State::open(state.folder()).unwrap().signing_key().unwrap().thumbprint().to_owned()
            };
            let makers: Vec<_> = (0..MAKERS).map(|_| scope.spawn(make)).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(thumbprints.iter().all(|thumbprint| *thumbprint == thumbprints[0]), "{thumbprints:?}");
        assert_eq!(names(state.folder()), [".gitignore", "signing-key.pem"]);
    }
}

#[test]
fn a_key_that_others_may_know_is_refused() {
    let (_parent, state) = folder();
    state.signing_key().unwrap();
    let path = state.folder().join(SIGNING_KEY);
    for mode in [0o640, 0o604, 0o620, 0o602, 0o644, 0o666] {
        chmod(&path, mode);
        let error = state.signing_key().unwrap_err();
        assert!(matches!(error, SigningKeyError::OpenToOthers(_, found) if found == mode), "{error}");
        assert!(error.to_string().contains(&format!("has mode {mode:04o}")) && error.to_string().contains("chmod 600 /"), "{error}");
    }
    for mode in [0o600, 0o400] {
        chmod(&path, mode);
        state.signing_key().unwrap();
    }
}

#[test]
fn what_is_no_key_is_refused_and_left_alone() {
    let (_parent, state) = folder();
    let path = state.folder().join(SIGNING_KEY);
    for content in ["", "hunter2", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        fs::write(&path, content).unwrap();
        chmod(&path, 0o600);
        let error = state.signing_key().unwrap_err();
        assert!(matches!(error, SigningKeyError::Invalid(..)), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    chmod(&path, 0o700);
    assert!(matches!(state.signing_key(), Err(SigningKeyError::Read(..))));
}

#[test]
fn p23_errors_about_a_key_show_nothing_of_it() {
    let (_parent, state) = folder();
    let path = state.folder().join(SIGNING_KEY);
    let canary = "CANARYxMIGHAgEAMBMGByqGSM49AgEGCCqGSM49";
    fs::write(&path, format!("-----BEGIN PRIVATE KEY-----\n{canary}\n-----END PRIVATE KEY-----\n")).unwrap();
    chmod(&path, 0o600);
    let error = state.signing_key().unwrap_err();
    let shown = format!("{error:?} {}", connectors_core::with_causes(&error));
    assert!(!shown.contains(canary), "{shown}");
}

#[test]
fn a_second_server_is_told_about_the_first() {
    let (_parent, state) = folder();
    let lock = state.lock().unwrap();
    let error = State::open(state.folder()).unwrap().lock().unwrap_err();
    assert!(matches!(error, LockError::Held { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
    assert!(error.to_string().contains(&format!("(process {}) already uses the state folder", std::process::id())), "{error}");
    drop(lock);
    state.lock().unwrap();
}

#[test]
fn tells_where_the_server_is_from_the_announcement_until_the_end() {
    let (_parent, state) = folder();
    let (listen, admin) = addresses();
    let path = state.folder().join("running.json");
    assert_eq!(state.running(), None);
    let lock = state.lock().unwrap();
    assert_eq!(state.running(), None);
    lock.announce(listen, admin).unwrap();
    assert_eq!(state.running(), Some(Running { pid: std::process::id(), listen, admin }));
    assert_eq!(mode(&path), 0o644);
    let json = format!(r#"{{"pid":{},"listen":"127.0.0.1:8080","admin":"127.0.0.1:8081"}}"#, std::process::id());
    assert_eq!(fs::read_to_string(&path).unwrap(), json);
    drop(lock);
    assert_eq!(state.running(), None);
    assert!(!path.exists());
}

#[test]
fn what_a_killed_server_left_behind_is_not_believed() {
    let (_parent, state) = folder();
    fs::write(state.folder().join(LOCK), "4711").unwrap();
    fs::write(state.folder().join(RUNNING), r#"{"pid":4711,"listen":"127.0.0.1:1","admin":"127.0.0.1:2"}"#).unwrap();
    assert_eq!(state.running(), None);
    let lock = state.lock().unwrap();
    assert_eq!(state.running(), None);
    // Not even if it comes back.
    fs::write(state.folder().join(RUNNING), r#"{"pid":4711,"listen":"127.0.0.1:1","admin":"127.0.0.1:2"}"#).unwrap();
    assert_eq!(state.running(), None);
    fs::write(state.folder().join(RUNNING), "{").unwrap();
    assert_eq!(state.running(), None);
    let (listen, admin) = addresses();
    lock.announce(listen, admin).unwrap();
    assert!(state.running().is_some());
}

#[test]
fn looking_does_not_keep_a_server_from_starting() {
    let (_parent, state) = folder();
    drop(state.lock().unwrap());
    thread::scope(|scope| {
        let looker = scope.spawn(|| (0..10_000).for_each(|_| assert_eq!(state.running(), None)));
        while !looker.is_finished() {
            drop(state.lock().unwrap());
        }
    });
}
