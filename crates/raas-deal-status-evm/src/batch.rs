//! Many `eth_call`s of one question at one block: batches, several in flight, an answer for each.

use std::{
    ops::Range,
    result::Result as StdResult,
    sync::atomic::{AtomicUsize, Ordering},
};

use alloy::{primitives::Bytes, rpc::types::TransactionRequest};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::{
    endpoint::{Block, Endpoint, number},
    error::{CallError, error_in},
    line::{Lost, Reply},
};

/// The method of all of them.
const METHOD: &str = "eth_call";
/// Requests of one reading in flight: a node sees at most 8 of ours at once, and at 50 ms each gets
/// 8 x 50 / 0.05 s = 8 000 calls a second of a question that goes in batches of 50.
const IN_FLIGHT: usize = 8;
/// Requests that may be lost before the rest of a reading is not sent any more. An endpoint that hangs
/// thus costs a reading one time-out, or two where it answered at first, whatever the reading's size.
const MAX_LOST: usize = 3;

/// What came of one call; `None` until it is known.
type Answer = Option<StdResult<Bytes, CallError>>;

/// One reading at one endpoint.
struct Reading<'a> {
    endpoint: &'a Endpoint,
    /// What is asked, for the memory of sizes.
    question: &'static str,
    calls: &'a [TransactionRequest],
    block: Value,
    lost: AtomicUsize,
    answered: AtomicUsize,
}

impl Endpoint {
    /// What each call returns on the state after a block, in their order. Up to `usual` go in one
    /// request, where the endpoint takes as many.
    pub(crate) async fn call_all(
        &self,
        question: &'static str,
        usual: usize,
        calls: &[TransactionRequest],
        block: Block,
    ) -> Vec<StdResult<Bytes, CallError>> {
        let (lost, answered) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let reading =
            Reading { endpoint: self, question, calls, block: block.param(), lost, answered };
        let most = self.sizes.most(question, usual);
        let starts = (0..calls.len()).step_by(most);
        let batches = starts.map(|start| start..calls.len().min(start + most));
        let batches: Vec<_> = batches.map(|batch| reading.ask(batch)).collect();
        let answers = stream::iter(batches).buffered(IN_FLIGHT).collect::<Vec<_>>().await;
        answers.into_iter().flatten().collect()
    }
}

