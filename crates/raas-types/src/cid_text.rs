//! Serde for a [`Cid`] as text, for `#[serde(with = "raas_types::cid_text")]` (the cid crate's own
//! serde writes bytes).

use cid::Cid;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes the CID as text.
///
/// # Errors
///
/// Those of the serializer.
pub fn serialize<S: Serializer>(cid: &Cid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cid)
}

/// Reads a CID from text.
///
/// # Errors
///
/// When the text is no CID.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cid, D::Error> {
    let text = String::deserialize(deserializer)?;
    Cid::try_from(text.as_str()).map_err(serde::de::Error::custom)
}
