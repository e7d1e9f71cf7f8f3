//! Every problem of a directory at once.

use std::path::Path;

use crate::Options;
use crate::folder::{Folder, Hint};
use crate::report::Report;
use crate::world::World;

/// Reads every manifest below `dir` and tells everything that is wrong: in each file, in each object, and between objects, those of
/// broken files included. A directory that can't be read is an error in the report too.
pub fn check(dir: &Path, options: &Options) -> Report {
    let mut folder = Folder::new(dir, options);
    folder.scan(&Hint::Everywhere);
    let objects = folder.written();
    let world = World::new(objects, options, None);
    Report::new(folder.findings().chain(world.findings()).cloned().collect(), folder.files(), world.objects())
}
