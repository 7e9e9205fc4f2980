//! `waymark preset`.

use std::{fmt::Write, process::ExitCode};

use waymark_domain::preset;

use crate::{arguments::Preset, failure::Failure, output};

/// Lists the presets, or shows one.
pub(crate) fn run(command: Preset) -> Result<ExitCode, Failure> {
    match command {
        Preset::List => {
            let mut text = String::new();
            for preset in preset::all() {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{:<14}{}", preset.name, preset.summary);
            }
            output::print(&text)?;
        }
        Preset::Show { name } => {
            let preset = preset::find(&name).ok_or(Failure::UnknownPreset { name })?;
            output::print(preset.document)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
