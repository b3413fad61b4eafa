//! What the budget promises.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::aws::Shared;
use super::*;

/// The share of the full size at which it runs.
fn scaled(full: usize) -> usize {
    match std::env::var("STEPGATE_SIMULATION").as_deref() {
        Ok("full") => full,
        _ => full / 10,
    }
}

fn user(namespace: &str) -> Caller {
    Caller::new(Priority::User, namespace)
}

/// Everything is applied at once, team after team: the whole cluster is new. Last of all, one team of each account applies an API and a
/// machine.
#[tokio::test(start_paused = true)]
async fn a_whole_new_cluster_converges_next_to_the_least_time() {
    const ACCOUNTS: usize = 5;
    const TEAMS: usize = 100;
    let (log, started, clock) = (Log::default(), Instant::now(), std::time::Instant::now());
    let budget = log.budget();
    let work = |team: usize, calls: Vec<Call>| {
        let (budget, account) = (Arc::clone(&budget), format!("account-{}", team % ACCOUNTS));
        let caller = user(&format!("team-{team}"));
        tokio::spawn(async move { (team, carry_out(&budget, &account, &caller, calls).await) })
    };
    let [apis, machines] = [1_000, 50_000].map(|full| scaled(full) / TEAMS);
    let of_team = |team: usize| {
        let apis = (0..apis).map(move |_| work(team, new_api(3)));
        apis.chain((0..machines).map(move |_| work(team, new_machine())))
    };
    let small = (TEAMS..TEAMS + ACCOUNTS).map(|team| work(team, [new_api(3), new_machine()].concat()));
    let mut ends = BTreeMap::new();
    for end in join_all((0..TEAMS).flat_map(of_team).chain(small)).await {
        let (team, took) = end.unwrap();
        let end: &mut Duration = ends.entry(team).or_default();
        *end = took.max(*end);
    }
    let (took, least) = (started.elapsed(), log.least_time());
    let ratio = took.as_secs_f64() / least.as_secs_f64();
    let (permits, longest) = log.figures(Priority::User);
    let small = ends.split_off(&TEAMS).into_values().max().unwrap();
    let (first, last) = (*ends.values().min().unwrap(), *ends.values().max().unwrap());
    println!(
        "{} APIs, {} machines of {TEAMS} teams in {ACCOUNTS} accounts: {permits} calls, converged in {:.0} s, at least {:.0} s (x{ratio:.3}), longest wait {:.0} s; the first team ended after {:.0} s, the last after {:.0} s, the small ones after {:.0} s; simulated in {:.1} s",
        apis * TEAMS,
        machines * TEAMS,
        took.as_secs_f64(),
        least.as_secs_f64(),
        longest.as_secs_f64(),
        first.as_secs_f64(),
        last.as_secs_f64(),
        small.as_secs_f64(),
        clock.elapsed().as_secs_f64(),
    );
    log.assert_no_quota_exceeded();
    assert!(ratio < 1.1, "{ratio}");
    // Equal work ends together, whoever came first; and little work has its turns, one for each of any other team's.
    assert!(longest < least, "{longest:?}");
    assert!(first > last.mul_f64(0.9), "{first:?}, {last:?}");
    assert!(small < Duration::from_mins(5), "{small:?}");
}

