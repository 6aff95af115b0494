use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::json;
use tryon_sandbox::Sandbox;

use super::*;

const EC: &str = include_str!("test-only-a.key.pem");
const OTHER_EC: &str = include_str!("test-only-b.key.pem");

struct Keys {
    rsa: EncodingKey,
    ec: EncodingKey,
    set: Value,
}

impl Keys {
    fn new() -> Self {
        let sandbox = Sandbox::new(SandboxConfig::default(), clock());
        let file: Value = serde_json::from_str(&sandbox.service_account_json()).unwrap();
        let rsa = file["private_key"].as_str().unwrap();
        let rsa = EncodingKey::from_rsa_pem(rsa.as_bytes()).unwrap();
        let ec = EncodingKey::from_ec_pem(EC.as_bytes()).unwrap();
        let public = |key, algorithm, id: &str| {
            let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
            jwk.common.key_id = Some(id.to_owned());
            json!(jwk)
        };
        let set = json!({"keys": [
            public(&rsa, Algorithm::RS256, "rsa"),
            public(&ec, Algorithm::ES256, "ec"),
            {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"},
        ]});
        Self { rsa, ec, set }
    }

    fn tokens(&self, clock: Arc<dyn Clock>) -> Tokens {
        let issuer = Some("https://id.test".to_owned());
        let audiences = ["shop".to_owned(), "app".to_owned()];
        Tokens::new(&self.set.to_string(), issuer, audiences, clock).unwrap()
    }
}

fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let now = start().timestamp();
    let mut claims = json!({
        "sub": "alice", "iss": "https://id.test", "aud": "shop", "iat": now, "exp": now + 60,
    });
    change(&mut claims);
    claims
}

fn signed(key: &EncodingKey, algorithm: Algorithm, kid: &str, claims: &Value) -> String {
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    encode(&header, claims, key).unwrap()
}

