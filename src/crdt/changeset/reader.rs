//! Reading a changeset: its frame, its header, and its chunks one by one.

use super::chunk::ChunkReader;
use super::numbers::{take, take_varint};
use super::writer::{STORED, ZSTD};
use super::{
    CHUNK_BYTES_FREE, Defect, EXPANSION_MAX, FORMAT, Header, KIND_LAST_WRITER_WINS, MAGIC,
    PREFIX_BYTES, Part, encoding,
};
use crate::crdt::change::{COUNTER_MAX, DbVersion, SITE_ID_BYTES_MAX, Seq};
use std::rc::Rc;
use zstd::bulk::Decompressor;

/// Reads a changeset, which it may own.
pub struct Reader<B> {
    bytes: B,
    header: Rc<Header>,
    /// Where the next chunk starts
    offset: usize,
    chunks_left: u64,
    decompressor: Option<Decompressor<'static>>,
}

/// Where a chunk starts.
#[derive(Debug, Clone, Copy)]
pub struct ChunkStart {
    offset: usize,
    chunks_left: u64,
}

fn number_at<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    let mut number = [0; N];
    if let Some(found) = bytes.get(start..start + N) {
        number.copy_from_slice(found);
    }
    number
}

/// The checksum of what follows it, and of the length before it.
pub(super) fn checksum(length: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Checks the frame and gives what is in it.
fn framed(bytes: &[u8]) -> Result<&[u8], Defect> {
    if !bytes.starts_with(&MAGIC) {
        return Err(Defect::Magic);
    }
    if let Some(other) = bytes.get(MAGIC.len())
        && *other != FORMAT
    {
        return Err(Defect::Format(*other));
    }
    let found = bytes.len() as u64;
    let Some(body) = bytes.get(PREFIX_BYTES..) else {
        let expected = PREFIX_BYTES as u64;
        return Err(Defect::Length { expected, found });
    };
    let length = u64::from_le_bytes(number_at(bytes, 5));
    if length != body.len() as u64 {
        let expected = length.saturating_add(PREFIX_BYTES as u64);
        return Err(Defect::Length { expected, found });
    }
    match checksum(length, body) == u32::from_le_bytes(number_at(bytes, 13)) {
        true => Ok(body),
        false => Err(Defect::Checksum),
    }
}

impl<B: AsRef<[u8]>> Reader<B> {
    /// Checks the frame and reads the header.
    pub fn open(bytes: B) -> Result<Reader<B>, Defect> {
        let body = framed(bytes.as_ref())?;
        let (header, length) = bincode::serde::decode_from_slice::<Header, _>(body, encoding())
            .map_err(|_| Defect::Header)?;
        check(&header)?;
        Ok(Reader {
            bytes,
            offset: PREFIX_BYTES + length,
            chunks_left: header.chunks,
            header: Rc::new(header),
            decompressor: None,
        })
    }

    /// What the changeset says of itself.
    pub fn header(&self) -> &Rc<Header> {
        &self.header
    }

    /// The bytes of the changeset.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    /// Where the next chunk starts.
    pub fn next_start(&self) -> ChunkStart {
        ChunkStart {
            offset: self.offset,
            chunks_left: self.chunks_left,
        }
    }

    /// Makes this the next chunk.
    pub fn go_back(&mut self, start: ChunkStart) {
        (self.offset, self.chunks_left) = (start.offset, start.chunks_left);
    }

    /// The next chunk; `buffer` is where it is decompressed to. None at the end.
    pub fn next_chunk<'b>(
        &'b mut self,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<ChunkReader<'b>>, Defect> {
        let all = self.bytes.as_ref();
        let mut rest = all.get(self.offset..).unwrap_or_default();
        if self.chunks_left == 0 {
            return match rest {
                [] => Ok(None),
                _ => Err(Defect::Long),
            };
        }
        self.chunks_left -= 1;
        let method = take(&mut rest, 1)?[0];
        let stored = take_varint(&mut rest)?;
        let bytes = match method {
            STORED => take(&mut rest, stored)?,
            ZSTD => {
                let length = take_varint(&mut rest)?;
                let compressed = take(&mut rest, stored)?;
                decompress(&mut self.decompressor, compressed, length, buffer)?
            }
            _ => return Err(Defect::Form(method)),
        };
        self.offset = all.len() - rest.len();
        ChunkReader::new(bytes, &self.header).map(Some)
    }
}

fn decompress<'b>(
    decompressor: &mut Option<Decompressor<'static>>,
    compressed: &[u8],
    length: u64,
    buffer: &'b mut Vec<u8>,
) -> Result<&'b [u8], Defect> {
    let allowed = CHUNK_BYTES_FREE.max(compressed.len() as u64 * EXPANSION_MAX);
    if length > allowed {
        return Err(Defect::Expansion(length));
    }
    let length = usize::try_from(length).map_err(|_| Defect::Expansion(length))?;
    if decompressor.is_none() {
        *decompressor = Decompressor::new().ok();
    }
    let decompressor = decompressor.as_mut().ok_or(Defect::Compression)?;
    buffer.clear();
    buffer
        .try_reserve(length)
        .map_err(|_| Defect::Expansion(length as u64))?;
    let written = decompressor
        .decompress_to_buffer(compressed, buffer)
        .map_err(|_| Defect::Compression)?;
    match written == length {
        true => Ok(buffer),
        false => Err(Defect::Compression),
    }
}

fn check(header: &Header) -> Result<(), Defect> {
    if header.features != 0 || header.filter.is_some() {
        return Err(Defect::Features);
    }
    let is_site = |site: &Vec<u8>| (1..=SITE_ID_BYTES_MAX).contains(&site.len());
    if !is_site(&header.site) || !header.sites.iter().all(is_site) {
        return Err(Defect::HeaderValue("a site id"));
    }
    let (after, after_seq) = header.after;
    let seqs = [after_seq.unwrap_or_default(), header.last.seq];
    let is_counter = |number: u64| number <= COUNTER_MAX as u64;
    if !seqs.iter().all(|Seq(seq)| is_counter(*seq)) {
        return Err(Defect::HeaderValue("a seq"));
    }
    let versions = [after, header.first, header.last.version];
    if !versions
        .iter()
        .all(|DbVersion(version)| is_counter(*version))
    {
        return Err(Defect::HeaderValue("a version"));
    }
    if header.part != Part::Whole && header.first != header.last.version {
        return Err(Defect::HeaderValue("the version of a part"));
    }
    for table in &header.tables {
        if table.key_columns == 0 {
            return Err(Defect::HeaderValue("the number of key columns"));
        }
        let mut kinds = table.columns.iter().map(|column| column.kind);
        if let Some(kind) = kinds.find(|kind| *kind != KIND_LAST_WRITER_WINS) {
            return Err(Defect::Kind(kind));
        }
    }
    Ok(())
}
