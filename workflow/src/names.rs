//! Names that are functions of what they name, so that whoever comes second finds what the first one made.
//!
//! Hashes are SHA-256 over a purpose and length-prefixed fields: no two different inputs give the same bytes.

use sha2::{Digest, Sha256};

use crate::report::Timestamp;

/// Where the ledger keeps the rights to hold a Rekognition job open.
pub const SLOTS_PREFIX: &str = "slots/";
/// Where the ledger keeps the records of videos under way.
pub const RECORDS_PREFIX: &str = "jobs/";
/// Where the ledger keeps the newest published version of each key.
pub const HEADS_PREFIX: &str = "heads/";
/// Where the ledger keeps reports and their WebVTT tracks.
pub const REPORTS_PREFIX: &str = "reports/";

/// Where the ledger keeps what was scanned on each day, while that is capped.
pub const BUDGETS_PREFIX: &str = "budget/";

/// Most slots that there can be: far above any account's quota of open jobs (20 by default).
pub const SLOTS_MAX: u32 = 1000;

const SLUG_CHARS_MAX: usize = 40;
const EXECUTION_HASH_CHARS: usize = 32;
const DAY_CHARS: usize = "2026-11-24".len();

/// The execution of one object version: `<readable slug>-<hash>`, within `[A-Za-z0-9_-]{1,80}`.
///
/// AWS Step Functions API reference, StartExecution: `name` has 1 to 80 characters, and for CloudWatch Logs only
/// `0-9 A-Z a-z - _`. The same version always gives the same name, which is what makes duplicated events harmless.
#[must_use]
pub fn execution_name(bucket: &str, key: &str, version_id: &str) -> String {
    let mut hash = hash_hex("execution", &[bucket, key, version_id]);
    hash.truncate(EXECUTION_HASH_CHARS);
    format!("{}-{hash}", slug(key))
}

/// The `ClientRequestToken` of one analysis: 64 characters of `[0-9a-f]`.
///
/// Amazon Rekognition API reference, StartContentModeration: 1 to 64 characters of `[a-zA-Z0-9-_]`. Developer guide,
/// "Calling Rekognition Video operations": for 7 days the same token gives the same job, so every analysis that must be
/// a new one needs another number.
#[must_use]
pub fn client_request_token(
    stack_name: &str,
    execution_name: &str,
    redrive_count: u32,
    analysis_number: u32,
) -> String {
    hash_hex(
        "client-request-token",
        &[
            stack_name,
            execution_name,
            &redrive_count.to_string(),
            &analysis_number.to_string(),
        ],
    )
}

/// The ledger key of the newest published version of an object key.
#[must_use]
pub fn head_key(object_key: &str) -> String {
    format!(
        "{HEADS_PREFIX}{}.json",
        hex::encode(Sha256::digest(object_key.as_bytes()))
    )
}

/// The ledger key of an execution's record.
#[must_use]
pub fn record_key(execution_name: &str) -> String {
    format!("{RECORDS_PREFIX}{execution_name}.json")
}

/// The execution whose record has this ledger key; `None` for any other key.
#[must_use]
pub fn parse_record_key(ledger_key: &str) -> Option<&str> {
    execution_between(ledger_key, RECORDS_PREFIX, ".json")
}

/// The ledger key of a slot: its number with at least two digits.
#[must_use]
pub fn slot_key(number: u32) -> String {
    format!("{SLOTS_PREFIX}{number:02}")
}

/// The number of the slot with this ledger key; `None` for any key that [`slot_key`] would not make.
#[must_use]
pub fn parse_slot_key(ledger_key: &str) -> Option<u32> {
    let number = ledger_key.strip_prefix(SLOTS_PREFIX)?.parse().ok()?;
    (slot_key(number) == ledger_key).then_some(number)
}

/// One scan among those of all executions: `<execution>.<redrive count>.<number>`. No name of an execution has a dot.
#[must_use]
pub fn scan_name(execution_name: &str, redrive_count: u32, analysis_number: u32) -> String {
    format!("{execution_name}.{redrive_count}.{analysis_number}")
}

/// The UTC day of a point in time, in milliseconds since 1970: `2026-11-24`. Days sort as text.
#[must_use]
pub fn day(ms: i64) -> String {
    let mut text = Timestamp::from_ms(ms).to_string();
    text.truncate(DAY_CHARS);
    text
}

/// The ledger key of what was scanned on a day.
#[must_use]
pub fn budget_key(day: &str) -> String {
    format!("{BUDGETS_PREFIX}{day}.json")
}

/// The day whose scans are under this ledger key; `None` for any other key.
#[must_use]
pub fn parse_budget_key(ledger_key: &str) -> Option<&str> {
    let day = ledger_key
        .strip_prefix(BUDGETS_PREFIX)?
        .strip_suffix(".json")?;
    (day.len() == DAY_CHARS).then_some(day)
}

