//! Scans that look only where something happened, and what follows from them, against looking at everything and making all of it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use connectors_core::Injection;
use connectors_crd::Surroundings;

use super::*;
use crate::world::{Updated, World};

/// Each with another sequence of changes.
const SEEDS: u64 = 10;
const STEPS: usize = 40;

#[test]
fn a_change_leads_where_beginning_anew_would() {
    let steps: usize = (0..SEEDS).map(|seed| Run::new(seed).steps()).sum();
    // Where no file is broken, nothing depends on what was before: there must have been enough of that, too.
    assert!(steps > 100, "{steps}");
}

/// A folder and what follows from it, kept up to date.
struct Kept {
    folder: Folder,
    world: World,
    /// Findings, as changes of them have it.
    findings: BTreeMap<String, i64>,
}

impl Kept {
    fn new(dir: &Path) -> Self {
        let mut folder = Folder::new(dir, &Options::default());
        let scan = folder.scan(&Hint::Everywhere);
        let world = World::new(folder.in_force(), &Options::default(), None);
        let mut kept = Self { folder, world, findings: BTreeMap::new() };
        kept.note(&[], &scan.come);
        kept.note(&[], &kept.world.findings().cloned().collect::<Vec<_>>());
        kept
    }

    /// As a directory that is followed does it.
    fn scan(&mut self, hint: &Hint) {
        let Scan { changed, objects, gone, come, .. } = self.folder.scan(hint);
        self.note(&gone, &come);
        if changed {
            let objects = objects.into_iter().map(|id| (id.clone(), self.folder.placed(&id))).collect();
            let Updated { rights, gone, come } = self.world.update(objects, &Options::default(), || self.folder.in_force());
            self.note(&gone, &come);
            let anew = World::new(self.folder.in_force(), &Options::default(), None);
            assert!(rights || anew.rbac() == self.world.rbac());
        }
    }

    /// Looks at everything, decides about all files together, and makes the rest anew.
    fn scan_slowly(&mut self) {
        self.folder.clashing.insert("/nowhere".into());
        self.folder.scan(&Hint::Everywhere);
        self.world = World::new(self.folder.in_force(), &Options::default(), None);
    }

    fn note(&mut self, gone: &[Finding], come: &[Finding]) {
        for (findings, by) in [(come, 1), (gone, -1)] {
            findings.iter().for_each(|finding| *self.findings.entry(finding.to_string()).or_default() += by);
        }
        self.findings.retain(|_, count| *count != 0);
    }

    /// Everything that can be known of it, a line each.
    fn shown(&self) -> Vec<String> {
        let (folder, world) = (&self.folder, &self.world);
        let mut shown = vec![
            format!("{} files, {} objects, {} broken", folder.files(), world.objects(), folder.broken()),
            format!("{:?} {:?}", world.snapshot().flags(), world.snapshot().trust()),
            format!("{:?}", world.rbac()),
            format!("{:?}", folder.watched()),
        ];
        for connector in world.snapshot().connectors() {
            let mut line = format!("{connector:?}");
            if let Injection::Static(credential) = &connector.injection {
                credential.headers.iter().for_each(|header| write!(line, " {:?}", header.line().expose_str()).unwrap());
            }
            assert!(world.snapshot().connector(&connector.name).is_some_and(|found| Arc::ptr_eq(found, connector)));
            shown.push(line);
        }
        shown.extend(folder.findings().chain(world.findings()).map(Finding::to_string));
        shown.extend(folder.broken_parts().map(|finding| format!("broken: {finding}")));
        let surroundings = Surroundings { cluster_domain: "cluster.local".into(), system_namespace: "connectors-system".into() };
        shown.extend(world.classes(&surroundings).iter().map(|class| format!("{class:?}")));
        shown.extend(world.connectors().iter().map(|connector| format!("{connector:?}")));
        shown.sort();
        shown
    }
}

/// A directory in which things happen, the same for the same seed.
struct Run {
    seed: u64,
    random: u64,
    dir: tempfile::TempDir,
    /// Everything that happened, for whoever has to find out why it went wrong.
    history: Vec<String>,
    /// Where it happened, as the system would tell.
    places: BTreeSet<PathBuf>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in [".hidden", ".values", "a/deep", "b"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        Self { seed, random: seed, dir, history: Vec::new(), places: BTreeSet::new() }
    }

