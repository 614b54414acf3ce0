//! Finds out what the endpoint can do: a dozen questions that cost it little, asked once.
//!
//! Whether a method is there shows by asking it of the system actor f00, which is on every network
//! and is no provider: a node that has the method says so with one error, one that has not with
//! another.

use jsonrpsee::core::params::ArrayParams;
use raas_types::EpochDelta;

use crate::{
    JsonRpcLotus,
    api::{self, FilecoinClient as _},
    ask::Answer,
    batch::NO_REPLY,
    capabilities::{Capabilities, LookBack},
    error::{Trouble, says_too_old},
    known::{Facts, NodeWord},
    wire,
};

/// An actor that is there and is no provider.
const NO_PROVIDER: &str = "f00";

/// How far back is asked for: beyond a gateway's 24 hours.
const FAR_BACK: EpochDelta = EpochDelta::days(2);

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    NetworkName,
    NetworkVersion,
    Version,
    Finalized,
    SectorPartition,
    MinerPartitions,
    SectorExpiration,
    ProvingDeadline,
    StateCall,
}

/// What tells how to read sectors.
const FOR_SECTORS: [Probe; 6] = [
    Probe::NetworkVersion,
    Probe::SectorPartition,
    Probe::MinerPartitions,
    Probe::SectorExpiration,
    Probe::ProvingDeadline,
    Probe::StateCall,
];

const ALL: [Probe; 9] = [
    Probe::NetworkName,
    Probe::NetworkVersion,
    Probe::Version,
    Probe::Finalized,
    Probe::SectorPartition,
    Probe::MinerPartitions,
    Probe::SectorExpiration,
    Probe::ProvingDeadline,
    Probe::StateCall,
];

impl JsonRpcLotus {
    /// What the endpoint can do. Asked for at the first time, and again when it cannot be relied on
    /// any more: after an hour, and after the endpoint was away, missed a method or told of another
    /// network. What is not answered is not known, and asked for again the next time.
    ///
    /// # Errors
    ///
    /// When the endpoint does not answer at all.
    pub async fn capabilities(&self) -> raas_lotus::Result<Capabilities> {
        let facts = async {
            let _probing = self.known.probing.lock().await;
            self.probe(&ALL).await?;
            self.probe_batches().await?;
            self.probe_look_back().await?;
            Ok(self.known.facts())
        };
        let facts = facts.await.map_err(|trouble: Trouble| self.error(trouble))?;
        Ok(facts.capabilities(self.finality_fallback))
    }

    /// What is known that a reading of sectors has to know, asked for where it is not.
    pub(crate) async fn facts_for_sectors(&self) -> Result<Facts, Trouble> {
        let facts = self.known.facts();
        if FOR_SECTORS.iter().all(|probe| probe.is_answered(&facts)) {
            return Ok(facts);
        }
        let _probing = self.known.probing.lock().await;
        self.probe(&FOR_SECTORS).await?;
        Ok(self.known.facts())
    }

    /// Finds out how large a batch may be, where that is not known: a reading was refused one, and not
    /// told why.
    pub(crate) async fn batches_in_doubt(&self) {
        let _probing = self.known.probing.lock().await;
        if let Err(trouble) = self.probe_batches().await {
            self.known.doubt(&trouble);
            tracing::debug!(%trouble, "the size of batches is not known");
        }
    }

    /// Asks what is not known of these, in one batch where that is possible.
    async fn probe(&self, probes: &[Probe]) -> Result<(), Trouble> {
        let facts = self.known.facts();
        let open = probes.iter().copied().filter(|probe| !probe.is_answered(&facts));
        let open: Vec<_> = open.collect();
        if open.is_empty() {
            return Ok(());
        }
        let mut calls = Vec::with_capacity(open.len());
        for probe in &open {
            calls.push(probe.call()?);
        }
        let answers = if self.known.batch_limit() < open.len() {
            self.call_singly(calls).await?
        } else {
            match self.call_all(calls.clone()).await {
                // One by one; it is too early to know what size of batch it takes.
                Err(trouble) if trouble.asks_for_less() => self.call_singly(calls).await?,
                other => other?,
            }
        };
        for (probe, answer) in open.into_iter().zip(&answers) {
            match (probe, answer.decode()) {
                (Probe::NetworkName, Ok(name)) => self.heard_of_network(name),
                (Probe::NetworkName, Err(_)) => {}
                _ => self.known.learn(|facts| probe.learn(facts, answer)),
            }
        }
        Ok(())
    }

    async fn call_singly(
        &self,
        calls: Vec<(&'static str, ArrayParams)>,
    ) -> Result<Vec<Answer<'static>>, Trouble> {
        let mut answers = Vec::with_capacity(calls.len());
        for call in calls {
            answers.extend(self.call_all(vec![call]).await?);
        }
        Ok(answers)
    }

