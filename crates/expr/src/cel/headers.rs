//! A response's header fields: a map by canonical name, in which names of any case are found.

use super::value::map_error;
use crate::rego::{Fields, canonical};
use ::cel::ExecutionError;
use ::cel::common::traits::{Container, Indexer, Iterable, Sizer};
use ::cel::common::types::{CelInt, CelList, CelMap, CelMapKey, CelString, MAP_TYPE, Type};
use ::cel::common::value::{CowVal, Val};
use std::collections::{BTreeMap, HashMap};

/// The fields of a response.
#[derive(Debug, Clone)]
pub(super) struct Headers(CelMap<'static>);

impl Headers {
    pub(super) fn new(fields: &dyn Fields) -> Self {
        let mut lists: BTreeMap<String, Vec<Box<dyn Val>>> = BTreeMap::new();
        fields.each(&mut |name, value| {
            let value = CelString::from(String::from_utf8_lossy(value).into_owned());
            lists.entry(canonical(name)).or_default().push(Box::new(value));
        });
        let entries: HashMap<CelMapKey<'static>, Box<dyn Val>> =
            lists.into_iter().map(|(name, values)| (CelMapKey::from(name), Box::new(CelList::from(values)) as Box<dyn Val>)).collect();
        Self(CelMap::from(entries))
    }

    fn find(&self, key: &dyn Val) -> Option<&(dyn Val + 'static)> {
        let name = canonical(key.downcast_ref::<CelString<'_>>()?.inner().as_bytes());
        self.0.inner().get(&CelMapKey::from(name)).map(AsRef::as_ref)
    }
}

impl Val for Headers {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        static TYPE: Type = MAP_TYPE;
        &TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(&self.0)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        self.0.equals(other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }
}

impl Container for Headers {
    fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
        Ok(self.find(key).is_some())
    }
}

impl Indexer for Headers {
    fn get<'b, 'v>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.find(key).map(CowVal::Borrowed).ok_or_else(|| map_error(key))
    }

    fn steal<'v>(self: Box<Self>, key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.get(key).map(CowVal::into_owned)
    }
}

impl Sizer for Headers {
    fn size(&self) -> CelInt {
        self.0.size()
    }
}
