//! Many questions of one kind: batches, several in flight, an answer for each.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt as _, stream};
use jsonrpsee::core::{
    client::{ClientT as _, Error as RpcError},
    params::{ArrayParams, BatchRequestBuilder},
};
use serde_json::value::RawValue;

use crate::{
    error::{Trouble, clip},
    transport::Client,
};

/// Batches that may fail as a whole before the rest of a reading is not sent any more. With four in
/// flight an endpoint that hangs costs a reading one or two time-outs, whatever its size.
const MAX_LOST_BATCHES: usize = 3;

/// One reading of the chain: asks in batches, and stops asking an endpoint that does not answer.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    client: &'a Client,
    in_flight: usize,
    lost: AtomicUsize,
}

/// What came of one question.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The node's result.
    Result(Box<RawValue>),
    /// The node's error.
    Error(Trouble),
    /// The node was not heard.
    Lost(String),
}

impl<'a> Asking<'a> {
    pub(crate) fn new(client: &'a Client, in_flight: usize) -> Self {
        Self { client, in_flight, lost: AtomicUsize::new(0) }
    }

    /// One answer for each list of parameters, in their order.
    pub(crate) async fn ask(
        &self,
        method: &'static str,
        questions: Vec<ArrayParams>,
        per_batch: usize,
    ) -> Vec<Answer> {
        let mut questions = questions.into_iter();
        let mut batches = Vec::new();
        while questions.len() > 0 {
            let batch: Vec<_> = questions.by_ref().take(per_batch.max(1)).collect();
            batches.push(self.ask_batch(method, batch));
        }
        let answers = stream::iter(batches).buffered(self.in_flight.max(1));
        answers.collect::<Vec<_>>().await.into_iter().flatten().collect()
    }

    async fn ask_batch(&self, method: &'static str, questions: Vec<ArrayParams>) -> Vec<Answer> {
        let count = questions.len();
        let all_lost = |why: &str| (0..count).map(|_| Answer::Lost(why.to_owned())).collect();
        if self.lost.load(Ordering::Relaxed) >= MAX_LOST_BATCHES {
            return all_lost("not asked, as the endpoint left earlier questions unanswered");
        }
        match self.send(method, questions).await {
            Ok(answers) => answers,
            Err(trouble) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(method, count, "a batch was lost");
                all_lost(&trouble.to_string())
            }
        }
    }

    async fn send(
        &self,
        method: &'static str,
        questions: Vec<ArrayParams>,
    ) -> Result<Vec<Answer>, Trouble> {
        let count = questions.len();
        let mut batch = BatchRequestBuilder::new();
        for question in questions {
            batch.insert(method, question).map_err(RpcError::ParseError)?;
        }
        let replies = self.client.batch_request::<Box<RawValue>>(batch).await;
        let replies = replies.map_err(|error| match error {
            // One object where a list was due is what a node says of the batch itself.
            RpcError::ParseError(error) if error.is_data() => Trouble::Garbled(format!(
                "a batch of {count} is not answered with a list of replies ({}); if the endpoint \
                 takes fewer at a time, lower max_batch",
                clip(&error.to_string())
            )),
            other => other.into(),
        })?;
        let answer = |reply: Result<_, jsonrpsee::types::ErrorObject<'_>>| match reply {
            Ok(result) => Answer::Result(result),
            Err(error) => {
                let message = clip(error.message());
                Answer::Error(Trouble::Rpc { code: error.code(), message })
            }
        };
        Ok(replies.into_iter().map(answer).collect())
    }
}
