//! Signatures of webhooks, judged by the libraries that receivers in other languages use.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

use crate::python;

const NODE_VERSION: &str = "1.1.1";

const FOR_PYTHON: &str = "
import json, sys
from standardwebhooks import Webhook, WebhookVerificationError
for case in json.load(sys.stdin):
    try:
        Webhook(case['secret']).verify(case['body'], case['headers'])
        print('yes')
    except WebhookVerificationError:
        print('no')
";
const FOR_NODE: &str = "
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

/// Says of each case whether the library for Python verifies it. A case has a `secret`, a `body` and
/// `headers` by name.
pub fn python_verifies(cases: &[Value]) -> Vec<bool> {
    let mut command = Command::new(python::with("standardwebhooks"));
    command.args(["-c", FOR_PYTHON]);
    verdicts(command, cases)
}

/// Says of each case whether the library for Node verifies it; cases are as for Python.
pub fn node_verifies(cases: &[Value]) -> Vec<bool> {
    let mut command = Command::new("node");
    command.args(["-e", FOR_NODE]).current_dir(node_folder());
    verdicts(command, cases)
}

fn verdicts(mut command: Command, cases: &[Value]) -> Vec<bool> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = Value::from(cases).to_string();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}");
    let words = String::from_utf8(output.stdout).unwrap();
    words.lines().map(|word| word == "yes").collect()
}

/// A folder with the library for Node, which is installed once and then kept. The last step is to
/// mark it, so that a broken installation is made anew.
fn node_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let folder = root.join(target).join("node");
        let folder = folder.join(format!("standardwebhooks-{NODE_VERSION}"));
        let mark = folder.join("installed");
        if !mark.exists() {
            fs::create_dir_all(&folder).unwrap();
            let install = Command::new("npm")
                .args(["install", "--silent", "--prefix", "."])
                .arg(format!("standardwebhooks@{NODE_VERSION}"))
                .current_dir(&folder)
                .status();
            assert!(
                install.is_ok_and(|status| status.success()),
                "standardwebhooks for Node cannot be installed"
            );
            fs::write(mark, "").unwrap();
        }
        folder
    })
}
