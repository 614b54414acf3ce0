//! Many questions of one kind: batches, several in flight, an answer for each.

use std::{
    borrow::Cow,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures::{StreamExt as _, stream};
use jsonrpsee::core::{
    client::{ClientT as _, Error as RpcError},
    params::ArrayParams,
};
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use crate::{
    JsonRpcLotus,
    batch::{self, Batch},
    error::Trouble,
    wire,
};

/// Batches that may fail as a whole before the rest of a reading is not sent any more. An endpoint
/// that hangs thus costs a reading one or two time-outs, whatever its size.
const MAX_LOST_BATCHES: usize = 3;

/// One more may fail for so many that were answered. Of the 1000 batches of 100 000 deals 53 may
/// thus time out, 16 at a time, which is some 100 s; a network that loses less is no reason to stop.
const ANSWERED_PER_LOST: usize = 20;

/// One question of a batch, and how its answer is read.
pub(crate) trait Question: Sync {
    /// What is called.
    const METHOD: &'static str;
    /// The most that go in one batch, where the endpoint takes as many.
    const MOST: usize;
    /// What is made of the answer.
    type Reading: Send;

    /// The parameters, by position; the last is the tipset's key.
    fn params(&self, key: &RawValue) -> Result<ArrayParams, serde_json::Error>;

    /// Makes of the answer what is kept of it. Called as each batch comes in, so that the answers of
    /// a large reading are never all there at a time.
    fn read(&self, answer: Answer<'_>) -> Self::Reading;

    /// How many bytes the answer may have, where it is known to be large.
    fn weight(&self) -> usize {
        0
    }
}

/// What came of one question.
#[derive(Clone, Debug)]
pub(crate) enum Answer<'a> {
    /// The node's result.
    Result(Cow<'a, RawValue>),
    /// The node's error.
    Error(Trouble),
    /// The node was not heard.
    Lost(String),
}

impl Answer<'_> {
    /// The result as what it should be, or why it is not.
    pub(crate) fn decode<T: serde::de::DeserializeOwned>(&self) -> Result<T, String> {
        match self {
            Self::Result(result) => wire::decode(result),
            Self::Error(trouble) => Err(trouble.to_string()),
            Self::Lost(why) => Err(why.clone()),
        }
    }

    /// The same, without the reply it stands in.
    fn into_owned(self) -> Answer<'static> {
        match self {
            Self::Result(result) => Answer::Result(Cow::Owned(result.into_owned())),
            Self::Error(trouble) => Answer::Error(trouble),
            Self::Lost(why) => Answer::Lost(why),
        }
    }
}

/// What came of one request.
enum Replies {
    /// To a plain call.
    One(Answer<'static>),
    /// To a batch with items of these numbers.
    Body(Vec<u8>, Range<u64>),
}

impl Replies {
    /// One answer for each call.
    fn answers(&self) -> Result<Vec<Answer<'_>>, Trouble> {
        match self {
            Self::One(answer) => Ok(vec![answer.clone()]),
            Self::Body(body, ids) => batch::answers(body, ids.clone()),
        }
    }
}

/// One reading of the chain at one tipset: asks in batches, and stops asking an endpoint that does
/// not answer.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    lotus: &'a JsonRpcLotus,
    /// Written once, as every question carries it.
    key: Box<RawValue>,
    answered: AtomicUsize,
    lost: AtomicUsize,
    /// Set when the size of batches was asked after, which a reading does once, however it ends.
    in_doubt: OnceCell<()>,
}

impl<'a> Asking<'a> {
    pub(crate) fn new(lotus: &'a JsonRpcLotus, key: &wire::Key) -> Result<Self, Trouble> {
        let key = serde_json::value::to_raw_value(key);
        let key = key.map_err(|error| Trouble::Garbled(format!("the tipset's key: {error}")))?;
        let (answered, lost) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Ok(Self { lotus, key, answered, lost, in_doubt: OnceCell::new() })
    }

    /// Whether the endpoint left so much unanswered that it is not worth asking on.
    fn is_hopeless(&self) -> bool {
        let answered = self.answered.load(Ordering::Relaxed);
        self.lost.load(Ordering::Relaxed) >= MAX_LOST_BATCHES + answered / ANSWERED_PER_LOST
    }

    /// One reading for each question, in their order.
    pub(crate) async fn ask<Q: Question>(&self, questions: &[Q]) -> Vec<Q::Reading> {
        let most = self.lotus.known.batch_limit().min(self.lotus.sizes.most(Q::METHOD, Q::MOST));
        let batches = pack(questions, most, self.lotus.max_response / 2);
        let batches: Vec<_> = batches.into_iter().map(|batch| self.ask_batch(batch)).collect();
        let readings = stream::iter(batches).buffered(self.lotus.in_flight);
        readings.collect::<Vec<_>>().await.into_iter().flatten().collect()
    }