/// The ledger key of an execution's report.
#[must_use]
pub fn report_key(execution_name: &str) -> String {
    format!("{REPORTS_PREFIX}{execution_name}.json")
}

/// The execution whose report has this ledger key; `None` for any other key.
#[must_use]
pub fn parse_report_key(ledger_key: &str) -> Option<&str> {
    execution_between(ledger_key, REPORTS_PREFIX, ".json")
}

/// The ledger key of an execution's WebVTT track.
#[must_use]
pub fn webvtt_key(execution_name: &str) -> String {
    format!("{REPORTS_PREFIX}{execution_name}.vtt")
}

/// Whether a string can be the name of an execution that this project started.
#[must_use]
pub fn is_execution_name(name: &str) -> bool {
    (1..=80).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn execution_between<'a>(ledger_key: &'a str, prefix: &str, suffix: &str) -> Option<&'a str> {
    ledger_key
        .strip_prefix(prefix)?
        .strip_suffix(suffix)
        .filter(|name| is_execution_name(name))
}

fn hash_hex(purpose: &str, fields: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for field in std::iter::once(&purpose).chain(fields) {
        hasher.update((field.len() as u64).to_be_bytes());
        hasher.update(field.as_bytes());
    }
    hex::encode(hasher.finalize())
}

/// What a person recognises the video by: the key's last path segment in ASCII letters, digits, `_` and single dashes.
fn slug(key: &str) -> String {
    let segment = key
        .rsplit('/')
        .find(|segment| !segment.is_empty())
        .unwrap_or_default();
    let mut slug = String::with_capacity(SLUG_CHARS_MAX);
    for folded in segment.chars().flat_map(fold) {
        if slug.len() == SLUG_CHARS_MAX {
            break;
        }
        if folded != '-' || !(slug.is_empty() || slug.ends_with('-')) {
            slug.push(folded);
        }
    }
    let slug = slug.trim_matches('-');
    if slug.is_empty() {
        "video".to_owned()
    } else {
        slug.to_owned()
    }
}

/// A character as ASCII; what has no plain counterpart becomes a dash.
fn fold(character: char) -> impl Iterator<Item = char> {
    let ascii: &[char] = match character {
        'À'..='Å' | 'Ā' | 'Ă' | 'Ą' => &['A'],
        'à'..='å' | 'ā' | 'ă' | 'ą' => &['a'],
        'Æ' => &['A', 'E'],
        'æ' => &['a', 'e'],
        'Ç' | 'Ć' | 'Ĉ' | 'Ċ' | 'Č' => &['C'],
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => &['c'],
        'Ð' | 'Ď' | 'Đ' => &['D'],
        'ð' | 'ď' | 'đ' => &['d'],
        'È'..='Ë' | 'Ē' | 'Ĕ' | 'Ė' | 'Ę' | 'Ě' => &['E'],
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => &['e'],
        'Ì'..='Ï' | 'Ĩ' | 'Ī' | 'Ĭ' | 'Į' | 'İ' => &['I'],
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => &['i'],
        'Ł' => &['L'],
        'ł' => &['l'],
        'Ñ' | 'Ń' | 'Ņ' | 'Ň' => &['N'],
        'ñ' | 'ń' | 'ņ' | 'ň' => &['n'],
        'Ò'..='Ö' | 'Ø' | 'Ō' | 'Ŏ' | 'Ő' => &['O'],
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => &['o'],
        'Œ' => &['O', 'E'],
        'œ' => &['o', 'e'],
        'Ŕ' | 'Ř' => &['R'],
        'ŕ' | 'ř' => &['r'],
        'Ś' | 'Ŝ' | 'Ş' | 'Š' | 'Ș' => &['S'],
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => &['s'],
        'ß' => &['s', 's'],
        'Ţ' | 'Ť' | 'Ț' => &['T'],
        'ţ' | 'ť' | 'ț' => &['t'],
        'Þ' => &['T', 'h'],
        'þ' => &['t', 'h'],
        'Ù'..='Ü' | 'Ũ' | 'Ū' | 'Ŭ' | 'Ů' | 'Ű' | 'Ų' => &['U'],
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => &['u'],
        'Ý' | 'Ÿ' => &['Y'],
        'ý' | 'ÿ' => &['y'],
        'Ź' | 'Ż' | 'Ž' => &['Z'],
        'ź' | 'ż' | 'ž' => &['z'],
        // Combining marks: the letter before them is already there.
        '\u{300}'..='\u{36f}' => &[],
        _ => {
            let kept = if character.is_ascii_alphanumeric() || character == '_' {
                character
            } else {
                '-'
            };
            return Folded::One(std::iter::once(kept));
        }
    };
    Folded::Table(ascii.iter())
}

