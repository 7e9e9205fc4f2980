//! The table of the settings and their JSON Schema, as they are in `docs`.

use std::{env, fmt::Write, fs, path::PathBuf};

use serde_json::{Value, json};

use super::super::{CONCERNS, key::Form, keys};

/// The generated part of the page follows this line.
const MARK: &str =
    "<!-- From here on: UPDATE=1 cargo test -p waymark-server --lib settings::tests::pages -->\n";

fn path(name: &str) -> PathBuf {
    let crate_folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    crate_folder.join("../../docs").join(name)
}

/// Holds a page to what it should be, or makes it so where the environment has `UPDATE`.
fn hold(name: &str, is: &str, should: &str) {
    if env::var_os("UPDATE").is_some() {
        fs::write(path(name), should).unwrap();
    } else {
        let told = "docs differ from the settings; run this with UPDATE=1";
        assert_eq!(is, should, "{told}");
    }
}

fn tables() -> String {
    let mut text = String::new();
    for (title, keys) in &CONCERNS {
        let head = "| Key | Default | Value | Meaning |\n|---|---|---|---|";
        writeln!(text, "\n## {title}\n\n{head}").unwrap();
        for key in *keys {
            let default = match key.default {
                "" => String::new(),
                default => format!("`{default}`"),
            };
            let form = key.form;
            writeln!(
                text,
                "| `{}` | {default} | {form} | {} |",
                key.name, key.help
            )
            .unwrap();
        }
    }
    text
}

fn schema() -> Value {
    let properties = keys().map(|key| {
        let mut property = match key.form {
            Form::Text => json!({"type": "string"}),
            Form::Word(words) => json!({"enum": words}),
            Form::Switch => json!({"type": "boolean"}),
            Form::Number(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
            Form::Span(_) => json!({"type": "string", "pattern": "^([0-9.]+ *[a-z]+ *)+$"}),
        };
        property["description"] = key.help.into();
        if !key.default.is_empty() {
            property["default"] = match key.form {
                Form::Switch | Form::Number(..) => key.default.parse().unwrap(),
                _ => key.default.into(),
            };
        }
        (key.name.to_owned(), property)
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of Waymark",
        "type": "object",
        "additionalProperties": false,
        "properties": properties.collect::<serde_json::Map<_, _>>(),
    })
}

#[test]
fn the_page_shows_every_setting_as_it_is() {
    let page = fs::read_to_string(path("settings.md")).unwrap();
    let (written, _) = page.split_once(MARK).unwrap();
    hold(
        "settings.md",
        &page,
        &format!("{written}{MARK}{}", tables()),
    );
}

#[test]
fn the_schema_has_every_setting() {
    let page = fs::read_to_string(path("settings.schema.json")).unwrap();
    let schema = serde_json::to_string_pretty(&schema()).unwrap();
    hold("settings.schema.json", &page, &format!("{schema}\n"));
}
