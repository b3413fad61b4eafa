use proptest::prelude::*;

use super::*;

fn guard() -> Option<Statement> {
    Some(super::super::roles::deny_owner_tags("stepgate.dev/"))
}

/// Statements of these many queues each.
fn queues(counts: &[usize]) -> Vec<Statement> {
    let statement = |(number, count): (usize, &usize)| {
        let queue = move |n| format!("arn:aws:sqs:eu-central-1:111122223333:queue-{number}-of-some-length-{n:04}");
        Statement::allow([format!("sqs:Action{number}")], (0..*count).map(queue))
    };
    counts.iter().enumerate().map(statement).collect()
}

fn said(layout: &Layout) -> BTreeSet<Pair> {
    pairs(layout.values())
}

#[test]
fn inline_while_it_fits() {
    let statements = queues(&[20, 30, 40]);
    let layout = lay_out(&statements, guard(), MOST_ATTACHED).unwrap();
    assert_eq!(layout.keys().collect::<Vec<_>>(), [&Slot::Inline]);
    assert_eq!(layout[&Slot::Inline], Document::new(statements.into_iter().chain(guard())));
    assert_eq!(lay_out(&[], None, MOST_ATTACHED), Some(Layout::new()));
}

#[test]
fn folded_before_it_is_cut() {
    // Each queue on its own, with the same actions: 15,000 characters written out, 7,000 merged.
    let statements: Vec<Statement> = (0..100)
        .map(|n| {
            Statement::allow(
                ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
                [format!("arn:aws:sqs:eu-central-1:111122223333:queue-{n:04}")],
            )
        })
        .collect();
    assert!(Document::new(statements.iter().cloned()).len() > INLINE_LIMIT);
    let layout = lay_out(&statements, guard(), 0).unwrap();
    assert_eq!(said(&layout), pairs([&Document::new(statements.into_iter().chain(guard()))]));
}

#[test]
fn what_one_policy_does_not_hold_stands_in_several() {
    let statements = queues(&[300, 5, 200]);
    let layout = lay_out(&statements, guard(), MOST_ATTACHED).unwrap();
    assert_eq!(layout[&Slot::Inline], Document::new(guard()), "the guard stays with the role");
    assert_eq!(layout.len(), 1 + 6);
    assert_eq!(said(&layout), pairs([&Document::new(statements.iter().cloned().chain(guard()))]));
    // The same need is the same text, whichever way it was found.
    let reversed: Vec<_> = statements.iter().rev().cloned().collect();
    assert_eq!(lay_out(&reversed, guard(), MOST_ATTACHED), Some(layout));
    assert_eq!(lay_out(&statements, guard(), 5), None, "it needs six");
}

#[test]
fn one_statement_of_many_actions_is_cut_along_them() {
    let actions: Vec<String> = (0..400).map(|n| format!("dynamodb:SomeActionOfALongName{n:04}")).collect();
    let statements = [Statement::allow(actions, ["*"])];
    let layout = lay_out(&statements, None, MOST_ATTACHED).unwrap();
    assert_eq!(said(&layout), pairs([&Document::new(statements)]));
    let one = Statement::allow([format!("sqs:{}", "x".repeat(12_000))], ["*"]);
    assert_eq!(lay_out(&[one], None, MOST_ATTACHED), None, "one action that is too long");
}

#[test]
fn on_the_way_there_is_all_of_both() {
    let small = lay_out(&queues(&[20]), guard(), MOST_ATTACHED).unwrap();
    let other = lay_out(&[Statement::allow(["s3:GetObject"], ["arn:aws:s3:::b/*"])], guard(), MOST_ATTACHED).unwrap();
    let way = between(&small, &other, MOST_ATTACHED).unwrap();
    assert_eq!(way.keys().collect::<Vec<_>>(), [&Slot::Inline], "the inline policy has room for both");
    assert_eq!(said(&way), said(&small).union(&said(&other)).cloned().collect());
    assert_eq!(between(&way, &other, MOST_ATTACHED), Some(way), "all that is wanted is there");
    // It has no room for both of these.
    let [a, b] = [&[90][..], &[0, 90]].map(|counts| lay_out(&queues(counts)[counts.len() - 1..], guard(), 10).unwrap());
    let way = between(&a, &b, MOST_ATTACHED).unwrap();
    assert_eq!(way.keys().collect::<Vec<_>>(), [&Slot::Inline, &Slot::Part(1), &Slot::Part(2)]);
    assert_eq!(between(&a, &b, 1), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_policy_fits_and_nothing_is_lost_on_the_way(
        one in prop::collection::vec(0usize..90, 0..5), two in prop::collection::vec(0usize..90, 0..5),
    ) {
        let statements = |counts: &[usize]| queues(counts).into_iter().filter(|s| !s.resources.is_empty()).collect::<Vec<_>>();
        let [from, to] = [&one, &two].map(|counts| lay_out(&statements(counts), guard(), 20).unwrap());
        let way = between(&from, &to, 40).unwrap();
        for (slot, document) in from.iter().chain(&to).chain(&way) {
            prop_assert!(document.len() <= slot.limit(), "{:?} has {} characters", slot, document.len());
        }
        let both: BTreeSet<Pair> = said(&from).union(&said(&to)).cloned().collect();
        prop_assert_eq!(&said(&way), &both);
        prop_assert_eq!(between(&way, &to, 40), Some(way.clone()), "a second look adds nothing");
        // Slot by slot to the end: at no moment is anything missing that is wanted; what leaves goes last.
        let mut now = way;
        for (slot, document) in &to {
            now.insert(*slot, document.clone());
            prop_assert!(said(&now).is_superset(&said(&to)), "after {:?}", slot);
        }
        now.retain(|slot, _| to.contains_key(slot));
        prop_assert_eq!(now, to);
    }
}
