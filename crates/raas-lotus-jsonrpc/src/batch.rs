//! A batch, from calls to answers: its text is written once and its replies are read once.
//!
//! jsonrpsee's own batches copy each reply twice and look through it three times before it is given
//! to whoever knows what it is, which was a third of what a large reading costs. Its connections and
//! protocol types are used here all the same.

use std::{borrow::Cow, fmt::Write as _, ops::Range};

use jsonrpsee::{
    core::{params::ArrayParams, traits::ToRpcParams as _},
    types::{ErrorObject, TwoPointZero},
};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    ask::Answer,
    error::{Trouble, clip},
    tally::Called,
};

/// The code of the error that stands in for a reply that did not come; of the range that JSON-RPC
/// leaves to implementations, used by no node.
pub(crate) const NO_REPLY: i32 = -32098;

/// Calls in one request.
pub(crate) struct Batch {
    /// As it is sent.
    pub(crate) text: String,
    /// What it calls.
    pub(crate) called: Called,
    /// The numbers of its items.
    pub(crate) ids: Range<u64>,
}

impl Batch {
    /// Writes a batch whose items are numbered from `first` on.
    pub(crate) fn of(
        calls: Vec<(&'static str, ArrayParams)>,
        first: u64,
    ) -> Result<Self, serde_json::Error> {
        let mut called = Called::new();
        let ids = first..first.saturating_add(calls.len() as u64);
        let mut text = String::from("[");
        for (id, (method, params)) in ids.clone().zip(calls) {
            let comma = if id == first { "" } else { "," };
            let params = params.to_rpc_params()?;
            // Lotus wants the empty list where there are none.
            let params = params.as_deref().map_or("[]", RawValue::get);
            // Names of methods are ours and need no escapes.
            let item = format_args!(
                r#"{comma}{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#
            );
            // Writing into a string cannot fail.
            let _ = text.write_fmt(item);
            match called.get_mut(method) {
                Some(elements) => *elements += 1,
                None => {
                    called.insert(method.to_owned(), 1);
                }
            }
        }
        text.push(']');
        Ok(Self { text, called, ids })
    }
}

/// One reply, its result not looked into.
#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(default)]
    #[expect(dead_code, reason = "may lack, and says nothing else where it is there")]
    jsonrpc: Option<TwoPointZero>,
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<ErrorObject<'a>>,
}

/// A field that is there, be it null.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

impl<'a> Reply<'a> {
    /// The number of the call that is answered, where it is a number.
    fn number(&self) -> Option<u64> {
        self.id.get().parse().ok()
    }

    fn answer(self) -> Result<Answer<'a>, Trouble> {
        match (self.result, self.error) {
            (Some(result), None) => Ok(Answer::Result(Cow::Borrowed(result))),
            (None, Some(error)) => {
                let message = clip(error.message());
                Ok(Answer::Error(Trouble::Rpc { code: error.code(), message }))
            }
            _ => Err(Trouble::Garbled("a reply without a result or an error, or both".to_owned())),
        }
    }
}

/// One answer for each of `ids`, in their order, of the replies in a body: one that is missing, or
/// there twice, becomes an error of its item, and a stray one is dropped, so that one lost reply is not
/// the end of ninety-nine others.
pub(crate) fn answers(body: &[u8], ids: Range<u64>) -> Result<Vec<Answer<'_>>, Trouble> {
    let replies: Vec<Reply<'_>> =
        // serde's own message may quote the reply.
        serde_json::from_slice(body).map_err(|error| Trouble::Garbled(clip(&error.to_string())))?;
    let mut answers: Vec<_> = ids.clone().map(|_| Slot::Empty).collect();
    for reply in replies {
        let place = reply.number().and_then(|id| id.checked_sub(ids.start));
        let answer = reply.answer()?;
        let slot = place.and_then(|place| answers.get_mut(usize::try_from(place).ok()?));
        if let Some(slot) = slot {
            *slot = match slot {
                Slot::Empty => Slot::Answer(answer),
                Slot::Answer(_) | Slot::Twice => Slot::Twice,
            };
        }
    }
    Ok(answers.into_iter().map(Slot::answer).collect())
}

/// What came for one item.
enum Slot<'a> {
    Empty,
    Answer(Answer<'a>),
    Twice,
}

impl<'a> Slot<'a> {
    fn answer(self) -> Answer<'a> {
        let lost = |message: &str| {
            Answer::Error(Trouble::Rpc { code: NO_REPLY, message: message.to_owned() })
        };
        match self {
            Self::Answer(answer) => answer,
            Self::Empty => lost("no reply to one item of a batch"),
            Self::Twice => lost("two replies to one item of a batch"),
        }
    }
}
