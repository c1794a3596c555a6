//! Figures in rows, and the bars that they are held to.

use std::fmt::Write as _;
use std::time::Duration;

use crate::start::Started;

/// A cold start may take as many times the bare function's: spawn → end of the first response.
const FIRST_RATIO_MAX: f64 = 3.2;
/// The same for spawn → first `GET next`.
const NEXT_RATIO_MAX: f64 = 1.8;

/// All starts of one program.
#[derive(Debug)]
pub(crate) struct Row {
    /// The program's name.
    pub(crate) name: String,
    /// Whether the bars are for it.
    pub(crate) is_held: bool,
    /// Its starts.
    pub(crate) starts: Vec<Started>,
}

/// Least, median and greatest of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    min: f64,
    median: f64,
    max: f64,
}

impl Spread {
    fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
        } else {
            at(middle)
        };
        Self {
            min: at(0),
            median,
            max: at(values.len().wrapping_sub(1)),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2} – {:.2})", self.median, self.min, self.max)
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl Row {
    fn next(&self) -> Spread {
        Spread::of(self.starts.iter().map(|start| ms(start.next)))
    }

    fn first(&self) -> Spread {
        Spread::of(self.starts.iter().map(|start| ms(start.first)))
    }

    fn warm(&self) -> Spread {
        let all = self.starts.iter().flat_map(|start| &start.warm);
        Spread::of(all.map(|warm| ms(*warm)))
    }

    fn peak_mb(&self) -> Spread {
        let all = self.starts.iter().filter_map(|start| start.peak_bytes);
        Spread::of(all.map(megabytes))
    }
}

/// Millions of bytes.
#[allow(clippy::cast_precision_loss, reason = "no memory has 2^52 bytes")]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The table, and every bar that a row broke. Ratios are of medians, to those of the first row.
pub(crate) fn table(rows: &[Row]) -> (String, Vec<String>) {
    let mut text = "| program | spawn → first GET next, ms | × bare | spawn → end of first response, ms | × bare \
                    | warm response, ms | peak RSS, MB |\n|---|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    let mut broken = Vec::new();
    let Some(bare) = rows.first() else {
        return (text, broken);
    };
    for row in rows {
        let next_ratio = row.next().median / bare.next().median;
        let first_ratio = row.first().median / bare.first().median;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {next_ratio:.2} | {} | {first_ratio:.2} | {} | {:.1} |",
            row.name,
            row.next(),
            row.first(),
            row.warm(),
            row.peak_mb().median,
        );
        let measures = [
            ("first GET next", next_ratio, NEXT_RATIO_MAX),
            ("end of the first response", first_ratio, FIRST_RATIO_MAX),
        ];
        for (what, ratio, max) in measures {
            if row.is_held && ratio > max {
                broken.push(format!(
                    "{}: spawn → {what} is {ratio:.2} × bare, and may be {max} ×",
                    row.name
                ));
            }
        }
    }
    (text, broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, is_held: bool, next_ms: u64, first_ms: u64) -> Row {
        let start = || Started {
            next: Duration::from_millis(next_ms),
            first: Duration::from_millis(first_ms),
            warm: vec![Duration::from_millis(1)],
            peak_bytes: Some(5_000_000),
            answers: Vec::new(),
        };
        Row {
            name: name.to_owned(),
            is_held,
            starts: vec![start(), start()],
        }
    }

    #[test]
    fn spreads_are_those_of_the_values() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied()).to_string();
        assert_eq!(spread(&[3.0, 1.0, 2.0]), "2.00 (1.00 – 3.00)");
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), "2.50 (1.00 – 4.00)");
        assert_eq!(spread(&[]), "NaN (NaN – NaN)");
    }

    #[test]
    fn only_rows_that_are_held_to_the_bars_break_them() {
        let rows = [
            row("bare", false, 10, 10),
            row("within", true, 18, 32),
            row("slow", true, 19, 33),
            row("peer", false, 190, 330),
        ];
        let (text, broken) = table(&rows);
        assert_eq!(
            broken,
            [
                "slow: spawn → first GET next is 1.90 × bare, and may be 1.8 ×",
                "slow: spawn → end of the first response is 3.30 × bare, and may be 3.2 ×",
            ]
        );
        assert_eq!(text.lines().count(), 6, "{text}");
        assert!(
            text.contains("| peer | 190.00 (190.00 – 190.00) | 19.00 |"),
            "{text}"
        );
    }
}
