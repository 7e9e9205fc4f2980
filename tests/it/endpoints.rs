//! Endpoints of webhooks: kept, checked, and given new secrets that nobody sees twice.

use std::collections::BTreeSet;

use tonic::{Code, Response, Status};
use waymark_proto::v1;
use waymark_tests::{
    Backend, Clients, Server, World, refusal::invalid, refused, shop::mask, world,
};

on_each_database!(
    an_endpoint_is_created_changed_and_deleted,
    endpoints_are_listed,
    secrets_are_rotated,
    a_secret_is_shown_once,
    calls_about_endpoints_are_replayed,
    changes_of_endpoints_are_rehearsed,
    an_endpoint_in_use_is_not_deleted,
    wrong_endpoints_are_refused,
    a_secret_in_the_wrong_form_is_not_shown,
    settings_say_what_may_be_reached,
);

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

fn endpoint(code: &str) -> v1::Endpoint {
    v1::Endpoint {
        code: code.into(),
        url: "https://erp.example/hooks".into(),
        ..Default::default()
    }
}

/// A code that no other test has.
fn fresh() -> String {
    format!("endpoint_{}", world::fresh_code())
}

fn new(endpoint: v1::Endpoint) -> v1::CreateEndpointRequest {
    v1::CreateEndpointRequest {
        endpoint: Some(endpoint),
        ..Default::default()
    }
}

async fn create(
    clients: &Clients,
    request: v1::CreateEndpointRequest,
) -> Result<v1::CreateEndpointResponse, Status> {
    let answer = clients.endpoints().create_endpoint(request).await;
    answer.map(Response::into_inner)
}

async fn get(clients: &Clients, code: &str) -> Result<v1::Endpoint, Status> {
    let request = v1::GetEndpointRequest { code: code.into() };
    let answer = clients.endpoints().get_endpoint(request).await;
    answer.map(|answer| answer.into_inner().endpoint.unwrap())
}

async fn update(
    clients: &Clients,
    endpoint: v1::Endpoint,
    paths: &[&str],
) -> Result<v1::Endpoint, Status> {
    let request = v1::UpdateEndpointRequest {
        endpoint: Some(endpoint),
        update_mask: (!paths.is_empty()).then(|| mask(paths)),
        ..Default::default()
    };
    let answer = clients.endpoints().update_endpoint(request).await;
    answer.map(|answer| answer.into_inner().endpoint.unwrap())
}

fn deletion(code: &str) -> v1::DeleteEndpointRequest {
    v1::DeleteEndpointRequest {
        code: code.into(),
        ..Default::default()
    }
}

fn rotation(code: &str) -> v1::RotateEndpointSecretRequest {
    v1::RotateEndpointSecretRequest {
        code: code.into(),
        ..Default::default()
    }
}

async fn rotate(
    clients: &Clients,
    request: v1::RotateEndpointSecretRequest,
) -> Result<v1::RotateEndpointSecretResponse, Status> {
    let answer = clients.endpoints().rotate_endpoint_secret(request).await;
    answer.map(Response::into_inner)
}

