//! What may happen to a message on its way: SNS and EventBridge deliver at least once, late, in any order, and in rare
//! cases not at all (SNS FAQ, "How many times will a subscriber receive each message?"; EventBridge user guide, "Event
//! delivery level").

use std::time::Duration;

use crate::rng::SharedRng;

/// How likely what goes wrong with a message is, from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DeliveryFaults {
    /// It never arrives.
    pub lost: f64,
    /// It arrives twice.
    pub repeated: f64,
    /// It arrives late, …
    pub late: f64,
    /// … by up to this.
    pub late_max: Duration,
}

impl DeliveryFaults {
    /// When each copy of one message arrives, if each takes up to `usual` by itself.
    pub(crate) fn arrivals(&self, rng: &SharedRng, usual: Duration) -> Vec<Duration> {
        let happens = |probability: f64| probability > 0.0 && rng.fraction() < probability;
        if happens(self.lost) {
            return Vec::new();
        }
        let copies = if happens(self.repeated) { 2 } else { 1 };
        (0..copies)
            .map(|_| {
                let delay = usual.mul_f64(rng.fraction());
                if happens(self.late) {
                    delay + self.late_max.mul_f64(rng.fraction())
                } else {
                    delay
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_certain_happens() {
        let rng = SharedRng::seeded(1);
        let usual = Duration::from_secs(1);
        let none = DeliveryFaults::default();
        assert_eq!(none.arrivals(&rng, usual).len(), 1);
        let lost = DeliveryFaults { lost: 1.0, ..none };
        assert!(lost.arrivals(&rng, usual).is_empty());
        let twice_and_late = DeliveryFaults {
            repeated: 1.0,
            late: 1.0,
            late_max: Duration::from_hours(1),
            ..none
        };
        let arrivals = twice_and_late.arrivals(&rng, usual);
        assert_eq!(arrivals.len(), 2);
        assert!(arrivals.iter().any(|arrival| *arrival > usual));
    }
}
