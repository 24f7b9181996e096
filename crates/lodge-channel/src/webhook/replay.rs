//! How old a signed request may be. That the same request is not taken in twice is the ledger's doing: its dedupe memory
//! is longer than any timestamp is good for, and the only defence where a scheme signs none (T16).

use super::verify::Forged;
use lodge_domain::Timestamp;

/// How far a signed timestamp may lie from now, either way, in seconds.
pub const TOLERANCE: i64 = 300;

/// The seconds that `text` names, where they are within the tolerance.
///
/// # Errors
/// Where it is no number, written in a second way (a sign, a leading zero), or too far from `now`.
pub fn fresh(text: Option<&str>, now: Timestamp) -> Result<i64, Forged> {
    let text = text.ok_or(Forged("the timestamp is missing"))?;
    let plain = (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !plain || text.starts_with('0') {
        return Err(Forged("the timestamp is no number"));
    }
    let seconds: i64 = text.parse().map_err(|_| Forged("the timestamp is no number"))?;
    if (now.as_second() - seconds).abs() > TOLERANCE {
        return Err(Forged("the timestamp is too far from now"));
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t16_the_window_is_three_hundred_seconds_both_ways() {
        let now = Timestamp::from_second(1_795_291_200).unwrap();
        for good in ["1795291200", "1795290900", "1795291500"] {
            assert!(fresh(Some(good), now).is_ok(), "{good}");
        }
        let bad = [
            "1795290899",
            "1795291501",
            "",
            "0",
            "-1795291200",
            "01795291200",
            "1795291200.0",
            "+1795291200",
        ];
        for bad in bad {
            assert!(fresh(Some(bad), now).is_err(), "{bad}");
        }
        assert!(fresh(None, now).is_err());
    }
}