/// A token with any header and signature.
fn made_up(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

fn bench(keys: &Keys) -> Bench {
    let answer = Ok(json!({"statusCode": 200, "body": ""}));
    Bench::with(answer, Duration::ZERO, |clock| Some(keys.tokens(clock)), &[])
}

async fn ask(bench: &Bench, authorization: &str) -> Reply {
    bench.ask(Request::get("/v1/renders").header("authorization", authorization), "").await
}

#[tokio::test(start_paused = true)]
async fn a_good_token_gives_its_claims_to_the_function() {
    let keys = Keys::new();
    let bench = bench(&keys);
    let rich = claims(|claims| {
        claims["aud"] = json!(["other", "app"]);
        claims["admin"] = json!(true);
        claims["scope"] = json!("read write");
    });
    let rsa = signed(&keys.rsa, Algorithm::RS256, "rsa", &rich);
    assert_eq!(ask(&bench, &format!("Bearer {rsa}")).await.status, 200);
    let ec = signed(&keys.ec, Algorithm::ES256, "ec", &claims(|_| ()));
    assert_eq!(ask(&bench, &format!("bearer {ec}")).await.status, 200);
    let callers: Vec<Value> =
        bench.events().iter().map(|event| event["requestContext"]["authorizer"].clone()).collect();
    let now = start().timestamp();
    let (iat, exp) = (now.to_string(), (now + 60).to_string());
    let jwt = json!({
        "claims": {
            "sub": "alice", "iss": "https://id.test", "aud": "[other app]", "iat": iat, "exp": exp,
            "admin": "true", "scope": "read write",
        },
        "scopes": ["read", "write"],
    });
    assert_eq!(callers[0], json!({"jwt": jwt}));
    assert_eq!(callers[1]["jwt"]["scopes"], Value::Null);
    assert!(callers[1].get("iam").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_bad_token_does_not_reach_the_function() {
    let keys = Keys::new();
    let bench = bench(&keys);
    let now = start().timestamp();
    let rsa = |claims: &Value| signed(&keys.rsa, Algorithm::RS256, "rsa", claims);
    let with = |name: &str, value: Value| rsa(&claims(|claims| claims[name] = value));
    let without =
        |name: &str| rsa(&claims(|claims| drop(claims.as_object_mut().unwrap().remove(name))));
    let good = rsa(&claims(|_| ()));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let forged = claims(|claims| claims["sub"] = json!("bob"));
    let other = EncodingKey::from_ec_pem(OTHER_EC.as_bytes()).unwrap();
    // The public key as a shared secret.
    let modulus = keys.set["keys"][0]["n"].as_str().unwrap();
    let secret = EncodingKey::from_secret(modulus.as_bytes());
    let oct = EncodingKey::from_secret(b"secret");
    let critical = Header {
        kid: Some("rsa".to_owned()),
        crit: Some(vec!["x".to_owned()]),
        ..Header::new(Algorithm::RS256)
    };
    let bad = [
        ("other claims", made_up(&json!({"alg": "RS256", "kid": "rsa"}), &forged, signature)),
        ("other key", signed(&other, Algorithm::ES256, "ec", &claims(|_| ()))),
        ("no signature", format!("{head}.")),
        ("cut", head.to_owned()),
        ("alg none", made_up(&json!({"alg": "none", "kid": "rsa"}), &forged, "")),
        ("alg None", made_up(&json!({"alg": "None", "kid": "rsa"}), &forged, signature)),
        ("HS256", signed(&secret, Algorithm::HS256, "rsa", &claims(|_| ()))),
        ("symmetric key of the set", signed(&oct, Algorithm::HS256, "secret", &claims(|_| ()))),
        ("key of another kind", signed(&keys.rsa, Algorithm::RS256, "ec", &claims(|_| ()))),
        ("RS512", signed(&keys.rsa, Algorithm::RS512, "rsa", &claims(|_| ()))),
        ("kid unknown", signed(&keys.rsa, Algorithm::RS256, "old", &claims(|_| ()))),
        ("kid absent", encode(&Header::new(Algorithm::RS256), &claims(|_| ()), &keys.rsa).unwrap()),
        ("critical header", encode(&critical, &claims(|_| ()), &keys.rsa).unwrap()),
        ("expired", with("exp", json!(now))),
        ("never expires", without("exp")),
        ("expires in words", with("exp", json!("tomorrow"))),
        ("not yet valid", with("nbf", json!(now + 61))),
        ("valid from null", with("nbf", Value::Null)),
        ("of the future", with("iat", json!(now + 61))),
        ("other issuer", with("iss", json!("https://id.test/"))),
        ("no issuer", without("iss")),
        ("other audience", with("aud", json!("shopper"))),
        ("other audiences", with("aud", json!(["a", "b"]))),
        ("no audience", without("aud")),
        ("garbage", "a.b.c".to_owned()),
        ("nothing", String::new()),
    ];
    for (case, token) in bad {
        let reply = ask(&bench, &format!("Bearer {token}")).await;
        assert_eq!(reply.problem(), (401, "no-caller".to_owned()), "{case}");
        assert_eq!(reply.headers["www-authenticate"], "Bearer", "{case}");
    }
    for header in [good.clone(), format!("Basic {good}"), "Bearer".to_owned()] {
        assert_eq!(ask(&bench, &header).await.status, 401, "{header}");
    }
    assert_eq!(bench.ask(Request::get("/v1/renders"), "").await.status, 401);
    let twice = format!("Bearer {good}");
    let twice =
        Request::get("/v1/renders").header("authorization", &twice).header("authorization", &twice);
    assert_eq!(bench.ask(twice, "").await.status, 401);
    assert!(bench.events().is_empty());
    // The token that all of them were made from is good, as long as it lasts.
    assert_eq!(ask(&bench, &format!("Bearer {good}")).await.status, 200);
    bench.world.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(ask(&bench, &format!("Bearer {good}")).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn clocks_may_differ_by_a_minute_and_a_client_id_is_an_audience() {
    let keys = Keys::new();
    let bench = bench(&keys);
    let soon = start().timestamp() + 60;
    let token = claims(|claims| {
        claims["nbf"] = json!(soon);
        claims["iat"] = json!(soon);
        claims.as_object_mut().unwrap().remove("aud");
        claims["client_id"] = json!("app");
    });
    let token = signed(&keys.ec, Algorithm::ES256, "ec", &token);
    assert_eq!(ask(&bench, &format!("Bearer {token}")).await.status, 200);
    let named_twice = claims(|claims| {
        claims["aud"] = json!("other");
        claims["client_id"] = json!("app");
    });
    let token = signed(&keys.ec, Algorithm::ES256, "ec", &named_twice);
    assert_eq!(ask(&bench, &format!("Bearer {token}")).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn health_documents_and_preflights_are_open_to_all() {
    let keys = Keys::new();
    let bench = bench(&keys);
    let open = [
        Request::get("/v1/health"),
        Request::get("/v1/openapi.json"),
        Request::options("/v1/renders"),
    ];
    for request in open {
        assert_eq!(bench.ask(request, "").await.status, 200);
    }
    let nobody = |event: &Value| event["requestContext"].get("authorizer").is_none();
    assert!(bench.events().iter().all(nobody));
    let closed =
        [Request::post("/v1/health"), Request::get("/v1/health/x"), Request::get("/v1//health")];
    for request in closed {
        assert_eq!(bench.ask(request, "").await.status, 401);
    }
}

#[test]
fn a_set_without_a_usable_key_is_refused() {
    let keys = Keys::new();
    let mut of_encryption = keys.set["keys"][0].clone();
    of_encryption["use"] = json!("enc");
    let mut of_rs512 = keys.set["keys"][0].clone();
    of_rs512["alg"] = json!("RS512");
    let mut nameless = keys.set["keys"][1].clone();
    nameless.as_object_mut().unwrap().remove("kid");
    let bad = json!({"keys": [of_encryption, of_rs512, nameless, keys.set["keys"][2]]}).to_string();
    for (set, fix) in [(bad.as_str(), "add one"), ("{}", "give {"), ("no JSON", "give {")] {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::real());
        let error = Tokens::new(set, None, [], clock).unwrap_err();
        assert!(format!("{error:#}").contains(fix), "{error:#}");
    }
}
