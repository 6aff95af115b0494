//! Bearer tokens, as API Gateway's authorizer for JSON Web Tokens checks them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use http::{HeaderMap, header::AUTHORIZATION};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use serde_json::{Map, Value};
use tryon_core::ports::Clock;

use crate::world::Caller;

/// How far the clock of an issuer may run ahead, in seconds.
const LEEWAY: f64 = 60.0;

/// The keys by which tokens are checked, and what the tokens must say.
#[derive(Debug)]
pub(super) struct Tokens {
    keys: BTreeMap<String, Key>,
    issuer: Option<String>,
    audiences: BTreeSet<String>,
    clock: Arc<dyn Clock>,
}

struct Key {
    key: DecodingKey,
    /// Of the signature alone, with the one algorithm of the key: what a token says of its algorithm
    /// decides nothing.
    validation: Validation,
}

/// A token that is no good. Why, its bearer is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadToken;

impl Tokens {
    /// Takes the RSA and P-256 keys of a JWK set. No audience: any will do.
    pub(super) fn new(
        set: &str,
        issuer: Option<String>,
        audiences: impl IntoIterator<Item = String>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let set: JwkSet =
            serde_json::from_str(set).context("it is no JWK set; give {\"keys\": [..]}")?;
        let keys: BTreeMap<_, _> = set.keys.iter().filter_map(Key::of).collect();
        ensure!(!keys.is_empty(), "it has no RS256 or ES256 key with a kid; add one");
        Ok(Self { keys, issuer, audiences: audiences.into_iter().collect(), clock })
    }

    /// The caller whose token the request bears.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Caller, BadToken> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(BadToken);
        };
        let (scheme, token) =
            value.to_str().ok().and_then(|v| v.split_once(' ')).ok_or(BadToken)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(BadToken);
        }
        let claims = self.check(token.trim())?;
        Ok(Caller::Token {
            scopes: scopes(&claims),
            claims: claims.into_iter().map(|(name, value)| (name, text(value))).collect(),
        })
    }

    fn check(&self, token: &str) -> Result<Map<String, Value>, BadToken> {
        let header = decode_header(token).map_err(|_| BadToken)?;
        // Extensions that must be understood, and are not.
        if header.crit.is_some() {
            return Err(BadToken);
        }
        let key = header.kid.and_then(|kid| self.keys.get(&kid)).ok_or(BadToken)?;
        let token = decode::<Map<String, Value>>(token, &key.key, &key.validation);
        let claims = token.map_err(|_| BadToken)?.claims;
        let good = self.is_current(&claims) && self.is_meant(&claims);
        if good { Ok(claims) } else { Err(BadToken) }
    }

    fn is_current(&self, claims: &Map<String, Value>) -> bool {
        let now = self.clock.now().timestamp() as f64;
        // A time of another kind than a number is no time.
        let begun = |name: &str| {
            claims.get(name).is_none_or(|at| at.as_f64().is_some_and(|at| at <= now + LEEWAY))
        };
        let ends = claims.get("exp").and_then(Value::as_f64);
        ends.is_some_and(|at| at > now) && begun("nbf") && begun("iat")
    }

    /// The client id counts only where there is no audience.
    fn is_meant(&self, claims: &Map<String, Value>) -> bool {
        let is_issuer =
            |issuer: &String| claims.get("iss").and_then(Value::as_str) == Some(issuer.as_str());
        let is_ours =
            |name: &Value| name.as_str().is_some_and(|name| self.audiences.contains(name));
        let for_us = match claims.get("aud").or(claims.get("client_id")) {
            Some(Value::Array(names)) => names.iter().any(is_ours),
            Some(name) => is_ours(name),
            None => false,
        };
        self.issuer.as_ref().is_none_or(is_issuer) && (self.audiences.is_empty() || for_us)
    }
}

impl Key {
    fn of(jwk: &Jwk) -> Option<(String, Self)> {
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            _ => return None,
        };
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature);
        let fits = common.key_algorithm.is_none_or(|of| of.try_into().ok() == Some(algorithm));
        if !signs || !fits {
            return None;
        }
        let mut validation = Validation::new(algorithm);
        // The claims are measured here, by the clock of the house.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let key = DecodingKey::from_jwk(jwk).ok()?;
        Some((common.key_id.clone()?, Self { key, validation }))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({:?})", self.validation.algorithms)
    }
}

fn scopes(claims: &Map<String, Value>) -> Option<Vec<String>> {
    let scopes = claims.get("scope").or(claims.get("scp"))?;
    Some(
        text(scopes.clone())
            .trim_matches(['[', ']'])
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
    )
}

/// A claim as an event carries it.
fn text(claim: Value) -> String {
    match claim {
        Value::String(text) => text,
        Value::Array(items) => {
            let items: Vec<String> = items.into_iter().map(text).collect();
            format!("[{}]", items.join(" "))
        }
        other => other.to_string(),
    }
}