enum Folded {
    One(std::iter::Once<char>),
    Table(std::slice::Iter<'static, char>),
}

impl Iterator for Folded {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Self::One(one) => one.next(),
            Self::Table(table) => table.next().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check_slug(key: &str, expected: &str) {
        assert_eq!(slug(key), expected, "{key:?}");
    }

    #[test]
    fn the_slug_is_what_a_person_would_call_the_file() {
        check_slug("clip.mp4", "clip-mp4");
        check_slug(
            "2025/holiday films/Señor Müller — été.MP4",
            "Senor-Muller-ete-MP4",
        );
        check_slug("a/..", "video");
        check_slug("a/b/", "b");
        check_slug("🎬", "video");
        check_slug("", "video");
        check_slug("--a  +%b__c--", "a-b__c");
        check_slug("Stra\u{df}e e\u{301}", "Strasse-e");
        check_slug(&"x".repeat(300), &"x".repeat(40));
        check_slug(&format!("{} tail", "y".repeat(39)), &"y".repeat(39));
    }

    /// The values are part of the contract: another formula would start every video of a bucket a second time.
    #[test]
    fn names_never_change_from_release_to_release() {
        insta::assert_snapshot!(
            [
                execution_name("raw", "films/clip.mp4", "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY"),
                client_request_token("gate", "clip-mp4-0", 1, 2),
                head_key("films/clip.mp4"),
                record_key("clip-mp4-0"),
                slot_key(7),
                slot_key(123),
                report_key("clip-mp4-0"),
                webvtt_key("clip-mp4-0"),
                budget_key(&day(1_795_478_400_000)),
                scan_name("clip-mp4-0", 1, 2),
            ]
            .join("\n")
        );
    }

    #[test]
    fn keys_of_something_else_are_not_read() {
        for key in [
            "slots/7",
            "slots/007",
            "slots/+7",
            "slots/",
            "jobs/07",
            "slots/07.json",
        ] {
            assert_eq!(parse_slot_key(key), None, "{key}");
        }
        for key in [
            "budget/",
            "budget/.json",
            "budget/today.json",
            "budget/2026-11-24",
        ] {
            assert_eq!(parse_budget_key(key), None, "{key}");
        }
        for key in [
            "jobs/",
            "jobs/.json",
            "jobs/a b.json",
            "reports/a.json",
            "jobs/a/b.json",
        ] {
            assert_eq!(parse_record_key(key), None, "{key}");
        }
    }

    proptest! {
        #[test]
        fn execution_names_are_legal_and_stable(bucket in ".{0,70}", key in "(?s).{0,300}", version in ".{0,40}") {
            let name = execution_name(&bucket, &key, &version);
            prop_assert!(is_execution_name(&name), "{name}");
            prop_assert_eq!(&name, &execution_name(&bucket, &key, &version));
            let (record, report) = (record_key(&name), report_key(&name));
            prop_assert_eq!(parse_record_key(&record), Some(name.as_str()));
            prop_assert_eq!(parse_report_key(&report), Some(name.as_str()));
        }

        #[test]
        fn different_versions_have_different_names(a in prop::array::uniform3("[ab/]{0,3}"), b in prop::array::uniform3("[ab/]{0,3}")) {
            prop_assert_eq!(
                execution_name(&a[0], &a[1], &a[2]) == execution_name(&b[0], &b[1], &b[2]),
                a == b
            );
        }

        #[test]
        fn every_analysis_has_its_own_token(a in ("[ab]{0,2}", "[ab]{0,2}", 0u32..12, 0u32..12), b in ("[ab]{0,2}", "[ab]{0,2}", 0u32..12, 0u32..12)) {
            let token = |t: &(String, String, u32, u32)| client_request_token(&t.0, &t.1, t.2, t.3);
            prop_assert_eq!(token(&a).len(), 64);
            prop_assert!(token(&a).bytes().all(|byte| byte.is_ascii_hexdigit()));
            prop_assert_eq!(token(&a) == token(&b), a == b);
        }

        #[test]
        fn slots_are_read_back(number: u32) {
            prop_assert_eq!(parse_slot_key(&slot_key(number)), Some(number));
        }

        #[test]
        fn days_are_read_back_and_sort_by_time(ms in 0..4_000_000_000_000_i64, later in 0..400_000_000_000_i64) {
            let first = day(ms);
            let key = budget_key(&first);
            prop_assert_eq!(parse_budget_key(&key), Some(first.as_str()));
            prop_assert!(first <= day(ms + later));
            prop_assert!(first < day(ms + 86_400_000));
        }

        #[test]
        fn no_foreign_key_panics(key in "(?s).{0,60}") {
            let _ = (parse_slot_key(&key), parse_record_key(&key), parse_report_key(&key));
        }
    }
}
