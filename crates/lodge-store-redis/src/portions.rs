//! Cuts what queued for accept into portions that one script may carry: by count, by bytes, and by keys, since each key
//! costs the server time. Whole calls stay together where they fit, so that a call that is at fault can be told apart.

use lodge_domain::Candidate;

const MOST_CANDIDATES: usize = 256;
const MOST_BYTES: usize = 4 << 20;
const MOST_KEYS: usize = 2048;

/// One candidate of a call: number of the call, place in it.
pub(crate) type Place = (usize, usize);
/// A candidate and its place.
pub(crate) type Placed<'a> = (Place, &'a Candidate);

/// Portions of whole calls where they fit; a call that is larger than a portion is cut.
pub(crate) fn chunks<'a>(runs: Vec<Vec<Placed<'a>>>) -> Vec<Vec<Vec<Placed<'a>>>> {
    let mut out: Vec<Vec<Vec<Placed<'a>>>> = Vec::new();
    let mut filled = (0, 0, 0);
    for run in runs {
        for part in cut(run) {
            let weight = weigh(&part);
            let sum = (filled.0 + weight.0, filled.1 + weight.1, filled.2 + weight.2);
            match out.last_mut() {
                Some(last) if fits(sum) => {
                    last.push(part);
                    filled = sum;
                }
                _ => {
                    out.push(vec![part]);
                    filled = weight;
                }
            }
        }
    }
    out
}

fn cut(run: Vec<Placed<'_>>) -> Vec<Vec<Placed<'_>>> {
    if fits(weigh(&run)) {
        return vec![run];
    }
    let mut out: Vec<Vec<Placed<'_>>> = Vec::new();
    let mut filled = (0, 0, 0);
    for placed in run {
        let weight = weigh(std::slice::from_ref(&placed));
        let sum = (filled.0 + weight.0, filled.1 + weight.1, filled.2 + weight.2);
        match out.last_mut() {
            Some(last) if fits(sum) => {
                last.push(placed);
                filled = sum;
            }
            _ => {
                out.push(vec![placed]);
                filled = weight;
            }
        }
    }
    out
}

/// Candidates, bytes, keys.
fn weigh(run: &[Placed<'_>]) -> (usize, usize, usize) {
    run.iter().fold((0, 0, 0), |(count, bytes, keys), (_, c)| {
        let more = c.thread_keys.len() + c.registers.len() + c.traces.len() + c.introduces.len();
        (count + 1, bytes + c.record.len() + 1024, keys + more)
    })
}

fn fits((count, bytes, keys): (usize, usize, usize)) -> bool {
    count <= MOST_CANDIDATES && bytes <= MOST_BYTES && keys <= MOST_KEYS
}

#[cfg(test)]
mod tests {
    use super::*;
    use lodge_testkit::{sample_contact, samples::sample_time};

    #[test]
    fn calls_stay_whole_where_they_fit_and_are_cut_where_not() {
        let candidate = sample_contact().candidate(sample_time());
        let many_keys = (0..1500)
            .fold(sample_contact(), |contact, number| contact.registers(&number.to_string()))
            .candidate(sample_time());
        let run =
            |call: usize, count: usize| (0..count).map(|at| ((call, at), &candidate)).collect::<Vec<_>>();
        let sizes = |runs| -> Vec<Vec<usize>> {
            chunks(runs).iter().map(|chunk| chunk.iter().map(Vec::len).collect()).collect()
        };
        assert_eq!(sizes(vec![run(0, 100), run(1, 100), run(2, 100)]), [vec![100, 100], vec![100]]);
        assert_eq!(sizes(vec![run(0, 600)]), [vec![256], vec![256], vec![88]]);
        let heavy = vec![vec![((0, 0), &many_keys)], vec![((1, 0), &many_keys)]];
        assert_eq!(sizes(heavy), [vec![1], vec![1]]);
        assert!(chunks(Vec::new()).is_empty());
    }
}
