use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt;

use super::*;

fn line(family: Family) -> Arc<Line> {
    let place = Place { account_id: "111122223333".into(), region: "eu-central-1".into(), family };
    Line::new(place, Arc::new(|_| {}))
}

fn user(namespace: &str) -> Caller {
    Caller::new(Priority::User, namespace)
}

fn resync(namespace: &str) -> Caller {
    Caller::new(Priority::Resync, namespace)
}

type Order = Arc<Mutex<Vec<(String, Duration)>>>;

/// Calls in a task of its own, and notes when it was its turn.
fn call(line: &Arc<Line>, order: &Order, operation: &'static str, caller: Caller, note: &str) {
    let (line, order, note, start) = (Arc::clone(line), Arc::clone(order), note.to_owned(), Instant::now());
    tokio::spawn(async move {
        line.permit(operation, &caller).await;
        order.lock().unwrap().push((note, start.elapsed()));
    });
}

fn notes(order: &Order) -> Vec<String> {
    order.lock().unwrap().iter().map(|(note, _)| note.clone()).collect()
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn deployments_go_out_one_in_five_seconds_and_hold_up_nothing_else() {
    let (line, order) = (line(Family::ApiGateway), Order::default());
    for note in ["first", "second", "third"] {
        call(&line, &order, "CreateDeployment", user("shop"), note);
    }
    call(&line, &order, "PutMethod", user("shop"), "method");
    seconds(20).await;
    let order = order.lock().unwrap();
    let at: Vec<_> = order.iter().map(|(note, at)| (note.as_str(), at.as_millis() / 100)).collect();
    assert_eq!(at, [("first", 0), ("method", 0), ("second", 50), ("third", 100)]);
}

#[tokio::test(start_paused = true)]
async fn namespaces_take_turns_and_a_file_keeps_its_order() {
    let (line, order) = (line(Family::ApiGateway), Order::default());
    call(&line, &order, "CreateDeployment", user("z"), "z");
    seconds(1).await;
    for (namespace, note) in [("big", "b1"), ("big", "b2"), ("big", "b3"), ("other", "o1"), ("other", "o2")] {
        call(&line, &order, "CreateDeployment", user(namespace), note);
    }
    seconds(60).await;
    assert_eq!(notes(&order), ["z", "b1", "o1", "b2", "o2", "b3"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_finished_before_more_is_begun() {
    let (line, order) = (line(Family::ApiGateway), Order::default());
    let (first, second) = (user("shop"), user("shop"));
    call(&line, &order, "CreateDeployment", user("z"), "z");
    seconds(1).await;
    call(&line, &order, "CreateDeployment", second, "second");
    call(&line, &order, "CreateDeployment", first, "first");
    seconds(60).await;
    assert_eq!(notes(&order), ["z", "first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn one_call_at_a_time_is_not_more_than_a_fair_share() {
    let line = line(Family::ApiGateway);
    let served: [Arc<AtomicUsize>; 2] = Default::default();
    for (namespace, tasks, served) in [("crowd", 30, &served[0]), ("alone", 1, &served[1])] {
        for _ in 0..tasks {
            let (line, served, caller) = (Arc::clone(&line), Arc::clone(served), user(namespace));
            tokio::spawn(async move {
                loop {
                    line.permit("PutMethod", &caller).await;
                    served.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
    }
    seconds(10).await;
    let before = served.each_ref().map(|served| served.load(Ordering::Relaxed));
    seconds(100).await;
    let after = served.each_ref().map(|served| served.load(Ordering::Relaxed));
    let [crowd, alone] = [after[0] - before[0], after[1] - before[1]];
    assert!((995..=1005).contains(&(crowd + alone)), "{crowd} + {alone}");
    assert!(crowd.abs_diff(alone) <= 20, "{crowd} and {alone}");
}

#[tokio::test(start_paused = true)]
async fn users_go_first_and_checks_never_starve() {
    let (line, order) = (line(Family::ApiGateway), Order::default());
    call(&line, &order, "CreateDeployment", user("z"), "z");
    seconds(1).await;
    for _ in 0..2 {
        call(&line, &order, "CreateDeployment", resync("shop"), "check");
    }
    for _ in 0..16 {
        call(&line, &order, "CreateDeployment", user("shop"), "user");
    }
    seconds(200).await;
    let notes = notes(&order);
    let checks: Vec<_> = notes.iter().enumerate().filter(|(_, note)| *note == "check").map(|(at, _)| at).collect();
    assert_eq!(notes.len(), 19);
    assert_eq!(checks, [8, 16]);
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_leaves_the_queue_and_costs_nothing() {
    let (line, order) = (line(Family::ApiGateway), Order::default());
    call(&line, &order, "DeleteRestApi", user("shop"), "first");
    seconds(1).await;
    let (operation, caller) = ("DeleteRestApi", user("shop"));
    {
        let mut given_up = Box::pin(line.permit(operation, &caller));
        assert!(given_up.as_mut().now_or_never().is_none());
        assert_eq!(caller.waiting().unwrap().estimate.before, 0);
    }
    assert_eq!(caller.waiting(), None);
    call(&line, &order, operation, user("shop"), "second");
    seconds(1).await;
    seconds(29).await;
    assert_eq!(notes(&order), ["first", "second"]);
    assert_eq!(line.lock().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn an_estimate_counts_what_is_before() {
    let (line, order) = (line(Family::ApiGateway), Order::default());
    call(&line, &order, "CreateDeployment", user("z"), "z");
    for _ in 0..6 {
        call(&line, &order, "CreateDeployment", user("big"), "big");
    }
    let (mine, check) = (user("mine"), resync("mine"));
    call(&line, &order, "CreateDeployment", mine.clone(), "mine");
    call(&line, &order, "CreateDeployment", check.clone(), "check");
    seconds(1).await;
    let said = mine.waiting().unwrap().to_string();
    assert_eq!(said, "waiting for API Gateway's quota of 1 CreateDeployment per 5 s, about 10 s: 1 call is before it");
    let check = check.waiting().unwrap();
    assert_eq!((check.estimate.before, check.estimate.wait.as_secs_f64().round()), (7, 39.0));
    assert_eq!(check.waited.as_secs(), 1);
    seconds(10).await;
    assert!(notes(&order).contains(&"mine".to_owned()), "{:?}", notes(&order));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_aws_asks_for_is_kept_for_that_operation() {
    let (line, order) = (line(Family::ApiGateway), Order::default());
    line.throttled("CreateDeployment", Some(Duration::from_secs(20)));
    let caller = user("shop");
    call(&line, &order, "CreateDeployment", caller.clone(), "asked");
    call(&line, &order, "PutIntegration", user("shop"), "other");
    seconds(2).await;
    assert_eq!(notes(&order), ["other"]);
    let said = caller.waiting().unwrap().to_string();
    assert_eq!(said, "waiting because API Gateway asked for a pause before CreateDeployment, about 20 s");
    seconds(19).await;
    assert_eq!(notes(&order), ["other", "asked"]);
}

#[tokio::test(start_paused = true)]
async fn throttling_lowers_the_operation_s_own_rate_or_that_of_all() {
    let rates: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&rates);
    let place = Place { account_id: "1".into(), region: "r".into(), family: Family::ApiGateway };
    let observer: Observer = Arc::new(move |event| {
        if let Event::Rate { operation, rate, .. } = event {
            heard.lock().unwrap().push(format!("{} {rate}", operation.unwrap_or("all")));
        }
    });
    let line = Line::new(place, observer);
    line.throttled("CreateDeployment", None);
    line.throttled("PutMethod", None);
    line.succeeded("GetRestApi");
    assert_eq!(*rates.lock().unwrap(), ["CreateDeployment 0.1", "all 5", "all 5.5"]);
}
