//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use raas_devnet::NodeKind;

/// A node that keeps data alive on Filecoin: replication, renewal and repair of storage deals.
#[derive(Debug, Parser)]
#[command(name = "raas", version, about, propagate_version = true)]
pub(crate) struct Cli {
    /// Say more on standard error: -v what happens, -vv how.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole story in a minute: stores FILE on a devnet, replicates it to three providers,
    /// survives a fault, renews, and brings it back.
    Demo(Demo),
    /// The same devnet and node, kept running to develop against.
    Dev(Dev),
    /// The node.
    Run(Run),
    /// Checks what a node would work with, and says how to mend what is wrong.
    Doctor(Doctor),
    /// Plans every logged decision anew, and says which would be decided otherwise now.
    Replay(Replay),
    /// Stores a file with a node and has it kept alive.
    Store(Store),
    /// Has data kept alive that is somewhere already.
    Register(Register),
    /// Lists jobs.
    Jobs(Jobs),
    /// Says how a job is doing, and why.
    Why(Why),
    /// Has orders made again that were stopped because too much seemed lost at once.
    Resume(Resume),
    /// Brings data back, verified.
    Get(Get),
    /// Removes a job; its deals are left to lapse.
    Rm(Rm),
    /// What a node is told of providers, and is not on the chain: lists it, or changes it.
    Providers(Providers),
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Any file of yours; a small built-in text when left out.
    pub(crate) file: Option<PathBuf>,
    /// One JSON object a line instead of the story.
    #[arg(long)]
    pub(crate) json: bool,
    /// What the devnet's node answers like.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) chain: ChainNode,
    /// Switches a part of the planner off, to see what it is needed for.
    #[arg(long, hide = true, value_parser = ["repair", "renewal"])]
    pub(crate) without: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// Where the node's HTTP face listens (with --devnet-only: the devnet).
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// One JSON line when everything answers.
    #[arg(long)]
    pub(crate) json: bool,
    /// Only the devnet, with the contract deployed and a configuration written for `raas run`.
    #[arg(long, requires = "dir")]
    pub(crate) devnet_only: bool,
    /// Where everything is kept, an empty directory; a temporary one when left out.
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
    /// Milliseconds that an epoch takes. Left out, time stands still until it is advanced:
    /// `curl -X POST DEVNET/devnet/advance --json '{"epochs":2880}'`.
    #[arg(long)]
    pub(crate) epoch_ms: Option<u64>,
    /// What the devnet's node answers like.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) chain: ChainNode,
}

/// A kind of node that tells of the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChainNode {
    /// A Lotus node.
    #[default]
    Lotus,
    /// A Forest node.
    Forest,
    /// A public gateway in front of a Lotus node.
    Gateway,
}

