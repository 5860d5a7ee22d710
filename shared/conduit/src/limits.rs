//! How long things may be. These figures are a part of the contract: who implements the port checks
//! them, the API's document states them, and a server sees to it that the longest request that they
//! allow gets through.

/// The longest username, in characters.
pub const MAX_USERNAME: usize = 64;
/// The longest e-mail address, in characters (the longest that mail servers have to accept).
pub const MAX_EMAIL: usize = 254;
/// The shortest password, in characters.
pub const MIN_PASSWORD: usize = 8;
/// The longest password, in characters: enough for any pass phrase.
pub const MAX_PASSWORD: usize = 256;

/// The longest biography, in characters.
pub const MAX_BIO: usize = 10_000;
/// The longest address of a picture, in characters.
pub const MAX_IMAGE: usize = 2_000;
/// The longest title of an article, in characters.
pub const MAX_TITLE: usize = 200;
/// The longest description of an article, in characters.
pub const MAX_DESCRIPTION: usize = 1_000;
/// The longest text of an article, in characters.
pub const MAX_ARTICLE: usize = 512 * 1024;
/// The longest comment, in characters.
pub const MAX_COMMENT: usize = 20_000;
/// How many tags an article may have.
pub const MAX_TAGS: usize = 50;
/// The longest tag, in characters.
pub const MAX_TAG: usize = 64;

/// The most articles that a list can be asked to pass over: databases count in signed numbers, and
/// half of the range is still more than anyone has.
pub const MAX_OFFSET: u32 = i32::MAX.unsigned_abs();
