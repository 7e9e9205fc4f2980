//! `docs/clients.md`: its service config names every method as what it is, and a library that has it repeats reads and
//! nothing else.

use std::{collections::BTreeMap, net::SocketAddr, process::Command};

use prost::Message;
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor, MethodDescriptor};
use serde_json::Value;
use waymark_proto::{FILE_DESCRIPTOR_SET, v1};
use waymark_testkit::python;
use waymark_tests::{Backend, World, cutting::Cutting, page};

on_each_database!(libraries_repeat_reads_alone);

/// More tries are taken for this many.
const ATTEMPTS_MAX: u64 = 5;
const SCRIPT: &str = include_str!("clients_page.py");

fn config() -> String {
    let fences = page::read("docs/clients.md").into_iter();
    let mut configs = fences.filter(|fence| fence.info == "json");
    let config = configs.next().expect("the page has a service config");
    assert!(configs.next().is_none(), "the page has one service config");
    config.text
}

/// What a library does with a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    Repeats,
    EndsInTime,
    Nothing,
}

/// Whether a request, or a step in it, has an id by which it is carried out once.
fn has_request_id(message: &MessageDescriptor) -> bool {
    message.fields().any(|field| match field.kind() {
        _ if field.name() == "request_id" => true,
        Kind::Message(part) => {
            let is_step = part.name() == "Step" || part.name().ends_with("Request");
            is_step && has_request_id(&part)
        }
        _ => false,
    })
}

/// What a library should do with it: streams are resumed, and what changes anything is repeated by who knows its id.
fn expected(method: &MethodDescriptor) -> Policy {
    if method.is_client_streaming() || method.is_server_streaming() {
        Policy::Nothing
    } else if method.name() == "TestAction" || has_request_id(&method.input()) {
        Policy::EndsInTime
    } else {
        Policy::Repeats
    }
}

fn policy(entry: &Value) -> Policy {
    let Some(retries) = entry.get("retryPolicy") else {
        return if entry.get("timeout").is_some() {
            Policy::EndsInTime
        } else {
            Policy::Nothing
        };
    };
    let attempts = retries["maxAttempts"].as_u64().expect("a number");
    assert!((2..=ATTEMPTS_MAX).contains(&attempts), "{retries}");
    assert_eq!(
        retries["retryableStatusCodes"],
        serde_json::json!(["UNAVAILABLE"])
    );
    let seconds = |value: &Value| -> f64 {
        let text = value.as_str().expect("a duration").strip_suffix('s');
        text.and_then(|text| text.parse().ok()).expect("in seconds")
    };
    let (first, most) = (
        seconds(&retries["initialBackoff"]),
        seconds(&retries["maxBackoff"]),
    );
    assert!(0.0 < first && first <= most, "{retries}");
    assert!(
        retries["backoffMultiplier"]
            .as_f64()
            .is_some_and(|by| by >= 1.0)
    );
    assert!(seconds(&entry["timeout"]) > most, "there is time for it");
    Policy::Repeats
}

#[test]
fn the_service_config_names_every_method_once() {
    let config: Value = serde_json::from_str(&config()).unwrap();
    let mut found = BTreeMap::new();
    for entry in config["methodConfig"].as_array().unwrap() {
        let policy = policy(entry);
        for name in entry["name"].as_array().unwrap() {
            let text = |key: &str| name[key].as_str().expect("a name").to_owned();
            let name = (text("service"), text("method"));
            assert_eq!(found.insert(name.clone(), policy), None, "{name:?}");
        }
    }
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let methods = pool.services().flat_map(|service| {
        let methods = service.methods().collect::<Vec<_>>();
        methods.into_iter().map(move |method| {
            let name = (service.full_name().to_owned(), method.name().to_owned());
            (name, expected(&method))
        })
    });
    let expected = methods.collect::<BTreeMap<_, _>>();
    assert!(expected.len() > 40, "the services were not found");
    assert_eq!(found, expected);
}

/// What a library made of a call: its code, and whether it had details.
fn call(address: SocketAddr, method: &str, request: &impl Message) -> (String, bool) {
    let mut hex = String::new();
    for byte in request.encode_to_vec() {
        use std::fmt::Write;
        write!(hex, "{byte:02x}").unwrap();
    }
    let output = Command::new(python::with("grpcio"))
        .args(["-c", SCRIPT])
        .args([
            address.to_string().as_str(),
            config().as_str(),
            method,
            hex.as_str(),
        ])
        // A proxy of the person who runs the tests does not see this machine's own ports.
        .env("NO_PROXY", "*")
        .env("no_proxy", "*")
        .output()
        .expect("Python runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Value = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
    let code = said["code"].as_str().expect("a code").to_owned();
    (code, said["has_details"].as_bool().expect("yes or no"))
}

async fn libraries_repeat_reads_alone(backend: Backend) {
    let world = World::on(backend).await;
    let shop = world.shop("magento").await;
    shop.place("1", &[("1", "2")]).await;
    let placed = shop.get("1").await.version;
    let proxy = Cutting::start(world.server().address()).await;
    let address = proxy.address();
    let ok = ("OK".to_owned(), false);
    // Made by the library, so without details.
    let open = ("UNAVAILABLE".to_owned(), false);

    let read = v1::ListHistoryRequest {
        workflow: shop.workflow(),
        order_id: "1".to_owned(),
        ..Default::default()
    };
    proxy.cut(1);
    let method = "/waymark.v1.HistoryService/ListHistory";
    let found = tokio::task::block_in_place(|| call(address, method, &read));
    assert_eq!(found, ok);
    assert_eq!(proxy.answered(), 2, "it was asked again");

    let mut write = v1::AddCommentRequest {
        workflow: shop.workflow(),
        order_id: "1".to_owned(),
        comment: "hello".to_owned(),
        ..Default::default()
    };
    let method = "/waymark.v1.OrderService/AddComment";
    proxy.cut(1);
    let found = tokio::task::block_in_place(|| call(address, method, &write));
    assert_eq!(found, open);
    assert_eq!(proxy.answered(), 3, "it was not sent again");
    assert_eq!(shop.get("1").await.version, placed + 1, "but carried out");

    // By hand, with an id, it is carried out once however often it is sent.
    write.request_id = "7f0c7b1e-6f0e-4c55-9d0c-6f7f5c1c7a11".into();
    proxy.cut(1);
    for expected in [open, ok] {
        let found = tokio::task::block_in_place(|| call(address, method, &write));
        assert_eq!(found, expected);
    }
    assert_eq!(proxy.answered(), 5);
    assert_eq!(shop.get("1").await.version, placed + 2);
    // What the server itself refuses has details.
    write.order_id = "nobody".into();
    let found = tokio::task::block_in_place(|| call(address, method, &write));
    assert_eq!(found, ("NOT_FOUND".to_owned(), true));
}
