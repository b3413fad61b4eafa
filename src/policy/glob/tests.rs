use std::collections::HashSet;

use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case::literal("abc", "abc", true)]
#[case::case_counts("abc", "aBc", false)]
#[case::many_is_also_none("a*", "a", true)]
#[case::many_crosses_slashes_and_colons("a*z", "a/b:c/z", true)]
#[case::one_is_not_none("a?", "a", false)]
#[case::one_is_one_character_not_one_byte("a?", "aé", true)]
#[case::anchored_at_the_end("*b", "abc", false)]
#[case::anchored_at_the_start("b*", "abc", false)]
#[case::backtracks("*ab", "aab", true)]
#[case::head_and_tail_do_not_overlap("ab*ba", "aba", false)]
#[case::empty_matches_only_empty("", "a", false)]
#[case::a_star_in_the_text_is_a_character("a?", "a*", true)]
#[case::a_star_in_the_text_is_no_wildcard("ab", "a*", false)]
fn text_is_matched(#[case] glob: &str, #[case] text: &str, #[case] expected: bool) {
    assert_eq!(matches(glob, text), expected);
}

#[rstest]
#[case::same("a*b", "a*b", true)]
#[case::everything("*", "a?*", true)]
#[case::narrower_prefix("a*", "ab*", true)]
#[case::wider_prefix("ab*", "a*", false)]
#[case::one_does_not_hold_many("a?", "a*", false)]
#[case::many_holds_one("a*", "a?", true)]
#[case::a_character_does_not_hold_one("ab", "a?", false)]
#[case::at_least_two("??*", "*??", true)]
#[case::at_least_two_spread("*??", "?*?", true)]
#[case::at_least_two_but_only_one("??*", "?*", false)]
#[case::piece_torn_by_a_star("*ab*", "a*b", false)]
#[case::piece_found_further_right("*ab*", "a*ab", true)]
#[case::gap_kept_when_stars_are_empty("a*?b", "a*b", false)]
#[case::gap_filled_elsewhere("a*?b", "a?*b", true)]
#[case::order_of_pieces("*a*b*", "*b*a*", false)]
#[case::inner_may_grow_before_the_head("a*", "*a", false)]
#[case::inner_may_grow_after_the_tail("*a", "a*", false)]
fn glob_is_contained(#[case] outer: &str, #[case] inner: &str, #[case] expected: bool) {
    assert_eq!(contains(outer, inner), expected);
}

#[rstest]
#[case::prefix_meets_suffix("ab*", "*ba", true)]
#[case::different_characters("a?c", "abd", false)]
#[case::different_ends("put*policy", "*item", false)]
#[case::different_lengths("a?", "a", false)]
#[case::star_may_be_empty("a*", "a", true)]
fn globs_meet(#[case] left: &str, #[case] right: &str, #[case] expected: bool) {
    assert_eq!(intersects(left, right), expected);
    assert_eq!(intersects(right, left), expected);
}

#[test]
fn actions_ignore_case() {
    assert!(matches_ignore_case("dynamodb:Get*", "DynamoDB:getItem"));
    assert!(contains_ignore_case("S3:get*", "s3:GetObject*"));
    assert!(intersects_ignore_case("iam:PASS*", "*:passRole"));
    assert!(!contains("S3:get*", "s3:GetObject*"));
}

#[test]
fn long_patterns_are_quick() {
    let outer = "*a".repeat(1_000) + "b";
    let inner = "a".repeat(2_000);
    assert!(!contains(&outer, &inner));
    assert!(!intersects(&outer, &inner));
}

/// The alphabet of the references below; `z` occurs in no pattern, so it stands for every other character.
const ALPHABET: [char; 3] = ['a', 'b', 'z'];

fn step(pattern: &[char], states: &HashSet<usize>, c: char) -> HashSet<usize> {
    let next = states
        .iter()
        .filter_map(|&s| match pattern.get(s) {
            Some('*') => Some(s),
            Some('?') => Some(s + 1),
            Some(p) if *p == c => Some(s + 1),
            _ => None,
        })
        .collect();
    close(pattern, next)
}

fn close(pattern: &[char], mut states: HashSet<usize>) -> HashSet<usize> {
    for (i, symbol) in pattern.iter().enumerate() {
        if *symbol == '*' && states.contains(&i) {
            states.insert(i + 1);
        }
    }
    states
}