impl Reading<'_> {
    /// Asks a batch, in parts where it is not answered as a whole.
    async fn ask(&self, batch: Range<usize>) -> Vec<StdResult<Bytes, CallError>> {
        let sizes = &self.endpoint.sizes;
        let mut answers: Vec<Answer> = batch.clone().map(|_| None).collect();
        // Each part is asked in smaller ones at most until single calls are left; those are final.
        let mut parts = vec![batch.clone()];
        while let Some(part) = parts.pop() {
            if self.lost.load(Ordering::Relaxed) >= MAX_LOST {
                break;
            }
            // Another batch may have found out meanwhile what the endpoint takes.
            let most = sizes.most(self.question, part.len());
            if part.len() > most {
                parts.extend(halves(part));
                continue;
            }
            let place = |index: usize| index - batch.start;
            match self.send(part.clone()).await {
                Ok(replies) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    if replies.iter().all(Option::is_some) {
                        sizes.answered(self.question, part.len());
                    } else {
                        sizes.too_slow(self.question, part.len());
                    }
                    for (index, reply) in part.zip(replies) {
                        if reply.is_none() {
                            parts.push(index..index + 1);
                        }
                        answers[place(index)] = reply;
                    }
                }
                Err(error) if part.len() > 1 && error.refuses_batches() => {
                    sizes.refused(part.len());
                    parts.extend(halves(part));
                }
                Err(CallError::Lost { why: Lost::TooLong, .. }) if part.len() > 1 => {
                    parts.extend(halves(part));
                }
                Err(error) => {
                    if part.len() > 1 || !error.is_about_one_answer() {
                        self.lost.fetch_add(1, Ordering::Relaxed);
                    }
                    let slow = matches!(error, CallError::Lost { why: Lost::NoAnswer, .. });
                    if slow && part.len() > 1 {
                        sizes.too_slow(self.question, part.len());
                    }
                    // One call may have held up the others, where the endpoint does answer.
                    let alive = self.answered.load(Ordering::Relaxed) > 0;
                    if slow && part.len() > 1 && alive {
                        parts.extend(part.clone().map(|index| index..index + 1));
                    }
                    for index in part {
                        answers[place(index)] = Some(Err(error.clone()));
                    }
                }
            }
        }
        let not_asked = || Err(CallError::Lost { method: METHOD, why: Lost::NotAsked });
        answers.into_iter().map(|answer| answer.unwrap_or_else(not_asked)).collect()
    }

    /// One request; `None` for a call that its answer leaves out.
    async fn send(&self, part: Range<usize>) -> StdResult<Vec<Answer>, CallError> {
        let calls = &self.calls[part];
        if let [call] = calls {
            return match self.endpoint.ask(METHOD, (call, &self.block)).await {
                Err(error @ CallError::Lost { .. }) => Err(error),
                answer => Ok(vec![Some(answer)]),
            };
        }
        let requests = calls.iter().enumerate().map(|(id, call)| {
            json!({"jsonrpc": "2.0", "id": id + 1, "method": METHOD, "params": (call, &self.block)})
        });
        let body = Value::Array(requests.collect());
        let lost = |why| CallError::Lost { method: METHOD, why };
        let reply = self.endpoint.line.exchange(METHOD, calls.len(), &body).await.map_err(lost)?;
        read(reply, calls.len())
    }
}

/// The two halves of a part, the second first.
fn halves(part: Range<usize>) -> [Range<usize>; 2] {
    let middle = part.start + part.len() / 2;
    [middle..part.end, part.start..middle]
}

/// The answers to a batch with ids from 1 on, in the order of the ids, whatever theirs is.
fn read(reply: Reply, count: usize) -> StdResult<Vec<Answer>, CallError> {
    let lost = |why| CallError::Lost { method: METHOD, why };
    let unreadable = |why: &str| lost(Lost::Unreadable(why.to_owned()));
    let object = reply.body.as_ref().filter(|body| body.is_object());
    if let Some(error) = object.and_then(error_in) {
        return Err(error);
    }
    // Lotus sets the status of a batch by its worst element, and answers all of them.
    let replies = match (reply.status, reply.body) {
        (200..=299 | 400 | 500, Some(Value::Array(replies))) => replies,
        (200..=299, _) => return Err(unreadable("a batch is not answered with a list")),
        (status, _) => return Err(lost(Lost::Status(status))),
    };
    // Some say what they have against the batch in a list of one.
    if let [only] = &replies[..]
        && only.get("id").is_none_or(Value::is_null)
        && let Some(error) = error_in(only)
    {
        return Err(error);
    }
    if replies.is_empty() {
        return Err(unreadable("a batch is answered with nothing"));
    }
    let mut answers: Vec<Answer> = (0..count).map(|_| None).collect();
    for mut reply in replies {
        let id = reply.get("id").and_then(number).and_then(|id| usize::try_from(id).ok());
        let answer = id.and_then(|id| answers.get_mut(id.checked_sub(1)?));
        let answer = answer.ok_or_else(|| unreadable("it answers another request"))?;
        if answer.is_some() {
            return Err(unreadable("it answers a request twice"));
        }
        *answer = Some(match error_in(&reply) {
            Some(error) => Err(error),
            None => {
                let result = reply.get_mut("result").map(Value::take).unwrap_or_default();
                let result = serde_json::from_value(result);
                result.map_err(|error| lost(Lost::Unreadable(error.to_string())))
            }
        });
    }
    Ok(answers)
}
