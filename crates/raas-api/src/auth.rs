//! Who may call what: a bearer token everywhere but where the path says otherwise.

use std::{fmt, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};

use crate::{face::Shared, problem::Failure};

/// The bearer token that callers must show. Keeps a digest only, so that nothing can print it.
#[derive(Clone)]
pub struct Token {
    /// `None` for an empty token, which opens nothing.
    digest: Option<[u8; 32]>,
}

impl Token {
    /// The token with this text. An empty one lets nobody in.
    pub fn new(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        Self { digest: (!text.is_empty()).then(|| digest(text)) }
    }

    /// Whether `text` is this token. Digests are compared to their end, so that the time it takes
    /// says nothing about how much of a guess was right.
    fn is(&self, text: &str) -> bool {
        let Some(expected) = self.digest else { return false };
        let pairs = expected.iter().zip(digest(text));
        pairs.fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Someone who showed the token.
    Known,
    /// Someone who did not, where none is needed.
    Stranger,
}

/// Lets a request pass with its [`Caller`], or answers 401.
pub(crate) async fn check(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = match shown(request.headers()) {
        Some(token) if shared.face.token.is(token) => Caller::Known,
        _ if is_open(&shared, request.method(), request.uri().path()) => Caller::Stranger,
        shown => return unauthorized(shown.is_some()).into_response(),
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// The answer to a caller without the right token.
pub(crate) fn unauthorized(shown: bool) -> Failure {
    let (challenge, detail) = if shown {
        (
            "Bearer realm=\"raas\", error=\"invalid_token\"",
            "that is not this node's token: send the one it printed when it started, as the header \
             \"Authorization: Bearer TOKEN\"",
        )
    } else {
        (
            "Bearer realm=\"raas\"",
            "a token is needed: send the one this node printed when it started, as the header \
             \"Authorization: Bearer TOKEN\"",
        )
    };
    Failure::new(StatusCode::UNAUTHORIZED, detail)
        .with(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

fn is_open(shared: &Shared, method: &Method, path: &str) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match path {
        "/healthz" | "/readyz" => true,
        _ => reads && shared.face.public_retrieval && path.starts_with("/ipfs/"),
    }
}

/// The token of the `Authorization` header; `None` where there is not exactly one.
fn shown(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_only_and_never_prints() {
        let token = Token::new("s3cret");
        assert!(token.is("s3cret"));
        for other in ["", "s3cre", "s3cret ", "S3cret"] {
            assert!(!token.is(other), "{other:?}");
        }
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn an_empty_token_lets_nobody_in() {
        assert!(!Token::new("").is(""));
    }

    #[test]
    fn a_token_is_read_from_one_bearer_header_only() {
        let headers = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            headers
        };
        assert_eq!(shown(&headers(&["Bearer t"])), Some("t"));
        assert_eq!(shown(&headers(&["bearer   t"])), Some("t"));
        assert_eq!(shown(&headers(&["Basic t"])), None);
        assert_eq!(shown(&headers(&["Bearer"])), None);
        assert_eq!(shown(&headers(&["Bearer t", "Bearer u"])), None);
        assert_eq!(shown(&headers(&[])), None);
    }
}