impl From<ChainNode> for NodeKind {
    fn from(node: ChainNode) -> Self {
        match node {
            ChainNode::Lotus => Self::Lotus,
            ChainNode::Forest => Self::Forest,
            ChainNode::Gateway => Self::Gateway,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The configuration.
    #[arg(long)]
    pub(crate) config: PathBuf,
    /// Where the HTTP face listens, instead of what the configuration says.
    #[arg(long)]
    pub(crate) listen: Option<SocketAddr>,
    /// One pass over what is due, a summary, exit.
    #[arg(long)]
    pub(crate) once: bool,
    /// JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The configuration.
    #[arg(long)]
    pub(crate) config: PathBuf,
    /// Seconds that the answer to one question may take.
    #[arg(long, default_value_t = 30.0)]
    pub(crate) timeout: f64,
    /// JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The configuration of the node, which may be running.
    #[arg(long)]
    pub(crate) config: PathBuf,
    /// Only the decisions about this data.
    #[arg(long)]
    pub(crate) cid: Option<String>,
    /// JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How to reach a node.
#[derive(Debug, Args)]
pub(crate) struct Api {
    /// The node's HTTP face.
    #[arg(long, env = "RAAS_API")]
    pub(crate) api: Option<String>,
    /// Its bearer token.
    #[arg(long, env = "RAAS_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// A TOML file with `api` and `token`; ~/.config/raas/profile.toml when left out.
    #[arg(long, env = "RAAS_PROFILE")]
    pub(crate) profile: Option<PathBuf>,
    /// JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is asked for.
#[derive(Clone, Debug, Args)]
pub(crate) struct TermArgs {
    /// Replicas wanted, each on a provider of its own.
    #[arg(long)]
    pub(crate) replicas: Option<i64>,
    /// Renew deals this long before their end: epochs, or a span such as 30d.
    #[arg(long)]
    pub(crate) renew_within: Option<String>,
    /// Repair replicas this long after the first missed proof: epochs, or a span such as 1d.
    #[arg(long)]
    pub(crate) repair_after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Store {
    /// The file.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) terms: TermArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) api: Api,
}

#[derive(Debug, Args)]
pub(crate) struct Register {
    /// The data.
    pub(crate) cid: String,
    #[command(flatten)]
    pub(crate) terms: TermArgs,
    /// Below this many the data is in danger; one less than --replicas when left out.
    #[arg(long, requires = "replicas")]
    pub(crate) min: Option<i64>,
    /// Never more than this; two more than --replicas when left out.
    #[arg(long, requires = "replicas")]
    pub(crate) max: Option<i64>,
    /// The epoch until which the job stands; for ever when left out.
    #[arg(long)]
    pub(crate) until: Option<i64>,
    /// Use only these aggregators, best first.
    #[arg(long)]
    pub(crate) aggregator: Vec<String>,
    /// Count deals that only the contract vouches for.
    #[arg(long)]
    pub(crate) trust_contract: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    /// Keep nothing: say what would be done now, what cannot be met, and what to loosen.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) api: Api,
}

/// Where replicas may be, and what may be spent.
#[derive(Clone, Debug, Args)]
pub(crate) struct PolicyArgs {
    /// At most so many replicas with the providers of one owner.
    #[arg(long)]
    pub(crate) per_owner: Option<i64>,
    /// At most so many replicas with the providers of one organisation.
    #[arg(long)]
    pub(crate) per_organisation: Option<i64>,
    /// At most so many replicas in one country.
    #[arg(long)]
    pub(crate) per_country: Option<i64>,
    /// Providers to ask for first, such as f01000,f01001.
    #[arg(long, value_delimiter = ',')]
    pub(crate) prefer: Vec<String>,
    /// Providers to leave out until an order without them came to nothing.
    #[arg(long, value_delimiter = ',')]
    pub(crate) avoid: Vec<String>,
    /// Providers never to order from.
    #[arg(long, value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,
    /// Deals ordered for the data at most, in any day.
    #[arg(long)]
    pub(crate) deals_per_day: Option<i64>,
    /// Bytes handed over for the data at most, in any day: a number, or text such as 64GiB.
    #[arg(long)]
    pub(crate) bytes_per_day: Option<String>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Providers {
    #[command(subcommand)]
    pub(crate) command: Option<ProvidersCommand>,
    #[command(flatten)]
    pub(crate) api: Api,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersCommand {
    /// All that is known of providers, and who says so.
    List(ListProviders),
    /// Says what is known of a provider, in place of all that was said of it before.
    Set(SetProvider),
    /// Takes back what was said of a provider; what the node's file says of it stands again.
    Rm(RmProvider),
}

#[derive(Debug, Args)]
pub(crate) struct ListProviders {
    #[command(flatten)]
    pub(crate) api: Api,
}

#[derive(Debug, Args)]
pub(crate) struct SetProvider {
    /// The provider, such as f01000.
    pub(crate) provider: String,
    /// Who owns it: the owner's address, spelt alike for all that are its.
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// The organisation that runs it, spelt alike for all that are its.
    #[arg(long)]
    pub(crate) organisation: Option<String>,
    /// The country that it is in: two letters, such as DE.
    #[arg(long)]
    pub(crate) country: Option<String>,
    /// The share of its sectors that are lost in a year, in millionths.
    #[arg(long)]
    pub(crate) yearly_loss_ppm: Option<u32>,
    #[command(flatten)]
    pub(crate) api: Api,
}

#[derive(Debug, Args)]
pub(crate) struct RmProvider {
    /// The provider, such as f01000.
    pub(crate) provider: String,
    #[command(flatten)]
    pub(crate) api: Api,
}

#[derive(Debug, Args)]
pub(crate) struct Jobs {
    #[command(flatten)]
    pub(crate) api: Api,
}

#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The job's id.
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) api: Api,
}

#[derive(Debug, Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) api: Api,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The data.
    pub(crate) cid: String,
    /// Where to put it.
    #[arg(short, long)]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) api: Api,
}

#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The job's id.
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) api: Api,
}