async fn an_endpoint_is_created_changed_and_deleted(backend: Backend) {
    let world = World::on(backend).await;
    let code = fresh();
    let given = v1::Endpoint {
        description: "The warehouse.".into(),
        url: "https://ERP.example:443/hooks?a=b".into(),
        problem: "ignored".into(),
        ..endpoint(&code)
    };
    let created = create(&world, new(given.clone()))
        .await
        .unwrap()
        .endpoint
        .unwrap();
    assert_eq!(created.url, "https://erp.example/hooks?a=b");
    assert_eq!(
        (created.description.as_str(), created.active),
        ("The warehouse.", Some(true))
    );
    assert_eq!((created.problem.as_str(), created.secrets.len()), ("", 1));
    assert!(created.create_time.is_some() && created.create_time == created.update_time);
    assert_eq!(get(&world, &code).await.unwrap(), created);
    let again = create(&world, new(given)).await;
    let refusal = refused(again, Code::AlreadyExists, "ENDPOINT_EXISTS");
    assert_eq!(refusal.metadata["endpoint"], code);

    let off = v1::Endpoint {
        active: Some(false),
        etag: created.etag.clone(),
        code: code.clone(),
        ..Default::default()
    };
    let changed = update(&world, off.clone(), &[]).await.unwrap();
    let expected = v1::Endpoint {
        active: Some(false),
        etag: changed.etag.clone(),
        update_time: changed.update_time,
        ..created.clone()
    };
    assert_eq!(changed, expected);
    assert_ne!(changed.etag, created.etag);
    let stale = update(&world, off, &[]).await;
    let refusal = refused(stale, Code::Aborted, "VERSION_MISMATCH");
    assert_eq!(refusal.metadata["current"], changed.etag);
    let whole = v1::Endpoint {
        etag: String::new(),
        url: "http://erp.example/".into(),
        ..changed.clone()
    };
    let whole = update(&world, whole, &["url", "description"])
        .await
        .unwrap();
    assert_eq!(
        (whole.url.as_str(), whole.active),
        ("http://erp.example/", Some(false))
    );
    let unchanged = v1::Endpoint {
        code: code.clone(),
        ..Default::default()
    };
    assert_eq!(update(&world, unchanged, &[]).await.unwrap(), whole);

    let stale = v1::DeleteEndpointRequest {
        etag: created.etag,
        ..deletion(&code)
    };
    let stale = world.endpoints().delete_endpoint(stale).await;
    refused(stale, Code::Aborted, "VERSION_MISMATCH");
    let deleted = world
        .endpoints()
        .delete_endpoint(deletion(&code))
        .await
        .unwrap();
    assert_eq!(deleted.into_inner().endpoint, Some(whole));
    let refusal = refused(
        get(&world, &code).await,
        Code::NotFound,
        "ENDPOINT_NOT_FOUND",
    );
    assert_eq!(refusal.metadata["endpoint"], code);
    for answer in [
        update(&world, endpoint(&code), &[]).await.map(drop),
        rotate(&world, rotation(&code)).await.map(drop),
        world
            .endpoints()
            .delete_endpoint(deletion(&code))
            .await
            .map(drop),
    ] {
        refused(answer, Code::NotFound, "ENDPOINT_NOT_FOUND");
    }
}