/// Walks both patterns as automata over all texts. Says whether some text is accepted by `inner` and, as asked, by
/// `outer` too or not by `outer`.
fn some_text(outer: &str, inner: &str, in_outer: bool) -> bool {
    let (outer, inner): (Vec<char>, Vec<char>) = (outer.chars().collect(), inner.chars().collect());
    let start = (close(&outer, HashSet::from([0])), close(&inner, HashSet::from([0])));
    let key = |(o, i): &(HashSet<usize>, HashSet<usize>)| {
        let bits = |states: &HashSet<usize>| states.iter().fold(0_u64, |b, s| b | 1 << s);
        (bits(o), bits(i))
    };
    let (mut seen, mut todo) = (HashSet::from([key(&start)]), vec![start]);
    while let Some((o, i)) = todo.pop() {
        if i.contains(&inner.len()) && o.contains(&outer.len()) == in_outer {
            return true;
        }
        for c in ALPHABET {
            let next = (step(&outer, &o, c), step(&inner, &i, c));
            if !next.1.is_empty() && seen.insert(key(&next)) {
                todo.push(next);
            }
        }
    }
    false
}

fn accepts(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let states = text.chars().fold(close(&pattern, HashSet::from([0])), |s, c| step(&pattern, &s, c));
    states.contains(&pattern.len())
}

/// Every pattern of at most `length` tokens.
fn patterns(length: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut last = all.clone();
    for _ in 0..length {
        last = last.iter().flat_map(|p| ["a", "b", "?", "*"].map(|t| format!("{p}{t}"))).collect();
        all.extend_from_slice(&last);
    }
    all
}

#[test]
fn exact_for_all_short_patterns() {
    let all = patterns(3);
    for outer in &all {
        for inner in &all {
            assert_eq!(contains(outer, inner), !some_text(outer, inner, false), "contains({outer}, {inner})");
            assert_eq!(intersects(outer, inner), some_text(outer, inner, true), "intersects({outer}, {inner})");
        }
    }
}

/// Few characters and many wildcards, so that containment is common.
fn pattern() -> impl Strategy<Value = String> {
    "[a?*]{0,5}|[ab?*]{0,9}|[ab]{1,3}[?*]{1,3}[ab]{1,3}[?*]{0,2}[ab]{0,2}"
}

/// A pattern with each token made something that it holds, so containment holds by construction.
fn with_narrower() -> impl Strategy<Value = (String, String)> {
    pattern().prop_flat_map(|outer| {
        let tokens: Vec<BoxedStrategy<String>> = outer
            .chars()
            .map(|t| match t {
                '*' => "[ab?*]{0,4}".boxed(),
                '?' => "[ab?]".boxed(),
                c => Just(c.to_string()).boxed(),
            })
            .collect();
        (Just(outer), tokens.prop_map(|t| t.concat()))
    })
}

fn text_of(glob: String) -> impl Strategy<Value = String> {
    let tokens: Vec<BoxedStrategy<String>> = glob
        .chars()
        .map(|t| match t {
            '*' => "[abz]{0,6}".boxed(),
            '?' => "[abz]".boxed(),
            c => Just(c.to_string()).boxed(),
        })
        .collect();
    tokens.prop_map(|t| t.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn contains_is_exact(outer in pattern(), inner in pattern()) {
        prop_assert_eq!(contains(&outer, &inner), !some_text(&outer, &inner, false));
    }

    #[test]
    fn intersects_is_exact(left in pattern(), right in pattern()) {
        prop_assert_eq!(intersects(&left, &right), some_text(&left, &right, true));
    }

    #[test]
    fn a_narrowed_pattern_is_contained((outer, inner) in with_narrower()) {
        prop_assert!(contains(&outer, &inner));
    }

    #[test]
    fn what_the_inner_glob_matches_the_outer_matches(
        (outer, text) in with_narrower().prop_flat_map(|(outer, inner)| (Just(outer), text_of(inner)))
    ) {
        prop_assert!(matches(&outer, &text));
    }

    #[test]
    fn matches_is_exact(glob in pattern(), text in "[abz]{0,8}") {
        prop_assert_eq!(matches(&glob, &text), accepts(&glob, &text));
    }
}
