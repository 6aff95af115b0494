use serde_json::json;

use super::*;

fn good() -> Value {
    json!({"statusCode": 200, "headers": {}, "body": "{}", "isBase64Encoded": false})
}

#[tokio::test(start_paused = true)]
async fn a_request_becomes_an_event() {
    let bench = Bench::new(Ok(good()));
    let request = Request::post("/v1/renders/a%20b?user_id=al%20ice&x=1&x=2")
        .header("Host", "localhost:8080")
        .header("Content-Type", "application/json")
        .header("X-Many", "1")
        .header("x-many", "2")
        .header("User-Agent", "shop/2")
        .header("cookie", "a=1; b=2");
    bench.ask(request, r#"{"quality": "hd"}"#).await;
    let mut event = bench.events().remove(0);
    let id = event["requestContext"]["requestId"].take();
    assert_eq!(id.as_str().unwrap().len(), 16);
    assert!(event["requestContext"]["authorizer"].take()["iam"].is_object());
    let expected = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/v1/renders/a%20b",
        "rawQueryString": "user_id=al%20ice&x=1&x=2",
        "queryStringParameters": {"user_id": "al ice", "x": "1,2"},
        "cookies": ["a=1", "b=2"],
        "headers": {
            "content-type": "application/json",
            "host": "localhost:8080",
            "user-agent": "shop/2",
            "x-many": "1,2",
        },
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "authorizer": null,
            "domainName": "localhost",
            "domainPrefix": "local",
            "http": {
                "method": "POST",
                "path": "/v1/renders/a%20b",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "shop/2",
            },
            "requestId": null,
            "routeKey": "$default",
            "stage": "$default",
            "time": "23/Nov/2026:12:00:00 +0000",
            "timeEpoch": start().timestamp_millis(),
        },
        "body": r#"{"quality": "hd"}"#,
        "isBase64Encoded": false,
    });
    assert_eq!(event, expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_text_travels_as_base64_and_what_is_empty_not_at_all() {
    let bench = Bench::new(Ok(good()));
    bench.ask(Request::post("/v1/x"), vec![0xff, 0xd8]).await;
    bench.ask(Request::get("/v1/x"), "").await;
    let events = bench.events();
    assert_eq!((&events[0]["body"], &events[0]["isBase64Encoded"]), (&json!("/9g="), &json!(true)));
    for absent in ["body", "cookies", "queryStringParameters"] {
        assert!(events[1].get(absent).is_none(), "{absent}");
    }
    assert_eq!(events[1]["isBase64Encoded"], false);
}

#[tokio::test(start_paused = true)]
async fn an_answer_becomes_a_response() {
    let bench = Bench::new(Ok(json!({
        "statusCode": 202,
        "headers": {"location": "/v1/renders/1", "content-type": "application/json"},
        "cookies": ["a=1", "b=2"],
        "body": "/9g=",
        "isBase64Encoded": true,
    })));
    let reply = bench.ask(Request::get("/v1/x"), "").await;
    assert_eq!((reply.status.as_u16(), reply.body), (202, vec![0xff, 0xd8]));
    assert_eq!(reply.headers["location"], "/v1/renders/1");
    assert_eq!(reply.headers.get_all("set-cookie").iter().count(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_real_router_answers_through_the_front() {
    let bench = Bench::new(Ok(good()));
    let gateway = Gateway::new(&bench.world, None, 1);
    let app = super::super::gateway::app(gateway, Pictures::of(&bench.world), &[]).unwrap();
    let bench = Bench { app, ..bench };
    let reply = bench.ask(Request::post("/v1/renders").header("idempotency-key", "1"), "{}").await;
    assert_eq!(reply.problem(), (415, "content-type".to_owned()));
    let reply = bench.ask(Request::get("/v1/renders/1?user_id=alice"), "").await;
    assert_eq!(reply.problem(), (404, "not-found".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_fails_is_told_of_as_the_gateway_does() {
    let bad = [
        Err(HandlerError::new("the database is away")),
        Ok(json!({"body": "no status"})),
        Ok(json!({"statusCode": 1, "body": ""})),
        Ok(json!({"statusCode": 200, "headers": {"a b": "c"}})),
        Ok(json!({"statusCode": 200, "body": "no base64", "isBase64Encoded": true})),
        Ok(Value::Null),
    ];
    for answer in bad {
        let reply = Bench::new(answer).ask(Request::get("/v1/x"), "").await;
        assert_eq!(reply.problem(), (500, "failed".to_owned()));
        let text = String::from_utf8(reply.body).unwrap();
        assert!(text.contains(r#""message":"Internal Server Error""#), "{text}");
        assert!(text.contains("request_id") && !text.contains("database"), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_function_is_given_up_after_thirty_seconds() {
    let slow = |seconds| Bench::with(Ok(good()), Duration::from_secs(seconds), |_| None, &[]);
    assert_eq!(slow(29).ask(Request::get("/v1/x"), "").await.status, 200);
    let reply = slow(31).ask(Request::get("/v1/x"), "").await;
    assert_eq!(reply.problem(), (503, "unavailable".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_body_may_have_ten_megabytes() {
    let bench = Bench::new(Ok(good()));
    let most = 10 * 1_024 * 1_024;
    assert_eq!(bench.ask(Request::post("/v1/x"), vec![b'a'; most]).await.status, 200);
    let reply = bench.ask(Request::post("/v1/x"), vec![b'a'; most + 1]).await;
    assert_eq!(reply.problem(), (413, "body-too-large".to_owned()));
    assert_eq!(bench.events().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn browsers_are_let_in_by_origin() {
    let preflight = || {
        Request::options("/v1/renders")
            .header("origin", "http://shop.test")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "idempotency-key")
    };
    for (origins, allowed) in [
        (&["http://shop.test", "http://b.test"][..], Some("http://shop.test")),
        (&["*"], Some("*")),
        (&["http://b.test"], None),
    ] {
        let bench = Bench::with(Ok(good()), Duration::ZERO, |_| None, origins);
        let reply = bench.ask(preflight(), "").await;
        let header = |reply: &Reply, name: &str| {
            reply.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let name = "access-control-allow-origin";
        assert_eq!((reply.status.as_u16(), header(&reply, name).as_deref()), (200, allowed));
        let headers = header(&reply, "access-control-allow-headers");
        assert_eq!(headers.as_deref(), Some("idempotency-key"));
        assert!(bench.events().is_empty());
        let get = Request::get("/v1/renders").header("origin", "http://shop.test");
        assert_eq!(header(&bench.ask(get, "").await, name).as_deref(), allowed);
    }
    // Without leave the question goes to the function.
    let bench = Bench::new(Ok(good()));
    bench.ask(preflight(), "").await;
    assert_eq!(bench.events().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_is_logged_for_each_request_without_what_is_personal() {
    let bench = Bench::new(Ok(good()));
    Logs::watch();
    let paths = [
        "/v1/renders/019cb3a1?user_id=alice",
        "/v1/alice%40home",
        "/alice",
        "/pictures/alice.jpg?x-signature=alice",
    ];
    for path in paths {
        bench.ask(Request::get(path).header("user-agent", "alice"), "").await;
    }
    let text = Logs::text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].contains("method=GET path=\"/v1/renders/019cb3a1\" status=200"), "{text}");
    assert!(lines[3].contains("path=\"/pictures/..\" status=403"), "{text}");
    assert!(!text.contains("alice"), "{text}");
}
