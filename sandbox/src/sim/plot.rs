//! A run as a picture: backlog, slots in use and settled videos over simulated time, as SVG.

use std::fmt::Write as _;

use super::stage::Sample;

const WIDTH: f64 = 960.0;
const PANEL: f64 = 150.0;
const LEFT: f64 = 70.0;
const GAP: f64 = 40.0;

/// Points of a line that are drawn at most: more are not seen.
const POINTS_MAX: usize = 1000;

/// Draws the samples of a run. Each of the three has a panel and a scale of its own.
#[must_use]
pub fn svg(title: &str, samples: &[Sample]) -> String {
    type Value = fn(&Sample) -> usize;
    let panels: [(&str, &str, Value); 3] = [
        ("backlog", "#b45309", |sample| sample.backlog),
        ("jobs open", "#1d4ed8", |sample| sample.open_jobs),
        ("videos settled", "#15803d", |sample| sample.settled),
    ];
    let height = GAP + 3.0 * (PANEL + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n",
        escaped(title)
    );
    let end_ms = samples.last().map_or(1, |sample| sample.elapsed_ms.max(1));
    let every = samples.len().div_ceil(POINTS_MAX).max(1);
    for (number, (name, colour, value)) in (0_u32..).zip(panels) {
        let top = GAP + f64::from(number) * (PANEL + GAP);
        let max = samples.iter().map(value).max().unwrap_or(0).max(1);
        let x = |sample: &Sample| LEFT + (WIDTH - LEFT - 20.0) * ratio(sample.elapsed_ms, end_ms);
        let y = |sample: &Sample| top + PANEL * (1.0 - ratio(value(sample) as u64, max as u64));
        let mut points = String::new();
        for sample in samples.iter().step_by(every) {
            // A String takes everything.
            let _ = write!(points, "{:.1},{:.1} ", x(sample), y(sample));
        }
        let (bottom, right) = (top + PANEL, WIDTH - 20.0);
        let _ = write!(
            svg,
            "<path d=\"M{LEFT} {top} V{bottom} H{right}\" fill=\"none\" stroke=\"#999\"/>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{max}</text>\n\
             <text x=\"{}\" y=\"{bottom}\" text-anchor=\"end\">0</text>\n\
             <text x=\"{}\" y=\"{}\" fill=\"{colour}\">{name}</text>\n\
             <polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\n",
            LEFT - 6.0,
            top + 10.0,
            LEFT - 6.0,
            LEFT + 6.0,
            top - 4.0,
            points.trim_end(),
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n</svg>\n",
        WIDTH - 20.0,
        height - GAP + 16.0,
        hours(end_ms)
    );
    svg
}

fn ratio(part: u64, whole: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a place in a picture")]
    let ratio = part as f64 / whole as f64;
    ratio
}

fn hours(ms: u64) -> String {
    let minutes = ms / 60_000;
    format!("{} h {:02} min", minutes / 60, minutes % 60)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_span_the_panel() {
        let sample = |elapsed_ms, open_jobs| Sample {
            elapsed_ms,
            backlog: 0,
            open_jobs,
            settled: 0,
        };
        let svg = svg("a < b", &[sample(0, 0), sample(3_600_000, 20)]);
        assert!(
            svg.contains("a &lt; b") && svg.contains("1 h 00 min"),
            "{svg}"
        );
        // From the lower left corner of the second panel to its upper right one.
        assert!(svg.contains("points=\"70.0,380.0 940.0,230.0\""), "{svg}");
    }
}