    /// Finds the largest batch that is answered: the configured one, or halves of it down to one.
    /// Nothing but a refusal of the batch counts, said or not, as there is nothing else to refuse in
    /// these calls: time-outs and 429 say nothing of size.
    async fn probe_batches(&self) -> Result<(), Trouble> {
        while self.known.facts().max_batch.is_none() {
            let size = self.known.batch_limit();
            let calls = vec![(api::VERSION, ArrayParams::new()); size];
            match self.call_all(calls).await {
                Ok(answers) if answers.iter().all(is_reply) => {
                    self.known.learn(|facts| facts.max_batch = Some(size));
                }
                // Half a batch tells nothing.
                Ok(_) => break,
                Err(trouble)
                    if size > 1 && (trouble.refuses_batches() || trouble.may_refuse_batches()) =>
                {
                    self.known.batch_refused(size);
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }

    async fn probe_look_back(&self) -> Result<(), Trouble> {
        if self.known.facts().look_back.is_some() {
            return Ok(());
        }
        let head = match self.client.chain_head().await.map_err(Trouble::from) {
            Ok(head) => raas_types::Tipset::try_from(head).ok(),
            // It answers, and not this: that much stays unknown.
            Err(Trouble::Rpc { .. } | Trouble::Garbled(_)) => None,
            Err(trouble) => return Err(trouble),
        };
        let Some(head) = head else { return Ok(()) };
        let epoch = (head.epoch - FAR_BACK).get().max(0);
        let below = wire::Key::from(&head.key);
        let tipset = self.client.chain_get_tipset_by_height(epoch, below).await;
        let found = match tipset.map_err(Trouble::from) {
            Ok(_) => Some(LookBack::Unlimited),
            Err(Trouble::Rpc { message, .. }) if says_too_old(&message) => Some(LookBack::Day),
            Err(_) => None,
        };
        self.known.learn(|facts| facts.look_back = found);
        Ok(())
    }
}

impl Probe {
    fn call(self) -> Result<(&'static str, ArrayParams), Trouble> {
        let mut params = ArrayParams::new();
        let filled = match self {
            Self::NetworkName | Self::Version | Self::Finalized => Ok(()),
            Self::NetworkVersion => params.insert(wire::Key::HEAD),
            Self::SectorPartition | Self::MinerPartitions | Self::SectorExpiration => {
                let filled = params.insert(NO_PROVIDER).and_then(|()| params.insert(0));
                filled.and_then(|()| params.insert(wire::Key::HEAD))
            }
            Self::ProvingDeadline => {
                params.insert(NO_PROVIDER).and_then(|()| params.insert(wire::Key::HEAD))
            }
            Self::StateCall => {
                let filled = params.insert(wire::Message::nothing());
                filled.and_then(|()| params.insert(wire::Key::HEAD))
            }
        };
        filled.map_err(|error| Trouble::Garbled(error.to_string()))?;
        Ok((self.method(), params))
    }

    fn method(self) -> &'static str {
        match self {
            Self::NetworkName => api::STATE_NETWORK_NAME,
            Self::NetworkVersion => api::STATE_NETWORK_VERSION,
            Self::Version => api::VERSION,
            Self::Finalized => api::CHAIN_GET_FINALIZED_TIPSET,
            Self::SectorPartition => api::STATE_SECTOR_PARTITION,
            Self::MinerPartitions => api::STATE_MINER_PARTITIONS,
            Self::SectorExpiration => api::STATE_SECTOR_EXPIRATION,
            Self::ProvingDeadline => api::STATE_MINER_PROVING_DEADLINE,
            Self::StateCall => api::STATE_CALL,
        }
    }

    fn is_answered(self, facts: &Facts) -> bool {
        match self {
            Self::NetworkName => facts.network_name.is_some(),
            Self::NetworkVersion => facts.network_version.is_some(),
            Self::Version => facts.node.is_some(),
            Self::Finalized => facts.names_final.is_some(),
            Self::SectorPartition => facts.sector_partition.is_some(),
            Self::MinerPartitions => facts.miner_partitions.is_some(),
            Self::SectorExpiration => facts.sector_expiration.is_some(),
            Self::ProvingDeadline => facts.proving_deadline.is_some(),
            Self::StateCall => facts.state_call.is_some(),
        }
    }

    /// Takes what an answer tells.
    fn learn(self, facts: &mut Facts, answer: &Answer<'_>) {
        match self {
            // Heard of, and remembered with what hangs on it.
            Self::NetworkName => {}
            Self::NetworkVersion => facts.network_version = answer.decode().ok(),
            Self::Version => facts.node = node_word(answer),
            Self::Finalized => facts.names_final = is_there(answer),
            Self::SectorPartition => {
                if let Answer::Error(Trouble::Rpc { code, .. }) = answer {
                    facts.error_code = Some(*code);
                }
                facts.sector_partition = is_there(answer);
            }
            Self::MinerPartitions => facts.miner_partitions = is_there(answer),
            Self::SectorExpiration => facts.sector_expiration = is_there(answer),
            Self::ProvingDeadline => facts.proving_deadline = is_there(answer),
            Self::StateCall => facts.state_call = is_there(answer),
        }
    }
}

fn node_word(answer: &Answer<'_>) -> Option<NodeWord> {
    match answer {
        Answer::Result(_) => Some(answer.decode().map_or(NodeWord::Silent, NodeWord::Says)),
        Answer::Error(_) => is_there(answer).map(|_| NodeWord::Silent),
        Answer::Lost(_) => None,
    }
}

/// Whether it came from the endpoint, and does not stand in for what did not come.
fn is_reply(answer: &Answer<'_>) -> bool {
    !matches!(answer, Answer::Error(Trouble::Rpc { code: NO_REPLY, .. }) | Answer::Lost(_))
}

/// Whether the method that was asked is there for us; `None` when the answer tells nothing.
fn is_there(answer: &Answer<'_>) -> Option<bool> {
    match answer {
        _ if !is_reply(answer) => None,
        Answer::Result(_) => Some(true),
        Answer::Error(trouble @ Trouble::Rpc { .. }) => Some(!trouble.is_missing_method()),
        Answer::Error(_) | Answer::Lost(_) => None,
    }
}
