//! The name that was probably meant.

/// Finds the names that were probably meant, until it has compared 100,000: a definition full of mistakes must stay cheap.
pub(crate) struct Speller {
    left: usize,
}

impl Speller {
    pub fn new() -> Self {
        Self { left: 100_000 }
    }

    /// The candidate nearest to a word, where it is near enough to be worth suggesting.
    pub fn near<'a>(&mut self, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let word: Vec<char> = word.chars().take(MAX_LENGTH + 1).collect();
        if word.is_empty() || word.len() > MAX_LENGTH {
            return None;
        }
        // In shorter words only upper and lower case: any other word is near.
        let limit = (word.len() / 3).min(3);
        candidates
            .into_iter()
            .take_while(|_| {
                let any_left = self.left > 0;
                self.left = self.left.saturating_sub(1);
                any_left
            })
            .filter_map(|candidate| Some((distance(&word, candidate, limit)?, candidate)))
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, candidate)| candidate)
    }
}

const MAX_LENGTH: usize = 128;

/// How many characters were inserted, left out, replaced or swapped with their neighbour, if at most `limit`; 0 where only
/// upper and lower case differ.
fn distance(word: &[char], candidate: &str, limit: usize) -> Option<usize> {
    let other: Vec<char> = candidate.chars().take(MAX_LENGTH + 1).collect();
    if word.len().abs_diff(other.len()) > limit {
        return None;
    }
    if word.len() == other.len() && word.iter().zip(&other).all(|(a, b)| a.eq_ignore_ascii_case(b)) {
        return Some(0);
    }
    let mut before = vec![usize::MAX; other.len() + 1];
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for i in 0..word.len() {
        let mut row = vec![i + 1; other.len() + 1];
        for j in 0..other.len() {
            let replaced = above[j] + usize::from(word[i] != other[j]);
            row[j + 1] = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && word[i] == other[j - 1] && word[i - 1] == other[j] {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        if row.iter().all(|distance| *distance > limit) {
            return None;
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::Speller;

    #[test]
    fn suggests_what_was_probably_meant() {
        let states = ["Process", "Prepare", "Check input", "Done"];
        let suggest = |word| Speller::new().near(word, states);
        assert_eq!(suggest("Proces"), Some("Process"));
        assert_eq!(suggest("process"), Some("Process"));
        assert_eq!(suggest("CheckInput"), Some("Check input"));
        assert_eq!(suggest("Dome"), Some("Done"));
        assert_eq!(suggest("Doen"), Some("Done"));
        assert_eq!(suggest("Notify"), None);
        assert_eq!(suggest(""), None);
        assert_eq!(suggest(&"x".repeat(1_000_000)), None);
    }
}