#[tokio::test(start_paused = true)]
async fn one_team_s_large_apis_do_not_hold_up_another_s_one_line() {
    let log = Log::default();
    let budget = log.budget();
    let large: Vec<_> = (0..8)
        .map(|_| {
            let budget = Arc::clone(&budget);
            tokio::spawn(async move { carry_out(&budget, "shared", &user("large"), new_api(300)).await })
        })
        .collect();
    let mut longest = Duration::ZERO;
    let mut changes = 0;
    while !large.iter().all(|api| api.is_finished()) {
        tokio::time::sleep(Duration::from_millis(7_300)).await;
        longest = longest.max(carry_out(&budget, "shared", &user("small"), one_line()).await);
        changes += 1;
    }
    println!("{changes} one-line changes beside eight 300-route APIs: at most {:.1} s", longest.as_secs_f64());
    log.assert_no_quota_exceeded();
    assert!(changes > 50, "{changes}");
    assert!(longest < Duration::from_secs(12), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn checks_of_everything_neither_hold_up_users_nor_starve() {
    let (log, started) = (Log::default(), Instant::now());
    let budget = log.budget();
    let machines = scaled(50_000);
    let checks: Vec<_> = (0..machines)
        .map(|index| {
            let budget = Arc::clone(&budget);
            let caller = Caller::new(Priority::Resync, &format!("team-{}", index % 100));
            let calls = vec![(Family::StepFunctions, "DescribeStateMachine")];
            tokio::spawn(async move { carry_out(&budget, "shared", &caller, calls).await })
        })
        .collect();
    // Users at work all the time, as fast as one after the other can be.
    let mut longest = Duration::ZERO;
    let checks = tokio::spawn(join_all(checks));
    while !checks.is_finished() {
        longest = longest.max(
            carry_out(&budget, "shared", &user("shop"), vec![(Family::StepFunctions, "DescribeStateMachine")]).await,
        );
    }
    let (count, _) = log.figures(Priority::Resync);
    let took = started.elapsed().as_secs_f64();
    println!(
        "{machines} checks beside a busy user: {took:.0} s; the user waited at most {:.2} s",
        longest.as_secs_f64()
    );
    log.assert_no_quota_exceeded();
    assert_eq!(count, machines);
    assert!(longest < Duration::from_millis(250), "{longest:?}");
}

#[tokio::test(start_paused = true)]
async fn checks_get_their_share_beside_users_who_never_stop() {
    let log = Log::default();
    let budget = log.budget();
    for index in 0..40 {
        let budget = Arc::clone(&budget);
        tokio::spawn(async move {
            loop {
                let calls = vec![(Family::ApiGateway, "PutMethod")];
                carry_out(&budget, "shared", &user(&format!("team-{index}")), calls).await;
            }
        });
    }
    let check = Caller::new(Priority::Resync, "quiet");
    tokio::time::sleep(Duration::from_secs(20)).await;
    for _ in 0..100 {
        carry_out(&budget, "shared", &check, vec![(Family::ApiGateway, "GetStages")]).await;
    }
    let (_, longest_check) = log.figures(Priority::Resync);
    let (_, longest_user) = log.figures(Priority::User);
    log.assert_no_quota_exceeded();
    assert!(longest_check < Duration::from_secs(1), "{longest_check:?}");
    assert!(longest_user < Duration::from_secs(6), "{longest_user:?}");
}

#[tokio::test(start_paused = true)]
async fn it_gives_way_to_others_in_the_account_and_comes_back() {
    let log = Log::default();
    let budget = log.budget();
    let aws = Arc::new(Mutex::new(Shared::new(aws::limit(Family::ApiGateway, None).unwrap())));
    let (done, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for index in 0..10 {
        let (line, aws) = (line(&budget, "shared", Family::ApiGateway), Arc::clone(&aws));
        let (done, refused) = (Arc::clone(&done), Arc::clone(&refused));
        tokio::spawn(async move {
            let caller = user(&format!("team-{index}"));
            let mut ways = StdRng::seed_from_u64(index);
            loop {
                line.permit("PutMethod", &caller).await;
                tokio::time::sleep(LATENCY.mul_f64(ways.random_range(0.2..3.0))).await;
                if aws.lock().unwrap().call() {
                    done.fetch_add(1, Ordering::Relaxed);
                    line.succeeded("PutMethod");
                } else {
                    refused.fetch_add(1, Ordering::Relaxed);
                    line.throttled("PutMethod", None);
                }
            }
        });
    }
    let others = Arc::new(AtomicBool::new(true));
    let (busy, bucket) = (Arc::clone(&others), Arc::clone(&aws));
    tokio::spawn(async move {
        let mut times = StdRng::seed_from_u64(42);
        while busy.load(Ordering::Relaxed) {
            bucket.lock().unwrap().call();
            tokio::time::sleep(Duration::from_millis(times.random_range(0..400))).await;
        }
    });
    let over = async |seconds: u64| {
        let before = [done.load(Ordering::Relaxed), refused.load(Ordering::Relaxed)];
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        let rate = |now: usize, before: usize| (now - before) as f64 / seconds as f64;
        [rate(done.load(Ordering::Relaxed), before[0]), rate(refused.load(Ordering::Relaxed), before[1])]
    };
    over(30).await;
    let [beside, refused_beside] = over(300).await;
    others.store(false, Ordering::Relaxed);
    over(30).await;
    let [alone, refused_alone] = over(300).await;
    println!(
        "beside others who take half: {beside:.2} calls/s, {refused_beside:.2} refused; alone: {alone:.2}, {refused_alone:.2}"
    );
    assert!(beside > 4.0 && refused_beside < 1.0, "{beside} {refused_beside}");
    assert!(alone > 9.5 && refused_alone < 0.1, "{alone} {refused_alone}");
}

/// A large installation at work, always at the full size: the period's checks of everything, and in each account a team that makes large
/// APIs and one that changes one line after the other.
#[tokio::test(start_paused = true)]
async fn in_a_large_installation_at_work_nobody_starves() {
    const ACCOUNTS: usize = 5;
    let (log, started, clock) = (Log::default(), Instant::now(), std::time::Instant::now());
    let budget = log.budget();
    let account = |index: usize| format!("account-{}", index % ACCOUNTS);
    let look = ["GetRestApi", "GetResources", "GetStages"].map(|operation| (Family::ApiGateway, operation));
    let machines = (0..50_000).map(|index| (index, vec![(Family::StepFunctions, "DescribeStateMachine")]));
    let apis = (0..1_000).map(|index| (index, look.to_vec()));
    let checks = machines.chain(apis).map(|(index, calls)| {
        let (budget, account) = (Arc::clone(&budget), account(index));
        let caller = Caller::new(Priority::Resync, &format!("team-{}", index % 100));
        tokio::spawn(async move { carry_out(&budget, &account, &caller, calls).await })
    });
    let checks = tokio::spawn(join_all(checks.collect::<Vec<_>>()));
    let large: Vec<_> = (0..8 * ACCOUNTS)
        .map(|index| {
            let (budget, account) = (Arc::clone(&budget), account(index));
            tokio::spawn(async move { carry_out(&budget, &account, &user("large"), new_api(300)).await })
        })
        .collect();
    let large = Arc::new(large);
    let small = (0..ACCOUNTS).map(|index| {
        let (budget, account, large) = (Arc::clone(&budget), account(index), Arc::clone(&large));
        tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            while !large.iter().all(|api| api.is_finished()) {
                tokio::time::sleep(Duration::from_millis(7_300)).await;
                longest = longest.max(carry_out(&budget, &account, &user("small"), one_line()).await);
            }
            longest
        })
    });
    let small = tokio::spawn(join_all(small.collect::<Vec<_>>()));
    let checked: Vec<_> = checks.await.unwrap();
    let users_at_work = !large.iter().all(|api| api.is_finished());
    let checks_took = started.elapsed();
    let longest = small.await.unwrap().into_iter().map(Result::unwrap).max().unwrap();
    let (took, least) = (started.elapsed(), log.least_time());
    let ratio = took.as_secs_f64() / least.as_secs_f64();
    let ((calls, _), (user_calls, _)) = (log.figures(Priority::Resync), log.figures(Priority::User));
    println!(
        "{} checks ({calls} calls) of 1,000 APIs and 50,000 machines in {ACCOUNTS} accounts took {:.0} s beside {user_calls} calls of users; one line at most {:.1} s; all in {:.0} s, at least {:.0} s (x{ratio:.3}); simulated in {:.1} s",
        checked.len(),
        checks_took.as_secs_f64(),
        longest.as_secs_f64(),
        took.as_secs_f64(),
        least.as_secs_f64(),
        clock.elapsed().as_secs_f64(),
    );
    log.assert_no_quota_exceeded();
    assert_eq!(calls, 53_000);
    assert!(users_at_work, "checks had to wait until users had nothing more to do");
    assert!(longest < Duration::from_secs(12), "{longest:?}");
    assert!(ratio < 1.1, "{ratio}");
}
