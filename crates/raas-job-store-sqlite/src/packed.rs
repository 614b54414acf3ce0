//! What is remembered of a deal, as bytes: a sixth of its JSON, which wrote names and CIDs as text and
//! a proposal up to three times.
//!
//! The first byte says how the rest is to be read. A memory is written at every look at its deal and a
//! pass writes a hundred thousand of them, so that their size is what a pass costs the disk.
//!
//! The shapes here are of the rows, not of the vocabulary: postcard writes fields in their order and
//! variants by their number, without names. **Never change one that was released.** What is added to
//! the vocabulary does not compile here until [`VERSION`] is raised and a shape is made for it beside
//! the old one, which is read for ever.

mod shapes;

use raas_types::DealMemory;

/// The first byte of what is written.
const VERSION: u8 = 1;

/// The bytes to keep.
pub(crate) fn pack(memory: &DealMemory) -> Result<Vec<u8>, String> {
    // Room for most: some 250 bytes, and more where there is a proof.
    let mut bytes = Vec::with_capacity(384);
    bytes.push(VERSION);
    postcard::to_extend(&shapes::Memory::of(memory), bytes).map_err(|error| error.to_string())
}

/// What was kept.
pub(crate) fn unpack(bytes: &[u8]) -> Result<DealMemory, String> {
    match bytes.split_first() {
        Some((&VERSION, packed)) => {
            let read = postcard::take_from_bytes::<shapes::Memory<'_>>(packed);
            match read.map_err(|error| error.to_string())? {
                (memory, []) => memory.read(),
                (_, rest) => Err(format!("{} bytes too many", rest.len())),
            }
        }
        Some((version, _)) => Err(format!("packed in a way of its own, number {version}")),
        None => Err("it is empty".to_owned()),
    }
}

#[cfg(test)]
mod tests;
