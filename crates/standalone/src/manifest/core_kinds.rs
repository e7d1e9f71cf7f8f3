//! Secret, ConfigMap, ServiceAccount, Namespace.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectors_core::{Flags, SecretValue, UnknownFlag};
use connectors_crd::{FieldPath, OPAQUE, ObjectMeta, Secret};
use serde::de::{self, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use super::{Content, Found, Kind, Node, Places, Reader, default_namespace};

/// On a Secret: a folder whose files are its values, one file a key. A relative path starts at the manifest's folder.
pub const DATA_FROM_ANNOTATION: &str = "standalone.connectors.alauda.io/data-from";
/// How every annotation that only counts in a directory begins.
pub(super) const ANNOTATION_PREFIX: &str = "standalone.connectors.alauda.io/";
/// The ConfigMap with the feature flags, in the system namespace.
const FLAGS_CONFIG_MAP: &str = "connectors-config";
/// Kubernetes' own limit on the length of a key.
const MAX_KEY: usize = 253;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SecretManifest {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    metadata: ObjectMeta,
    #[serde(rename = "type")]
    secret_type: String,
    data: BTreeMap<String, Encoded>,
    string_data: BTreeMap<String, Plain>,
    #[serde(rename = "immutable")]
    _immutable: IgnoredAny,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConfigMapManifest {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    metadata: ObjectMeta,
    data: BTreeMap<String, String>,
    #[serde(rename = "binaryData")]
    _binary_data: IgnoredAny,
    #[serde(rename = "immutable")]
    _immutable: IgnoredAny,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ServiceAccountManifest {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    metadata: ObjectMeta,
    #[serde(rename = "secrets")]
    _secrets: IgnoredAny,
    #[serde(rename = "imagePullSecrets")]
    _image_pull_secrets: IgnoredAny,
    #[serde(rename = "automountServiceAccountToken")]
    _automount: IgnoredAny,
}

/// A kind of which only `metadata` counts here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MetadataOnly {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    metadata: ObjectMeta,
    #[serde(rename = "spec")]
    _spec: IgnoredAny,
    #[serde(rename = "status")]
    _status: IgnoredAny,
}

/// A ServiceAccount, Namespace or ResourceInterface.
pub(super) fn plain(kind: Kind, node: &Node<'_>, found: &mut Found) -> (ObjectMeta, Content) {
    match kind {
        Kind::ServiceAccount => {
            let mut meta = found.decode::<ServiceAccountManifest>(node).metadata;
            default_namespace(&mut meta);
            (meta, Content::ServiceAccount)
        }
        Kind::Namespace => {
            let meta = found.decode::<MetadataOnly>(node).metadata;
            let labels = meta.labels.clone();
            (meta, Content::Namespace(labels))
        }
        _ => (found.decode::<MetadataOnly>(node).metadata, Content::Stored),
    }
}

impl Reader<'_> {
    pub(super) fn secret(&mut self, node: &Node<'_>, found: &mut Found) -> (ObjectMeta, Content) {
        let SecretManifest { mut metadata, secret_type, data, string_data, .. } = found.decode(node);
        default_namespace(&mut metadata);
        let places = Places::of(node);
        self.manifest.holds_secrets |= !(data.is_empty() && string_data.is_empty());
        let mut values = BTreeMap::new();
        // As in Kubernetes, stringData outranks data.
        let sources =
            data.into_iter().map(|(key, value)| ("data", key, value.0)).chain(string_data.into_iter().map(|(key, value)| ("stringData", key, value.0)));
        for (source, key, value) in sources {
            if !is_key(&key) {
                let field = FieldPath::Key(&FieldPath::Object, source);
                found.error(&places, field.key(&key).to_string(), "must be 1 to 253 letters, digits, '-', '_' and '.'");
            }
            values.insert(key, value);
        }
        if let Some(folder) = metadata.annotations.get(DATA_FROM_ANNOTATION) {
            let field = format!("metadata.annotations[{DATA_FROM_ANNOTATION:?}]");
            match self.values.read(folder) {
                Err(message) => found.error(&places, field, message),
                Ok(read) => {
                    for (key, value) in read {
                        if values.insert(key.clone(), value).is_some() {
                            found.error(&places, field.clone(), format!("has a file {key:?}, but the Secret gives that key itself; take one of them out"));
                        }
                    }
                }
            }
        }
        let secret_type = if secret_type.is_empty() { OPAQUE.to_owned() } else { secret_type };
        let secret = Secret { namespace: metadata.namespace.clone(), name: metadata.name.clone(), secret_type, labels: metadata.labels.clone(), data: values };
        (metadata, Content::Secret(Arc::new(secret)))
    }

    pub(super) fn config_map(&mut self, node: &Node<'_>, found: &mut Found) -> (ObjectMeta, Content) {
        let ConfigMapManifest { mut metadata, data, .. } = found.decode(node);
        default_namespace(&mut metadata);
        if metadata.name != FLAGS_CONFIG_MAP {
            return (metadata, Content::Stored);
        }
        let places = Places::of(node);
        if metadata.namespace != self.system_namespace {
            found.warning(
                &places,
                "metadata.namespace",
                format!("is not the system namespace {:?}, so the feature flags in it don't count", self.system_namespace),
            );
            return (metadata, Content::Stored);
        }
        let (flags, unknown) = Flags::parse(data.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        for unknown in unknown {
            let (UnknownFlag::Key(key) | UnknownFlag::Value(key)) = &unknown;
            found.warning(&places, FieldPath::Key(&FieldPath::Object, "data").key(key).to_string(), unknown.to_string());
        }
        (metadata, Content::Flags(flags))
    }
}

/// Whether a Secret or ConfigMap may have that key.
pub(crate) fn is_key(key: &str) -> bool {
    (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// A value in `stringData`.
struct Plain(SecretValue);

/// A value in `data`.
struct Encoded(SecretValue);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsIs;

        impl Visitor<'_> for AsIs {
            type Value = Plain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Plain, E> {
                Ok(Plain(SecretValue::new(text)))
            }
        }

        deserializer.deserialize_str(AsIs)
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Base64;

        impl Visitor<'_> for Base64 {
            type Value = Encoded;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Encoded, E> {
                // Kubernetes lets line breaks through, which `base64` puts in.
                let joined = Zeroizing::new(text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect::<Vec<u8>>());
                let decoded = STANDARD.decode(&*joined).map_err(|_| E::custom("must be base64; plain text belongs in stringData"))?;
                Ok(Encoded(SecretValue::new(decoded)))
            }
        }

        deserializer.deserialize_str(Base64)
    }
}
