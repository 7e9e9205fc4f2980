//! A cache of the drawings and the findings of workflows. An entry is dropped when the version of its
//! workflow changes, and when it was not asked for the longest.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
};

use waymark_domain::{
    value::WorkflowCode,
    workflow::{
        Finding, Record, Stamp,
        diagram::{Format, TooLarge},
    },
};

use crate::lock::lock;

/// How many bytes are kept, without the keys.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// A drawing, or that there is none.
pub(crate) type Drawn = Result<Arc<str>, TooLarge>;

/// The drawings and findings of workflows, shared by all calls.
#[derive(Debug)]
pub(crate) struct Kept {
    bytes_max: usize,
    versions: Mutex<Versions>,
}

#[derive(Debug, Default)]
struct Versions {
    by_workflow: HashMap<WorkflowCode, Version>,
    bytes: usize,
    /// Counts the questions.
    now: u64,
}

#[derive(Debug)]
struct Version {
    stamp: Stamp,
    drawings: BTreeMap<Format, Drawn>,
    findings: Option<Arc<[Finding]>>,
    bytes: usize,
    asked_last: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            bytes_max: BYTES_MAX,
            versions: Mutex::default(),
        }
    }
}

impl Kept {
    /// The drawing of a version without marks, if it is kept.
    pub(crate) fn drawing(&self, record: &Record, format: Format) -> Option<Drawn> {
        lock(&self.versions)
            .version(record)?
            .drawings
            .get(&format)
            .cloned()
    }

    /// The findings of a version, if they are kept.
    pub(crate) fn findings(&self, record: &Record) -> Option<Arc<[Finding]>> {
        lock(&self.versions).version(record)?.findings.clone()
    }

    pub(crate) fn keep_drawing(&self, record: &Record, format: Format, drawn: &Drawn) {
        let bytes = drawn.as_ref().map_or(0, |drawing| drawing.len());
        self.keep(record, bytes, |version| {
            let before = version.drawings.insert(format, drawn.clone());
            before.and_then(Result::ok).map_or(0, |before| before.len())
        });
    }

    pub(crate) fn keep_findings(&self, record: &Record, findings: &Arc<[Finding]>) {
        self.keep(record, size(findings), |version| {
            let before = version.findings.replace(Arc::clone(findings));
            before.map_or(0, |before| size(&before))
        });
    }

    /// `put` says how many bytes it replaced.
    fn keep(&self, record: &Record, bytes: usize, put: impl FnOnce(&mut Version) -> usize) {
        if bytes > self.bytes_max {
            return;
        }
        let mut versions = lock(&self.versions);
        let code = &record.workflow.code;
        if versions.version(record).is_none() {
            versions.drop_of(code);
            let version = Version {
                stamp: record.stamp,
                drawings: BTreeMap::new(),
                findings: None,
                bytes: 0,
                asked_last: versions.now,
            };
            versions.by_workflow.insert(code.clone(), version);
        }
        if let Some(version) = versions.by_workflow.get_mut(code) {
            let before = put(version);
            version.bytes = (version.bytes + bytes).saturating_sub(before);
            versions.bytes = (versions.bytes + bytes).saturating_sub(before);
        }
        versions.shrink(self.bytes_max);
    }
}

impl Versions {
    /// The entry of exactly this version: a workflow that is made again has the same numbers.
    fn version(&mut self, record: &Record) -> Option<&mut Version> {
        self.now += 1;
        let now = self.now;
        let version = self.by_workflow.get_mut(&record.workflow.code)?;
        (version.stamp == record.stamp).then(|| {
            version.asked_last = now;
            version
        })
    }

    fn drop_of(&mut self, code: &WorkflowCode) {
        if let Some(version) = self.by_workflow.remove(code) {
            self.bytes = self.bytes.saturating_sub(version.bytes);
        }
    }

    fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let oldest = self
                .by_workflow
                .iter()
                .min_by_key(|(_, version)| version.asked_last);
            let Some(code) = oldest.map(|(code, _)| code.clone()) else {
                return;
            };
            self.drop_of(&code);
        }
    }
}

fn size(findings: &[Finding]) -> usize {
    let each = size_of::<Finding>();
    findings
        .iter()
        .map(|finding| each + finding.message.len())
        .sum()
}

#[cfg(test)]
mod tests {
    use waymark_domain::{preset, value::Timestamp, workflow::document};

    use super::*;

    fn record(code: &str, version: i64, second: i64) -> Record {
        let document = preset::find("modmore").unwrap().parse().unwrap();
        let mut workflow = document::apply(None, &document, document::Mode::Replace, None).unwrap();
        workflow.code = WorkflowCode::new(code).unwrap();
        let now = Timestamp::from_micros(second * 1_000_000);
        let mut record = Record::first(workflow, now);
        record.stamp.version = version;
        record
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "what is kept may be a refusal as well"
    )]
    fn drawing(bytes: usize) -> Drawn {
        Ok("x".repeat(bytes).into())
    }

    #[test]
    fn gives_back_what_was_kept_of_this_version_alone() {
        let kept = Kept::default();
        let first = record("a", 1, 1);
        kept.keep_drawing(&first, Format::Svg, &drawing(3));
        assert_eq!(kept.drawing(&first, Format::Svg), Some(drawing(3)));
        assert_eq!(kept.drawing(&first, Format::Dot), None);
        assert_eq!(kept.findings(&first), None);
        for other in [record("a", 2, 1), record("a", 1, 2), record("b", 1, 1)] {
            assert_eq!(kept.drawing(&other, Format::Svg), None);
        }
        let findings: Arc<[Finding]> = Arc::default();
        kept.keep_findings(&record("a", 2, 2), &findings);
        assert_eq!(kept.findings(&record("a", 2, 2)), Some(findings));
        assert_eq!(kept.drawing(&first, Format::Svg), None, "it has changed");
    }

    #[test]
    fn keeps_what_was_asked_for_last() {
        let kept = Kept {
            bytes_max: 100,
            ..Kept::default()
        };
        let [a, b, c] = ["a", "b", "c"].map(|code| record(code, 1, 1));
        kept.keep_drawing(&a, Format::Svg, &drawing(40));
        kept.keep_drawing(&b, Format::Svg, &drawing(40));
        assert!(kept.drawing(&a, Format::Svg).is_some());
        kept.keep_drawing(&c, Format::Svg, &drawing(40));
        assert_eq!(kept.drawing(&b, Format::Svg), None);
        assert!(kept.drawing(&a, Format::Svg).is_some());
        // Again and again the same is kept once.
        for _ in 0..10 {
            kept.keep_drawing(&a, Format::Svg, &drawing(40));
        }
        assert!(kept.drawing(&c, Format::Svg).is_some());
        kept.keep_drawing(&a, Format::Dot, &drawing(101));
        assert_eq!(
            lock(&kept.versions).bytes,
            80,
            "what is too large alone is not kept"
        );
        let refused = Err(TooLarge { max: 1 });
        kept.keep_drawing(&a, Format::Dot, &refused);
        assert_eq!(kept.drawing(&a, Format::Dot), Some(refused));
    }
}
