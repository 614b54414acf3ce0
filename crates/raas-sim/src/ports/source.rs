//! Where bytes may be fetched from: the client while it has them, and providers that serve.

use async_trait::async_trait;
use raas_retrieval::{
    DataSource, Error, ImportProfile, Result, Served, Staging, Wanted, file_blocks,
};
use raas_types::EpochDelta;

use super::Link;
use crate::options::Trouble;

/// All sources of a world in one.
#[derive(Debug)]
pub(crate) struct SimSource {
    pub(crate) link: Link,
}

#[async_trait]
impl DataSource for SimSource {
    fn name(&self) -> String {
        "the world".to_owned()
    }

    async fn fetch(&self, wanted: &Wanted, staging: &mut Staging) -> Result<Served> {
        self.link.fate.read().await;
        let missing = Error::NotFound { cid: wanted.cid };
        let file = {
            let mut world = self.link.scene.world();
            let datum = world.datum_of(&wanted.cid).filter(|datum| world.is_served(*datum));
            let Some(datum) = datum else { return Err(missing) };
            if world.weather.has(Trouble::Copies) && self.link.percent(15) {
                world.tally.faults_injected += 1;
                world.data[datum].withheld_until = world.now + EpochDelta::DAY;
                return Err(missing);
            }
            world.tally.bytes += world.data[datum].size;
            let (now, node) = (world.now, self.link.node);
            world.chronicle.tell(now, datum, format_args!("node {node} fetches the bytes"));
            world.fetched.push((datum, node));
            world.data[datum].file.clone()
        };
        let (_, blocks) = file_blocks(&file, &ImportProfile::default());
        for (cid, block) in blocks {
            staging.put(cid, block).await?;
        }
        self.link.fate.read().await;
        Ok(Served::by("the world"))
    }
}
