//! Signatures, verified by the libraries that receivers in other languages use.

use std::{
    ffi::OsStr,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

use axum::response::Response;
use serde_json::{Value, json};
use waymark_delivery::Secret;

use super::{LOOPBACK, post_to, receiver::Receiver, webhooks};

const PYTHON: &str = "
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
for case in json.load(sys.stdin):
    try:
        Webhook(case['secret']).verify(case['body'], case['headers'])
        print('yes')
    except WebhookVerificationError:
        print('no')
";
const NODE: &str = "
const { Webhook, WebhookVerificationError } = require('standardwebhooks');
for (const { secret, body, headers } of JSON.parse(require('fs').readFileSync(0))) {
  try {
    new Webhook(secret).verify(body, headers);
    console.log('yes');
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    console.log('no');
  }
}
";

#[tokio::test]
async fn the_library_for_python_verifies() {
    let folder = installed("standardwebhooks-python-1.1.0", |folder| {
        run("python3", ["-m", "venv", "."], folder, "");
        let install = ["install", "--quiet", "standardwebhooks==1.1.0"];
        run(folder.join("bin/pip"), install, folder, "");
    });
    let (cases, expected) = cases().await;
    let program = folder.join("bin/python");
    assert_eq!(run(program, ["-c", PYTHON], &folder, &cases), expected);
}

#[tokio::test]
async fn the_library_for_node_verifies() {
    let folder = installed("standardwebhooks-node-1.1.1", |folder| {
        let install = [
            "install",
            "--silent",
            "--prefix",
            ".",
            "standardwebhooks@1.1.1",
        ];
        run("npm", install, folder, "");
    });
    let (cases, expected) = cases().await;
    assert_eq!(run("node", ["-e", NODE], &folder, &cases), expected);
}

/// What a receiver got with each list of secrets, beside the secret that it verifies with; and the words that say
/// whether it must succeed.
async fn cases() -> (String, String) {
    let [old, new, other] = [7, 8, 9].map(|byte| Secret::from_random([byte; 32]));
    let both = [new.clone(), old.clone()];
    let mut cases = Vec::new();
    let mut expected = String::new();
    for (signed_with, verified_with, verdict) in [
        (&both[1..], &old, "yes\n"),
        (&both[1..], &new, "no\n"),
        (&both[..], &old, "yes\n"),
        (&both[..], &new, "yes\n"),
        (&both[..], &other, "no\n"),
        (&both[..1], &old, "no\n"),
    ] {
        let mut case = received(signed_with).await;
        case["secret"] = verified_with.reveal().into();
        cases.push(case);
        expected.push_str(verdict);
    }
    let mut altered = received(&both).await;
    altered["secret"] = new.reveal().into();
    altered["body"] = r#"{"type":"order.held","data":{"x":1}}"#.into();
    cases.push(altered);
    expected.push_str("no\n");
    (Value::from(cases).to_string(), expected)
}

async fn received(secrets: &[Secret]) -> Value {
    let receiver = Receiver::answering(Response::default).await;
    let mut post = post_to(&receiver.url());
    post.secrets = secrets.to_vec();
    post.timestamp = now();
    post.body = r#"{"type":"order.held","data":{"comment":"größer"}}"#.into();
    webhooks(LOOPBACK).post(post).await;
    let (head, body) = receiver.received().pop().unwrap();
    let header = |name| head.headers[name].to_str().unwrap();
    let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
    let headers: Value = names.map(|name| (name, header(name))).into_iter().collect();
    json!({ "headers": headers, "body": str::from_utf8(&body).unwrap() })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the libraries compare with the clock of the machine"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// A folder with a library in it, which is installed once and then kept. The last step is to
/// give it its name, so that a broken installation is made anew.
fn installed(name: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mark = folder.join("installed");
    if !mark.exists() {
        fs::create_dir_all(&folder).unwrap();
        install(&folder);
        fs::write(mark, "").unwrap();
    }
    folder
}

fn run<const N: usize>(
    program: impl AsRef<OsStr>,
    arguments: [&str; N],
    folder: &Path,
    input: &str,
) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}