async fn endpoints_are_listed(backend: Backend) {
    let world = World::on(backend).await;
    let prefix = fresh();
    let codes: Vec<_> = ["c", "a", "b"]
        .map(|letter| format!("{prefix}_{letter}"))
        .into();
    for code in &codes {
        create(&world, new(endpoint(code))).await.unwrap();
    }
    let mut request = v1::ListEndpointsRequest {
        page_size: 2,
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = world.endpoints().list_endpoints(request.clone()).await;
        let page = page.unwrap().into_inner();
        assert!(page.endpoints.len() <= 2);
        found.extend(page.endpoints.into_iter().map(|endpoint| endpoint.code));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert!(found.is_sorted());
    let sorted: BTreeSet<_> = codes.into_iter().collect();
    found.retain(|code| code.starts_with(&prefix));
    assert_eq!(found, sorted.into_iter().collect::<Vec<_>>());
}

async fn secrets_are_rotated(backend: Backend) {
    let world = World::on(backend).await;
    let code = fresh();
    let created = v1::CreateEndpointRequest {
        secret: SECRET.into(),
        ..new(endpoint(&code))
    };
    let created = create(&world, created).await.unwrap();
    // The caller knows it already.
    assert_eq!(created.secret, "");
    let created = created.endpoint.unwrap();
    let fingerprint = blake3::hash(SECRET.as_bytes()).to_hex();
    assert_eq!(created.secrets[0].fingerprint, fingerprint[..8]);
    assert_eq!(created.secrets[0].expire_time, None);

    let rotated = rotate(&world, rotation(&code)).await.unwrap();
    assert!(rotated.secret.starts_with("whsec_"));
    let made = blake3::hash(rotated.secret.as_bytes()).to_hex();
    let [new, old] = <[_; 2]>::try_from(rotated.endpoint.unwrap().secrets).unwrap();
    assert_eq!(
        (new.fingerprint.as_str(), new.expire_time),
        (&made[..8], None)
    );
    assert_eq!(old.fingerprint, fingerprint[..8]);
    let (from, until) = (new.create_time.unwrap(), old.expire_time.unwrap());
    assert_eq!(
        (until.seconds - from.seconds, until.nanos),
        (24 * 3_600, from.nanos)
    );

    // With no grace, the new secret is the only one.
    let at_once = v1::RotateEndpointSecretRequest {
        secret: OTHER_SECRET.into(),
        grace_period: Some(prost_types::Duration::default()),
        ..rotation(&code)
    };
    let last = rotate(&world, at_once).await.unwrap();
    assert_eq!(last.secret, "");
    let last = last.endpoint.unwrap();
    let [only] = <[_; 1]>::try_from(last.secrets.clone()).unwrap();
    let fingerprint = blake3::hash(OTHER_SECRET.as_bytes()).to_hex();
    assert_eq!(only.fingerprint, fingerprint[..8]);
    assert_eq!(get(&world, &code).await.unwrap(), last);
    let stale = v1::RotateEndpointSecretRequest {
        etag: created.etag,
        ..rotation(&code)
    };
    refused(
        rotate(&world, stale).await,
        Code::Aborted,
        "VERSION_MISMATCH",
    );
}

async fn a_secret_is_shown_once(backend: Backend) {
    let world = World::on(backend).await;
    let code = fresh();
    let request = v1::CreateEndpointRequest {
        request_id: format!("{code}-create"),
        ..new(endpoint(&code))
    };
    let first = create(&world, request.clone()).await.unwrap();
    assert!(first.secret.starts_with("whsec_") && !first.replayed);
    let again = create(&world, request).await.unwrap();
    assert_eq!((again.secret.as_str(), again.replayed), ("", true));
    assert_eq!(again.endpoint, first.endpoint);
    let request = v1::RotateEndpointSecretRequest {
        request_id: format!("{code}-rotate"),
        ..rotation(&code)
    };
    let second = rotate(&world, request.clone()).await.unwrap();
    assert_ne!(second.secret, first.secret);
    let again = rotate(&world, request).await.unwrap();
    assert_eq!((again.secret.as_str(), again.replayed), ("", true));
    let secrets = again.endpoint.unwrap().secrets;
    assert_eq!(secrets, second.endpoint.unwrap().secrets);

    let text = |endpoint: &v1::Endpoint| format!("{endpoint:?}");
    assert!(!text(&get(&world, &code).await.unwrap()).contains("whsec_"));
    let lines = world.server().log().after(0);
    assert!(lines.iter().all(|line| !line.contains("whsec_")));
}

async fn calls_about_endpoints_are_replayed(backend: Backend) {
    let world = World::on(backend).await;
    let code = fresh();
    let name = |what: &str| format!("{code}-{what}");
    let request = v1::CreateEndpointRequest {
        secret: SECRET.into(),
        request_id: name("create"),
        ..new(endpoint(&code))
    };
    let first = create(&world, request.clone()).await.unwrap();
    for other in [
        v1::CreateEndpointRequest {
            secret: OTHER_SECRET.into(),
            ..request.clone()
        },
        v1::CreateEndpointRequest {
            secret: String::new(),
            ..request.clone()
        },
    ] {
        let reused = create(&world, other).await;
        refused(reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    }
    let change = v1::UpdateEndpointRequest {
        endpoint: Some(v1::Endpoint {
            code: code.clone(),
            description: "changed".into(),
            etag: first.endpoint.as_ref().unwrap().etag.clone(),
            ..Default::default()
        }),
        request_id: name("update"),
        ..Default::default()
    };
    let changed = world
        .endpoints()
        .update_endpoint(change.clone())
        .await
        .unwrap()
        .into_inner();
    let again = world
        .endpoints()
        .update_endpoint(change)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((again.endpoint, again.replayed), (changed.endpoint, true));
    let delete = v1::DeleteEndpointRequest {
        request_id: name("delete"),
        ..deletion(&code)
    };
    for replayed in [false, true] {
        let deleted = world
            .endpoints()
            .delete_endpoint(delete.clone())
            .await
            .unwrap();
        assert_eq!(deleted.into_inner().replayed, replayed);
    }
    // Looked up before every other check, so the endpoint that is gone does not matter.
    let again = create(&world, request).await.unwrap();
    assert_eq!((again.endpoint, again.replayed), (first.endpoint, true));
    refused(
        get(&world, &code).await,
        Code::NotFound,
        "ENDPOINT_NOT_FOUND",
    );
}

async fn changes_of_endpoints_are_rehearsed(backend: Backend) {
    let world = World::on(backend).await;
    let code = fresh();
    let rehearsed = v1::CreateEndpointRequest {
        validate_only: true,
        request_id: format!("{code}-create"),
        ..new(endpoint(&code))
    };
    let answer = create(&world, rehearsed).await.unwrap();
    assert_eq!((answer.secret.as_str(), answer.replayed), ("", false));
    refused(
        get(&world, &code).await,
        Code::NotFound,
        "ENDPOINT_NOT_FOUND",
    );
    create(&world, new(endpoint(&code))).await.unwrap();
    let before = get(&world, &code).await.unwrap();
    let rehearsed = v1::RotateEndpointSecretRequest {
        validate_only: true,
        ..rotation(&code)
    };
    assert_eq!(rotate(&world, rehearsed).await.unwrap().secret, "");
    let rehearsed = v1::DeleteEndpointRequest {
        validate_only: true,
        ..deletion(&code)
    };
    world.endpoints().delete_endpoint(rehearsed).await.unwrap();
    assert_eq!(get(&world, &code).await.unwrap(), before);
}

async fn an_endpoint_in_use_is_not_deleted(backend: Backend) {
    let world = World::on(backend).await;
    let code = fresh();
    let off = v1::Endpoint {
        active: Some(false),
        ..endpoint(&code)
    };
    create(&world, new(off)).await.unwrap();
    let document = |actions: &str| {
        format!(
            "workflow: x\nlabel: X\ninitial_state: a\nstatuses: {{one: {{label: One}}}}\n\
             states: {{a: {{label: A, category: initial, can_start: true, statuses: [one]}}}}\n{actions}"
        )
    };
    let sends = document(&format!(
        "on_create: {{tell: {{webhook: {{endpoint: {code}}}}}}}\n"
    ));
    let workflow = world::fresh_code();
    let shop = world::apply(&world, &workflow, &sends).await;
    shop.place("1", &[("1", "1")]).await;
    let delete = async || world.endpoints().delete_endpoint(deletion(&code)).await;
    let refusal = refused(delete().await, Code::FailedPrecondition, "ENDPOINT_IN_USE");
    let action = format!("{workflow}/create.tell");
    assert_eq!(
        (&refusal.metadata["endpoint"], &refusal.metadata["actions"]),
        (&code, &action)
    );
    let delivery = refusal.metadata["deliveries"].clone();

    // What was set off goes where it was to go.
    let elsewhere = sends.replace(&code, "elsewhere");
    world::apply(&world, &workflow, &elsewhere).await;
    let refusal = refused(delete().await, Code::FailedPrecondition, "ENDPOINT_IN_USE");
    assert_eq!(
        (
            &refusal.metadata["actions"],
            &refusal.metadata["deliveries"]
        ),
        (&String::new(), &delivery)
    );
    let skip = v1::SkipDeliveryRequest {
        delivery_id: delivery,
        reason: "the endpoint goes".into(),
        ..Default::default()
    };
    world.deliveries().skip_delivery(skip).await.unwrap();
    delete().await.unwrap();
}

async fn wrong_endpoints_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let code = fresh();
    for url in [
        "erp.example",
        "ftp://erp.example/",
        "https://user:word@erp.example/",
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://0x7f.1/",
        "http://169.254.169.254/latest",
    ] {
        let given = v1::Endpoint {
            url: url.into(),
            ..endpoint(&code)
        };
        invalid(create(&world, new(given)).await, "endpoint.url");
    }
    for secret in [
        "secret",
        "whsec_",
        "whsec_AAEC",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La!aSw",
    ] {
        let given = v1::CreateEndpointRequest {
            secret: secret.into(),
            ..new(endpoint(&code))
        };
        let refusal = invalid(create(&world, given).await, "secret");
        assert!(!format!("{refusal:?}").contains("MfKQ"));
    }
    refused(
        get(&world, &code).await,
        Code::NotFound,
        "ENDPOINT_NOT_FOUND",
    );
    create(&world, new(endpoint(&code))).await.unwrap();
    let inside = v1::Endpoint {
        url: "http://10.0.0.1/".into(),
        ..endpoint(&code)
    };
    invalid(update(&world, inside, &["url"]).await, "endpoint.url");
    let paths = ["url", "secrets"];
    invalid(update(&world, endpoint(&code), &paths).await, "update_mask");
    let long = v1::RotateEndpointSecretRequest {
        grace_period: Some(prost_types::Duration {
            seconds: 31 * 24 * 3_600,
            nanos: 0,
        }),
        ..rotation(&code)
    };
    invalid(rotate(&world, long).await, "grace_period");
}

/// What somebody pastes in place of a secret may be one all the same.
async fn a_secret_in_the_wrong_form_is_not_shown(backend: Backend) {
    let server = Server::start_with(backend, &["--log-level", "debug"]).await;
    let clients = server.clients();
    let code = fresh();
    create(&clients, new(endpoint(&code))).await.unwrap();
    let mark = "Tr0ub4dor";
    for secret in [
        "Tr0ub4dor".to_owned(),
        "WHSEC_Tr0ub4dorTr0ub4dorTr0ub4dorTr0ub4dor0".to_owned(),
        " whsec_Tr0ub4dorTr0ub4dorTr0ub4dorTr0ub4dor".to_owned(),
        "whsec_Tr0ub4dor-_-_Tr0ub4dorTr0ub4dorTr0ub4dor".to_owned(),
        "whsec_Tr0ub4dor Tr0ub4dor".to_owned(),
        "whsec_Tr0ub4dor\u{e4}".to_owned(),
        format!("whsec_{}", "Tr0ub4dor".repeat(12)),
        "whpk_Tr0ub4dorTr0ub4dorTr0ub4dorTr0ub4dor".to_owned(),
        "{\"secret\": \"Tr0ub4dor\"}".to_owned(),
    ] {
        let creation = v1::CreateEndpointRequest {
            secret: secret.clone(),
            ..new(endpoint(&fresh()))
        };
        let refusal = invalid(create(&clients, creation).await, "secret");
        assert!(!format!("{refusal:?}").contains(mark), "{refusal:?}");
        let rotation = v1::RotateEndpointSecretRequest {
            secret,
            ..rotation(&code)
        };
        let refusal = invalid(rotate(&clients, rotation).await, "secret");
        assert!(!format!("{refusal:?}").contains(mark), "{refusal:?}");
    }
    let lines = server.log().after(0);
    assert!(lines.iter().all(|line| !line.contains(mark)));
    let kept = format!("{:?}", get(&clients, &code).await.unwrap());
    assert!(!kept.contains(mark), "{kept}");
}

async fn settings_say_what_may_be_reached(backend: Backend) {
    let arguments = [
        "--set",
        "webhooks_https_only=true",
        "--set",
        "webhooks_allowed=10.1.0.0/16, erp.internal",
    ];
    let server = Server::start_with(backend, &arguments).await;
    let clients = server.clients();
    for (url, is_fine) in [
        ("https://10.1.2.3/", true),
        ("https://erp.internal/", true),
        ("https://10.2.0.1/", false),
        ("http://10.1.2.3/", false),
        ("http://erp.example/", false),
    ] {
        let given = v1::Endpoint {
            url: url.into(),
            ..endpoint(&fresh())
        };
        let answer = create(&clients, new(given)).await;
        if is_fine {
            answer.unwrap();
        } else {
            invalid(answer, "endpoint.url");
        }
    }
}
