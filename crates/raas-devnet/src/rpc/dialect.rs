//! How one kind of node says what all kinds mean: error codes, HTTP statuses, empty lists, who may
//! ask and how much at once.

use super::{
    error::{
        APPLICATION, Cause, FORBIDDEN, INTERNAL, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND,
        PARSE, RpcError,
    },
    forest,
};
use crate::config::NodeKind;

/// Methods that change something, with the permission they need. The devnet has none of them; it
/// knows who may not call them.
const PRIVILEGED: [(&str, &str); 9] = [
    ("Filecoin.AuthNew", "admin"),
    ("Filecoin.ChainSetHead", "write"),
    ("Filecoin.MpoolPush", "write"),
    ("Filecoin.MpoolPushMessage", "sign"),
    ("Filecoin.NetConnect", "write"),
    ("Filecoin.Shutdown", "admin"),
    ("Filecoin.WalletList", "write"),
    ("Filecoin.WalletNew", "write"),
    ("Filecoin.WalletSign", "sign"),
];

/// The habits of a kind of node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Which kind it is.
    pub kind: NodeKind,
    /// The envelope is jsonrpsee's (Forest) instead of go-jsonrpc's.
    pub jsonrpsee: bool,
    /// The most entries of a batch.
    pub batch_limit: Option<usize>,
    /// A miner without partitions answers `null` instead of `[]`.
    pub empty_list_is_null: bool,
    /// The software that the node says it is.
    pub agent: &'static str,
}

impl Dialect {
    /// Lotus over go-jsonrpc.
    const LOTUS: Self = Self {
        kind: NodeKind::Lotus,
        jsonrpsee: false,
        batch_limit: None,
        empty_list_is_null: true,
        agent: "lotus",
    };

    /// The habits of that kind.
    pub(crate) fn of(kind: NodeKind) -> Self {
        match kind {
            NodeKind::Lotus => Self::LOTUS,
            // A gateway is a Lotus behind a proxy of the same make.
            NodeKind::Gateway => Self { kind, ..Self::LOTUS },
            NodeKind::Forest => Self {
                kind,
                jsonrpsee: true,
                batch_limit: Some(forest::BATCH_LIMIT),
                empty_list_is_null: false,
                agent: "forest",
            },
        }
    }

    /// The error as this kind of node words and numbers it.
    pub(crate) fn translate(self, method: &str, error: RpcError) -> RpcError {
        if self.jsonrpsee { forest::translate(method, error) } else { error }
    }

    /// The HTTP status that goes with an error.
    pub(crate) fn status(self, error: &RpcError) -> u16 {
        match error.code {
            INVALID_REQUEST if !self.jsonrpsee => 400,
            PARSE | METHOD_NOT_FOUND | INVALID_PARAMS if !self.jsonrpsee => 500,
            _ => 200,
        }
    }

    /// Why a caller may not call the method, if it may not. Gateways do not have such methods.
    pub(crate) fn forbids(self, method: &str, has_token: bool) -> Option<RpcError> {
        let (_, need) = PRIVILEGED.iter().find(|(name, _)| *name == method)?;
        if self.kind == NodeKind::Gateway {
            return None;
        }
        let short = method.strip_prefix("Filecoin.").unwrap_or(method);
        Some(match (has_token, self.jsonrpsee) {
            (true, jsonrpsee) => RpcError::new(
                if jsonrpsee { INTERNAL } else { APPLICATION },
                format!("{method} is allowed with this token, and the devnet does not have it"),
            ),
            (false, true) => {
                let text = format!("missing permission to invoke '{method}' (need '{need}')");
                RpcError { cause: Cause::Final, ..RpcError::new(FORBIDDEN, text) }
            }
            (false, false) => RpcError::application(format!(
                "missing permission to invoke '{short}' (need '{need}')"
            )),
        })
    }
}
