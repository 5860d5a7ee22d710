//! Writing a ZIP archive piece by piece, so that it can be gone on with in another process.
//!
//! A ZIP archive is its files one after the other, each behind a small header, and a table of
//! contents at the end that says where each begins. So all that has to be remembered in between is
//! how long the archive is so far, and one [`Entry`] for each file. Format: PKWARE's APPNOTE 6.3,
//! sections 4.3.7, 4.3.12 and 4.3.16.

use std::io::Write;

use flate2::{Compression, Crc, write::DeflateEncoder};
use serde::{Deserialize, Serialize};

/// The version of the format that a reader has to know: 2.0, for compressed files.
const VERSION: u16 = 20;

/// Names are in UTF-8.
const UTF8: u16 = 1 << 11;

/// 1 January 1980, the first day that the format knows. An archive of the same files is the same.
const DATE: u16 = (1 << 5) | 1;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A file in the archive, as its table of contents has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// What a reader shows for it, if it is a chapter.
    pub(crate) title: Option<String>,
    crc: u32,
    packed: u32,
    size: u32,
    /// Where its header begins.
    offset: u32,
    compressed: bool,
}

/// A piece of an archive, and what it adds to the table of contents.
#[derive(Default)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    pub(crate) entries: Vec<Entry>,
    /// How long the archive is before this piece.
    begins: u64,
}

/// An archive may not be longer than 4 GiB, and a name no longer than 64 KiB.
#[derive(Debug, thiserror::Error)]
#[error("the archive is too long")]
pub(crate) struct TooLong;

impl Piece {
    /// The piece that follows on so many bytes.
    pub(crate) fn after(begins: u64) -> Self {
        Self { begins, ..Self::default() }
    }

    /// Adds a file as it is.
    pub(crate) fn store(&mut self, name: &str, content: &[u8]) -> Result<(), TooLong> {
        self.add(name, None, content, content, false)
    }

    /// Adds a file, compressed.
    pub(crate) fn deflate(
        &mut self,
        name: &str,
        title: Option<String>,
        content: &[u8],
    ) -> Result<(), TooLong> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        // Writing into memory does not fail.
        let packed = encoder.write_all(content).and_then(|()| encoder.finish());
        self.add(name, title, &packed.map_err(|_| TooLong)?, content, true)
    }

    fn add(
        &mut self,
        name: &str,
        title: Option<String>,
        packed: &[u8],
        content: &[u8],
        compressed: bool,
    ) -> Result<(), TooLong> {
        let mut crc = Crc::new();
        crc.update(content);
        let entry = Entry {
            name: name.to_owned(),
            title,
            crc: crc.sum(),
            packed: fitting(packed.len() as u64)?,
            size: fitting(content.len() as u64)?,
            offset: fitting(self.begins + self.bytes.len() as u64)?,
            compressed,
        };
        self.bytes.extend(b"PK\x03\x04");
        entry.describe(&mut self.bytes)?;
        self.bytes.extend(0_u16.to_le_bytes());
        self.bytes.extend(name.as_bytes());
        self.bytes.extend(packed);
        self.entries.push(entry);
        Ok(())
    }

    /// Adds the table of contents, which ends the archive.
    pub(crate) fn finish(&mut self, all: &[Entry]) -> Result<(), TooLong> {
        let begins = fitting(self.begins + self.bytes.len() as u64)?;
        let before = self.bytes.len();
        for entry in all {
            self.bytes.extend(b"PK\x01\x02");
            self.bytes.extend(VERSION.to_le_bytes());
            entry.describe(&mut self.bytes)?;
            // No extra field, no comment, first disk, no attributes.
            self.bytes.extend([0; 12]);
            self.bytes.extend(entry.offset.to_le_bytes());
            self.bytes.extend(entry.name.as_bytes());
        }
        let length = fitting((self.bytes.len() - before) as u64)?;
        let count = u16::try_from(all.len()).map_err(|_| TooLong)?.to_le_bytes();
        self.bytes.extend(b"PK\x05\x06\0\0\0\0");
        self.bytes.extend(count);
        self.bytes.extend(count);
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend(begins.to_le_bytes());
        self.bytes.extend(0_u16.to_le_bytes());
        Ok(())
    }
}

impl Entry {
    /// What the header and the table of contents say alike.
    fn describe(&self, to: &mut Vec<u8>) -> Result<(), TooLong> {
        let method = if self.compressed { DEFLATED } else { STORED };
        for number in [VERSION, UTF8, method, 0, DATE] {
            to.extend(number.to_le_bytes());
        }
        for number in [self.crc, self.packed, self.size] {
            to.extend(number.to_le_bytes());
        }
        let name = u16::try_from(self.name.len()).map_err(|_| TooLong)?;
        to.extend(name.to_le_bytes());
        Ok(())
    }
}

fn fitting(number: u64) -> Result<u32, TooLong> {
    number.try_into().map_err(|_| TooLong)
}