    /// Makes changes, and compares after each few of them. Returns how often no file was broken.
    fn steps(&mut self) -> usize {
        (0..12).for_each(|_| self.write());
        let dir = self.dir.path().canonicalize().unwrap();
        let (mut quick, mut slow) = (Kept::new(&dir), Kept::new(&dir));
        let mut sound = 0;
        for _ in 0..STEPS {
            self.places.clear();
            match self.below(4) {
                0 => quick.folder.broken.iter().for_each(|path| self.remove(path)),
                number => (0..number).for_each(|_| self.change()),
            }
            let hint = if self.below(20) == 0 { Hint::Everywhere } else { Hint::At(self.places.clone()) };
            quick.scan(&hint);
            slow.scan_slowly();
            self.same("looking everywhere", &quick.shown(), &slow.shown());
            let mut findings: Vec<String> = quick.folder.findings().chain(quick.world.findings()).map(Finding::to_string).collect();
            findings.sort();
            let noted: Vec<String> = quick.findings.iter().flat_map(|(text, count)| vec![text.clone(); usize::try_from(*count).unwrap()]).collect();
            self.same("the findings", &noted, &findings);
            if quick.folder.broken() == 0 {
                self.same("beginning anew", &quick.shown(), &Kept::new(&dir).shown());
                sound += 1;
            }
        }
        sound
    }

    fn same(&self, what: &str, quick: &[String], slow: &[String]) {
        let missing: Vec<&String> = slow.iter().filter(|line| !quick.contains(line)).collect();
        let more: Vec<&String> = quick.iter().filter(|line| !slow.contains(line)).collect();
        let last = &self.history[self.history.len().saturating_sub(8)..];
        assert!(quick == slow, "seed {}: not as {what}\nmissing: {missing:#?}\ntoo many: {more:#?}\nlast changes: {last:#?}", self.seed);
    }