    /// Asks a batch, in parts where the endpoint takes no batch of its size or the answer would be
    /// too large.
    async fn ask_batch<Q: Question>(&self, batch: &[Q]) -> Vec<Q::Reading> {
        let known = &self.lotus.known;
        let mut readings = Vec::with_capacity(batch.len());
        // The next part is the last: each is cut in two at most until single questions are left.
        let mut parts = vec![batch];
        while let Some(part) = parts.pop() {
            if self.is_hopeless() {
                let why = "not asked, as the endpoint left earlier questions unanswered";
                readings.extend(part.iter().map(|q| q.read(Answer::Lost(why.to_owned()))));
                continue;
            }
            if part.len() > known.batch_limit() {
                let (first, rest) = part.split_at(known.batch_limit());
                parts.extend([rest, first]);
                continue;
            }
            match self.send(part).await {
                Ok(read) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    self.lotus.sizes.answered(Q::METHOD, part.len());
                    readings.extend(read);
                }
                Err(trouble) if part.len() > 1 && trouble.asks_for_less() => {
                    if trouble.refuses_batches() {
                        known.batch_refused(part.len());
                    } else if trouble.may_refuse_batches() {
                        // Or something in it is not liked, of which the next batch is free.
                        self.in_doubt.get_or_init(|| self.lotus.batches_in_doubt()).await;
                    }
                    let (first, rest) = part.split_at(part.len() / 2);
                    parts.extend([rest, first]);
                }
                Err(trouble) => {
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(method = Q::METHOD, count = part.len(), "a batch was lost");
                    if matches!(trouble, Trouble::Timeout) {
                        self.lotus.sizes.too_slow(Q::METHOD, part.len());
                    }
                    known.doubt(&trouble);
                    let why = trouble.to_string();
                    readings.extend(part.iter().map(|q| q.read(Answer::Lost(why.clone()))));
                }
            }
        }
        readings
    }

    async fn send<Q: Question>(&self, part: &[Q]) -> Result<Vec<Q::Reading>, Trouble> {
        let mut calls = Vec::with_capacity(part.len());
        for question in part {
            let params = question.params(&self.key);
            calls.push((Q::METHOD, params.map_err(RpcError::ParseError)?));
        }
        let replies = self.lotus.send_all(calls).await?;
        let answers = replies.answers()?;
        for answer in &answers {
            if let Answer::Error(trouble) = answer {
                self.lotus.known.doubt(trouble);
            }
        }
        Ok(part.iter().zip(answers).map(|(question, answer)| question.read(answer)).collect())
    }
}

impl JsonRpcLotus {
    /// Makes calls in one request. One answer for each.
    pub(crate) async fn call_all(
        &self,
        calls: Vec<(&'static str, ArrayParams)>,
    ) -> Result<Vec<Answer<'static>>, Trouble> {
        let replies = self.send_all(calls).await?;
        Ok(replies.answers()?.into_iter().map(Answer::into_owned).collect())
    }

    /// Makes calls in one request: a batch, or a plain call when it is one, as not every endpoint
    /// knows batches.
    async fn send_all(
        &self,
        mut calls: Vec<(&'static str, ArrayParams)>,
    ) -> Result<Replies, Trouble> {
        if calls.len() == 1
            && let Some((method, params)) = calls.pop()
        {
            let reply = self.client.request::<Box<RawValue>, _>(method, params).await;
            return match reply.map_err(Trouble::from) {
                Ok(result) => Ok(Replies::One(Answer::Result(Cow::Owned(result)))),
                Err(trouble @ Trouble::Rpc { .. }) => Ok(Replies::One(Answer::Error(trouble))),
                Err(trouble) => Err(trouble),
            };
        }
        let first = self.numbers.fetch_add(calls.len() as u64, Ordering::Relaxed);
        let Batch { text, called, ids } = Batch::of(calls, first).map_err(RpcError::ParseError)?;
        let body = self.batches.send(&self.line, text, &called).await?;
        Ok(Replies::Body(body, ids))
    }
}

/// Cuts questions into batches of no more than `most`, and of answers that are expected to have no
/// more than `bytes` together.
fn pack<Q: Question>(questions: &[Q], most: usize, bytes: usize) -> Vec<&[Q]> {
    let mut batches = Vec::new();
    let (mut start, mut heavy) = (0, 0_usize);
    for (at, question) in questions.iter().enumerate() {
        let weight = question.weight();
        let full = at - start == most.max(1) || heavy.saturating_add(weight) > bytes;
        if full && at > start {
            batches.push(&questions[start..at]);
            (start, heavy) = (at, 0);
        }
        heavy = heavy.saturating_add(weight);
    }
    if start < questions.len() {
        batches.push(&questions[start..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Heavy(usize);

    impl Question for Heavy {
        const METHOD: &'static str = "heavy";
        const MOST: usize = 10;
        type Reading = ();

        fn params(&self, _: &RawValue) -> Result<ArrayParams, serde_json::Error> {
            Ok(ArrayParams::new())
        }

        fn read(&self, _: Answer<'_>) {}

        fn weight(&self) -> usize {
            self.0
        }
    }

    fn sizes(weights: &[usize], most: usize) -> Vec<usize> {
        let questions: Vec<_> = weights.iter().copied().map(Heavy).collect();
        pack(&questions, most, 100).iter().map(|batch| batch.len()).collect()
    }

    #[test]
    fn batches_keep_to_number_and_weight() {
        assert_eq!(sizes(&[], 10), [0; 0]);
        assert_eq!(sizes(&[0; 25], 10), [10, 10, 5]);
        assert_eq!(sizes(&[40; 5], 10), [2, 2, 1]);
        assert_eq!(sizes(&[1, 1, 500, 1], 10), [2, 1, 1], "what is too heavy goes alone");
        assert_eq!(sizes(&[usize::MAX; 3], 10), [1, 1, 1]);
        assert_eq!(sizes(&[0; 3], 0), [1, 1, 1]);
    }
}
