//! How a world reaches Replicate where that is the real one: the user's token, and pictures that ride in
//! the request, since nobody out there can fetch them from this process.

mod inline;
mod live;

pub(crate) use self::inline::InlineLinks;
pub use self::live::live;