    /// SplitMix64.
    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[usize::try_from(self.below(items.len() as u64)).unwrap()]
    }

    fn path(&mut self) -> PathBuf {
        let folder = self.one_of(&["", "a", "a/deep", "b"]);
        let name = self.one_of(&["one.yaml", "two.yml", "three.json", "four.yaml", "five.yaml", "no-manifest.txt"]);
        self.dir.path().canonicalize().unwrap().join(folder).join(name)
    }

    fn happened(&mut self, what: &str, path: &Path) {
        self.history.push(format!("{what} {}", path.display()));
        self.places.insert(path.to_owned());
    }

    fn change(&mut self) {
        match self.below(20) {
            0..9 => self.write(),
            9 => self.break_file(),
            10..12 => {
                let path = self.path();
                self.remove(&path);
            }
            12..14 => self.rename(),
            14 => self.write_value(),
            15 => self.link(),
            16 => self.turn_folder(),
            17 => self.set_mode(),
            18 => {
                let path = self.path();
                self.happened("nothing", &path);
            }
            _ => {
                let path = self.path().with_file_name(".unseen.yaml");
                if path.parent().unwrap().is_dir() {
                    fs::write(&path, "a: [").unwrap();
                    self.happened("hidden", &path);
                }
            }
        }
    }

    fn write(&mut self) {
        let path = self.path();
        let text: String = (0..=self.below(3)).map(|_| self.object() + "---\n").collect();
        self.write_file(&path, &text);
    }

    fn write_file(&mut self, path: &Path, text: &str) {
        if path.parent().unwrap().is_dir() {
            // A link's target belongs to itself.
            if path.is_symlink() {
                fs::remove_file(path).unwrap();
            }
            fs::write(path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            self.happened(&format!("wrote\n{text}"), path);
        }
    }

    fn break_file(&mut self) {
        let path = self.path();
        let wrong = self.one_of(&["kind: x\n", "a: [\n", "apiVersion: v1\nkind: Secret\nmetadata: {name: s0, namespace: n1}\ndata: {a: '!'}\n"]);
        let text = fs::read_to_string(&path).unwrap_or_default() + wrong;
        self.write_file(&path, &text);
    }

    fn remove(&mut self, path: &Path) {
        if fs::remove_file(path).is_ok() {
            self.happened("removed", path);
        }
    }

    fn rename(&mut self) {
        let (from, to) = (self.path(), self.path());
        if from != to && fs::rename(&from, &to).is_ok() {
            self.happened("renamed from", &from);
            self.happened("renamed to", &to);
        }
    }

    fn write_value(&mut self) {
        let path = self.dir.path().canonicalize().unwrap().join(".values/token");
        match self.below(4) {
            0 => drop(fs::remove_file(&path)),
            number => fs::write(&path, format!("value-{number}")).unwrap(),
        }
        self.happened("value", &path);
    }

    /// A link to a file in a hidden folder, and something new in that.
    fn link(&mut self) {
        let (path, hidden) = (self.path(), self.dir.path().canonicalize().unwrap().join(".hidden/shared.yaml"));
        let text = self.object();
        fs::write(&hidden, &text).unwrap();
        self.happened(&format!("behind links\n{text}"), &hidden);
        if self.below(2) == 0 && path.parent().unwrap().is_dir() && !path.exists() && symlink(&hidden, &path).is_ok() {
            self.happened("linked", &path);
        }
    }

    /// Removes a folder with all that is in it, or makes it.
    fn turn_folder(&mut self) {
        let path = self.dir.path().canonicalize().unwrap().join(self.one_of(&["a/deep", "b", "outside"]));
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => fs::remove_file(&path).unwrap(),
            Ok(_) => fs::remove_dir_all(&path).unwrap(),
            Err(_) if path.ends_with("outside") => symlink("/usr", &path).unwrap(),
            Err(_) => fs::create_dir_all(&path).unwrap(),
        }
        self.happened("folder", &path);
    }

    fn set_mode(&mut self) {
        let (path, mode) = (self.path(), self.one_of(&[0o600, 0o644]));
        if path.exists() {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            self.happened("mode", &path);
            let hidden = self.dir.path().canonicalize().unwrap().join(".hidden/shared.yaml");
            if path.is_symlink() {
                self.happened("mode", &hidden);
            }
        }
    }

    /// Of few names, so that files disagree and refer to each other's objects.
    fn object(&mut self) -> String {
        const RBAC: &str = "apiVersion: rbac.authorization.k8s.io/v1\n";
        let namespace = self.one_of(&["n1", "n1", "n2", "connectors-system"]);
        let (number, other, third) = (self.below(4), self.below(4), self.below(3));
        let meta = |name: &str| format!("metadata: {{name: {name}{number}, namespace: {namespace}}}\n");
        match self.below(16) {
            0 => {
                let types = self.one_of(&["optional: true", "optional: false", "generator: {rego: 'package x'}"]);
                format!(
                    "apiVersion: connectors.alauda.io/v1alpha1\nkind: ConnectorClass\nmetadata: {{name: class{third}}}\nspec:\n  auth:\n    types:\n    - {{name: tokenAuth, secretType: connectors.cpaas.io/bearer-token, {types}}}\n"
                )
            }
            1..6 => {
                let address = self.one_of(&["https://one.example", "https://two.example/x", "https://one.example", "ftp://x"]);
                let ca = self.one_of(&["", "", "  caCertSecretRef: {name: s0}\n"]);
                let number = number + 4 * third;
                format!(
                    "apiVersion: connectors.alauda.io/v1alpha1\nkind: Connector\nmetadata: {{name: tool{number}, namespace: {namespace}}}\nspec:\n  connectorClassName: class{third}\n  address: {address}\n  auth: {{name: tokenAuth, secretRef: {{name: s{other}}}}}\n{ca}"
                )
            }
            6..9 => {
                let (secret_type, label) = (
                    self.one_of(&["connectors.cpaas.io/bearer-token", "connectors.cpaas.io/bearer-token", "Opaque"]),
                    self.one_of(&["", "", ", labels: {connectors.cpaas.io/ca-cert: 'true'}"]),
                );
                format!(
                    "apiVersion: v1\nkind: Secret\nmetadata: {{name: s{number}, namespace: {namespace}{label}}}\ntype: {secret_type}\nstringData: {{token: 'token-{other}{third}'}}\n"
                )
            }
            9 => {
                // Also a folder that has manifests in it, and one that isn't always there.
                let folder = self.one_of(&[".values", ".values", "b"]);
                format!(
                    "apiVersion: v1\nkind: Secret\nmetadata: {{name: s{number}, namespace: {namespace}, annotations: {{standalone.connectors.alauda.io/data-from: '{}/{folder}'}}}}\ntype: connectors.cpaas.io/bearer-token\n",
                    self.dir.path().display()
                )
            }
            10 => format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: connectors-config, namespace: connectors-system}}\ndata: {{enable-custom-ca-certs: '{}'}}\n",
                other % 2 == 0
            ),
            11 => format!("apiVersion: v1\nkind: ServiceAccount\n{}", meta("account")),
            12 => format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: n{number}, labels: {{a: '{other}'}}}}\n"),
            13 => format!(
                "{RBAC}kind: Role\n{}rules:\n- {{apiGroups: [connectors.alauda.io], resources: [connectors, connectors/apis/class{third}], verbs: [get]}}\n",
                meta("role")
            ),
            14 if other == 0 => {
                format!(
                    "{RBAC}kind: ClusterRole\nmetadata: {{name: all{number}}}\naggregationRule: {{clusterRoleSelectors: [{{matchLabels: {{a: '{third}'}}}}]}}\nrules: []\n"
                )
            }
            14 => format!(
                "{RBAC}kind: ClusterRole\nmetadata: {{name: role{number}, labels: {{a: '{third}'}}}}\nrules:\n- {{apiGroups: ['*'], resources: [connectors], resourceNames: [tool{other}], verbs: ['*']}}\n"
            ),
            _ if third == 0 => format!(
                "{RBAC}kind: ClusterRoleBinding\nmetadata: {{name: bind{number}}}\nroleRef: {{kind: ClusterRole, name: all{other}}}\nsubjects:\n- {{kind: ServiceAccount, name: account{other}, namespace: n1}}\n"
            ),
            _ => format!(
                "{RBAC}kind: RoleBinding\n{}roleRef: {{kind: Role, name: role{other}}}\nsubjects:\n- {{kind: ServiceAccount, name: account{third}}}\n",
                meta("bind")
            ),
        }
    }
}
