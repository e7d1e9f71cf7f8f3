//! Versions and constraints: `github.com/Masterminds/semver/v3`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// A version, as sprig's `semver` returns it.
#[derive(Debug, Clone)]
pub struct Version {
    pub(crate) major: u64,
    pub(crate) minor: u64,
    pub(crate) patch: u64,
    pub(crate) prerelease: String,
    pub(crate) metadata: String,
    /// The text that was parsed.
    pub(crate) original: String,
}

const SUFFIXES: &str = r"(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";

impl Version {
    /// `NewVersion`: minor and patch may be missing. The error is Go's.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&format!(r"^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?{SUFFIXES}$")).ok());
        let groups = PATTERN.as_ref().and_then(|pattern| pattern.captures(text)).ok_or("Invalid Semantic Version")?;
        let group = |index: usize| groups.get(index).map_or("", |group| group.as_str());
        let number = |index: usize| {
            let digits = group(index).trim_start_matches('.');
            if digits.is_empty() {
                return Ok(0);
            }
            digits.parse::<u64>().map_err(|_| {
                let quoted = crate::quote::quote(digits.as_bytes());
                format!("Error parsing version segment: strconv.ParseUint: parsing {quoted}: value out of range")
            })
        };
        let version = Self {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            prerelease: group(5).to_owned(),
            metadata: group(8).to_owned(),
            original: text.to_owned(),
        };
        check_prerelease(&version.prerelease)?;
        Ok(version)
    }

    /// Precedence. Metadata doesn't count.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        let numbers = (self.major, self.minor, self.patch).cmp(&(other.major, other.minor, other.patch));
        numbers.then_with(|| match (self.prerelease.as_str(), other.prerelease.as_str()) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (a, b) => compare_prereleases(a, b),
        })
    }

    pub(crate) fn next_major(&self) -> Self {
        self.changed(|next| (next.major, next.minor, next.patch) = (next.major.wrapping_add(1), 0, 0))
    }

    pub(crate) fn next_minor(&self) -> Self {
        self.changed(|next| (next.minor, next.patch) = (next.minor.wrapping_add(1), 0))
    }

    /// Of a prerelease: the release.
    pub(crate) fn next_patch(&self) -> Self {
        let increment = u64::from(self.prerelease.is_empty());
        self.changed(|next| next.patch = next.patch.wrapping_add(increment))
    }

    pub(crate) fn with_prerelease(&self, prerelease: &[u8]) -> Result<Self, &'static str> {
        let prerelease = String::from_utf8(prerelease.to_vec()).map_err(|_| "Invalid Prerelease string")?;
        check_prerelease(&prerelease)?;
        Ok(self.renamed(Self { prerelease, ..self.clone() }))
    }

    pub(crate) fn with_metadata(&self, metadata: &[u8]) -> Result<Self, &'static str> {
        let metadata = String::from_utf8(metadata.to_vec()).map_err(|_| "Invalid Metadata string")?;
        if !metadata.split('.').all(has_allowed_characters) {
            return Err("Invalid Metadata string");
        }
        Ok(self.renamed(Self { metadata, ..self.clone() }))
    }

    fn changed(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = Self { prerelease: String::new(), metadata: String::new(), ..self.clone() };
        change(&mut next);
        self.renamed(next)
    }

    fn renamed(&self, next: Self) -> Self {
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        Self { original: format!("{prefix}{next}"), ..next }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(f, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

fn has_allowed_characters(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn check_prerelease(prerelease: &str) -> Result<(), &'static str> {
    for part in prerelease.split('.') {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            if part.len() > 1 && part.starts_with('0') {
                return Err("Version segment starts with 0");
            }
        } else if !has_allowed_characters(part) {
            return Err("Invalid Prerelease string");
        }
    }
    Ok(())
}

fn compare_prereleases(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split('.').collect(), b.split('.').collect());
    (0..a.len().max(b.len()))
        .map(|index| compare_parts(a.get(index).copied().unwrap_or(""), b.get(index).copied().unwrap_or("")))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn compare_parts(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    match (a, b) {
        ("", _) => return Ordering::Less,
        (_, "") => return Ordering::Greater,
        _ => {}
    }
    match (a.parse::<u64>(), b.parse::<u64>()) {
        (Ok(a), Ok(b)) if a > b => Ordering::Greater,
        (Ok(_), Ok(_)) => Ordering::Less,
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

/// What a version must be: one of several lists of conditions.
pub(crate) struct Constraints(Vec<Vec<Constraint>>);

struct Constraint {
    operator: String,
    version: Version,
    /// Parts that weren't given, or are wildcards.
    dirty: bool,
    minor_dirty: bool,
    patch_dirty: bool,
}

const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
const CONSTRAINT_VERSION: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?";

struct Patterns {
    one: Regex,
    range: Regex,
    find: Regex,
    valid: Regex,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    let version = format!("{CONSTRAINT_VERSION}{SUFFIXES}");
    // Go's classes are those of ASCII.
    let pattern = |text: String| Regex::new(&text.replace(r"\s", r"[\t\n\f\r ]")).ok();
    Some(Patterns {
        one: pattern(format!(r"^\s*({OPERATORS})\s*({version})\s*$"))?,
        range: pattern(format!(r"\s*({version})\s+-\s+({version})\s*"))?,
        find: pattern(format!(r"({OPERATORS})\s*({version})"))?,
        valid: pattern(format!(r"^(\s*({OPERATORS})\s*({version})\s*)((?:\s+|,\s*)({OPERATORS})\s*({version})\s*)*$"))?,
    })
});

impl Constraints {
    /// `NewConstraint`. The error is Go's.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let patterns = PATTERNS.as_ref().ok_or_else(|| format!("improper constraint: {text}"))?;
        let mut rewritten = text.to_owned();
        for groups in patterns.range.captures_iter(text) {
            let group = |index: usize| groups.get(index).map_or("", |group| group.as_str());
            rewritten = rewritten.replacen(group(0), &format!(">= {}, <= {} ", group(1), group(11)), 1);
        }
        let mut alternatives = Vec::new();
        for alternative in rewritten.split("||") {
            if !patterns.valid.is_match(alternative) {
                return Err(format!("improper constraint: {alternative}"));
            }
            let parts: Vec<&str> = patterns.find.find_iter(alternative).map(|found| found.as_str()).collect();
            alternatives.push(parts.into_iter().map(|part| Constraint::parse(part, patterns)).collect::<Result<_, _>>()?);
        }
        Ok(Self(alternatives))
    }

    pub(crate) fn check(&self, version: &Version) -> bool {
        self.0.iter().any(|all| all.iter().all(|constraint| constraint.check(version)))
    }
}

impl Constraint {
    fn parse(text: &str, patterns: &Patterns) -> Result<Self, String> {
        let groups = patterns.one.captures(text).ok_or_else(|| format!("improper constraint: {text}"))?;
        let group = |index: usize| groups.get(index).map_or("", |group| group.as_str());
        let is_open = |index: usize| matches!(group(index).trim_start_matches('.'), "" | "x" | "X" | "*");
        let (version, dirty, minor_dirty, patch_dirty) = if is_open(3) {
            (format!("0.0.0{}", group(6)), true, false, false)
        } else if is_open(4) {
            (format!("{}.0.0{}", group(3), group(6)), true, true, false)
        } else if is_open(5) {
            (format!("{}{}.0{}", group(3), group(4), group(6)), true, false, true)
        } else {
            (group(2).to_owned(), false, false, false)
        };
        let version = Version::parse(&version).map_err(|_| "constraint Parser Error")?;
        Ok(Self { operator: group(1).to_owned(), version, dirty, minor_dirty, patch_dirty })
    }

    fn check(&self, version: &Version) -> bool {
        let wants_release = !version.prerelease.is_empty() && self.version.prerelease.is_empty();
        if wants_release && (self.operator != "!=" || self.dirty) {
            return false;
        }
        let order = version.compare(&self.version);
        match self.operator.as_str() {
            "!=" => self.differs(version),
            ">" if self.dirty => self.is_beyond(version),
            ">" => order.is_gt(),
            "<" => order.is_lt(),
            ">=" | "=>" => order.is_ge(),
            "<=" | "=<" if self.dirty => {
                version.major <= self.version.major && !(version.major == self.version.major && version.minor > self.version.minor && !self.minor_dirty)
            }
            "<=" | "=<" => order.is_le(),
            "~" | "~>" => self.tilde(version),
            "^" => self.caret(version),
            _ if self.dirty => self.tilde(version),
            _ => order.is_eq(),
        }
    }

    fn differs(&self, version: &Version) -> bool {
        let own = &self.version;
        if self.dirty {
            if own.major != version.major {
                return true;
            }
            if own.minor != version.minor && !self.minor_dirty {
                return true;
            }
            if self.minor_dirty {
                return false;
            }
            if own.patch != version.patch && !self.patch_dirty {
                return true;
            }
            if self.patch_dirty {
                let prereleases = !version.prerelease.is_empty() || !own.prerelease.is_empty();
                return prereleases && compare_prereleases(&version.prerelease, &own.prerelease).is_ne();
            }
        }
        version.compare(own).is_ne()
    }

    fn is_beyond(&self, version: &Version) -> bool {
        match version.major.cmp(&self.version.major) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal if self.minor_dirty => false,
            Ordering::Equal if self.patch_dirty => version.minor > self.version.minor,
            Ordering::Equal => version.compare(&self.version).is_gt(),
        }
    }

    fn tilde(&self, version: &Version) -> bool {
        let own = &self.version;
        if version.compare(own).is_lt() {
            return false;
        }
        if (own.major, own.minor, own.patch) == (0, 0, 0) && !self.minor_dirty && !self.patch_dirty {
            return true;
        }
        version.major == own.major && (version.minor == own.minor || self.minor_dirty)
    }

    fn caret(&self, version: &Version) -> bool {
        let own = &self.version;
        if version.compare(own).is_lt() {
            return false;
        }
        if own.major > 0 || self.minor_dirty {
            return version.major == own.major;
        }
        if version.major > 0 {
            return false;
        }
        if own.minor > 0 || self.patch_dirty {
            return version.minor == own.minor;
        }
        version.minor == 0 && own.patch == version.patch
    }
}
