//! Render rows.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;

use super::fixtures::{legacy_render, online_render, render, render_id, start, unlimited};
use crate::{
    budget::Account,
    ids::{RenderId, UserId},
    lane::Lane,
    memory::SeededRandom,
    ops::Share,
    ports::{HourlyLimit, Inserted, Renders},
    render::{Applied, FailureCode, Grounds, Owed, Render, RenderStatus},
    routing::Route,
    settings::Settings,
};

/// Everything below, on one empty store.
pub async fn suite(renders: &dyn Renders) {
    rows_come_back_as_they_went_in(renders).await;
    a_key_makes_one_render(renders).await;
    one_of_many_racing_inserts_wins(renders).await;
    an_update_needs_the_version_it_read(renders).await;
    rows_of_one_update_stand_for_themselves(renders).await;
    one_of_many_racing_updates_wins(renders).await;
    due_rows_come_longest_due_first(renders).await;
    a_user_sees_their_own_the_newest_first(renders).await;
    an_hour_brings_so_many_and_no_more(renders).await;
    racing_inserts_keep_the_hourly_limit(renders).await;
    what_is_over_is_erased(renders).await;
    ways_are_counted(renders).await;
}

/// Render `n` of `user`, accepted so many minutes after the start.
fn render_of(user: &str, n: u64, minutes: i64) -> Render {
    let accepted_at = start() + TimeDelta::minutes(minutes);
    let id = RenderId::generate(&SeededRandom::new(n), accepted_at);
    Render { id, user_id: UserId::from(user), accepted_at, ..online_render(n) }
}

async fn insert(renders: &dyn Renders, render: &Render) -> Render {
    assert_eq!(renders.insert(render.clone(), unlimited()).await, Ok(Inserted::New));
    get(renders, &render.id).await
}

async fn get(renders: &dyn Renders, id: &RenderId) -> Render {
    let mut found = renders.get(std::slice::from_ref(id)).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

pub async fn rows_come_back_as_they_went_in(renders: &dyn Renders) {
    let grounds = Grounds::new(&Settings::default(), true, |account| account == Account::Google);
    let with_grounds = Render { grounds: Some(grounds), ..online_render(1_001) };
    for sent in [render(1_000), with_grounds] {
        let stored = insert(renders, &sent).await;
        assert_eq!(stored, Render { version: 1, ..sent });
    }
    let ids = [render_id(1_001), render_id(1_002), render_id(1_000)];
    let mut found = renders.get(&ids).await.unwrap();
    found.sort_by(|a, b| a.user_id.cmp(&b.user_id));
    let found: Vec<_> = found.into_iter().map(|render| render.id).collect();
    assert_eq!(found, [render_id(1_000), render_id(1_001)], "what does not exist is left out");
    assert_eq!(renders.get(&[]).await, Ok(vec![]));
}

pub async fn a_key_makes_one_render(renders: &dyn Renders) {
    let first = insert(renders, &render(1_010)).await;
    let mut again = render(1_011);
    again.user_id = first.user_id.clone();
    again.idempotency_key.clone_from(&first.idempotency_key);
    let met = renders.insert(again.clone(), unlimited()).await.unwrap();
    assert_eq!(met, Inserted::Existing(Box::new(first.clone())), "whatever else is new in it");
    assert_eq!(renders.get(&[again.id.clone()]).await, Ok(vec![]));
    let found = renders.by_key(&first.user_id, &first.idempotency_key).await;
    assert_eq!(found, Ok(Some(first.clone())));
    let strange = renders.by_key(&render(1_012).user_id, &first.idempotency_key).await;
    assert_eq!(strange, Ok(None));
    again.user_id = render(1_011).user_id;
    assert_eq!(
        renders.insert(again, unlimited()).await,
        Ok(Inserted::New),
        "keys are each user's own"
    );
}

pub async fn one_of_many_racing_inserts_wins(renders: &dyn Renders) {
    let racers = (0..10).map(|i| {
        let mut racer = render(1_020 + i);
        racer.user_id = render(1_020).user_id;
        "raced".clone_into(&mut racer.idempotency_key);
        async move { (racer.id.clone(), renders.insert(racer, unlimited()).await.unwrap()) }
    });
    let met = join_all(racers).await;
    let winners: Vec<_> = met.iter().filter(|(_, met)| *met == Inserted::New).collect();
    assert_eq!(winners.len(), 1);
    for (_, met) in &met {
        if let Inserted::Existing(existing) = met {
            assert_eq!(existing.id, winners[0].0);
        }
    }
}

pub async fn an_update_needs_the_version_it_read(renders: &dyn Renders) {
    let read = insert(renders, &online_render(1_040)).await;
    let mut changed = read.clone();
    assert_eq!(changed.generating(), Applied::Changed);
    assert_eq!(renders.update(&[changed.clone()]).await, Ok(vec![true]));
    let stored = get(renders, &read.id).await;
    assert_eq!(stored, Render { version: 2, ..changed.clone() });
    assert_eq!(renders.update(&[changed]).await, Ok(vec![false]), "read before that write");
    assert_eq!(get(renders, &read.id).await, stored);
    let unknown = Render { version: 1, ..render(1_041) };
    assert_eq!(renders.update(&[unknown]).await, Ok(vec![false]), "an update inserts nothing");
    assert_eq!(renders.update(&[]).await, Ok(vec![]));
}

pub async fn rows_of_one_update_stand_for_themselves(renders: &dyn Renders) {
    let mut rows = Vec::new();
    for n in 1_050..1_053 {
        rows.push(insert(renders, &online_render(n)).await);
    }
    assert_eq!(renders.update(&rows[1..2]).await, Ok(vec![true]));
    for row in &mut rows {
        row.generating();
    }
    assert_eq!(renders.update(&rows).await, Ok(vec![true, false, true]));
}

pub async fn one_of_many_racing_updates_wins(renders: &dyn Renders) {
    let read = insert(renders, &online_render(1_060)).await;
    let racers = (0..10).map(|_| async { renders.update(std::slice::from_ref(&read)).await });
    let won = join_all(racers).await.into_iter().filter(|met| *met == Ok(vec![true])).count();
    assert_eq!(won, 1);
    assert_eq!(get(renders, &read.id).await.version, 2);
}

pub async fn due_rows_come_longest_due_first(renders: &dyn Renders) {
    // Before every other fixture, so that these are the first.
    let at = |minute| Some(start() - TimeDelta::days(10) + TimeDelta::minutes(minute));
    let due = |now: Option<DateTime<Utc>>, most| async move {
        let due = renders.due(now.unwrap(), most).await.unwrap();
        due.into_iter().map(|render| render.id).collect::<Vec<_>>()
    };
    let ids: Vec<_> = (1_070..1_073).map(render_id).collect();
    for (n, minute) in [(1_072, Some(3)), (1_070, Some(1)), (1_071, Some(2)), (1_073, None)] {
        let mut row = render(n);
        row.due_at = minute.and_then(at);
        insert(renders, &row).await;
    }
    assert_eq!(due(at(0), 10).await, []);
    assert_eq!(due(at(2), 10).await, ids[..2]);
    assert_eq!(due(at(5), 2).await, ids[..2]);
    assert_eq!(due(at(5), 10).await, ids);
    let mut first = get(renders, &ids[0]).await;
    first.due_at = at(4);
    assert_eq!(renders.update(&[first]).await, Ok(vec![true]));
    let mut second = get(renders, &ids[1]).await;
    second.due_at = None;
    assert_eq!(renders.update(&[second]).await, Ok(vec![true]));
    assert_eq!(due(at(5), 10).await, [ids[2].clone(), ids[0].clone()]);
}

pub async fn a_user_sees_their_own_the_newest_first(renders: &dyn Renders) {
    let mut ids = Vec::new();
    for minute in [3, 1, 2, 5, 4] {
        let row = render_of("lister", 1_080 + u64::try_from(minute).unwrap(), minute);
        ids.push((minute, insert(renders, &row).await.id));
        insert(renders, &render_of("other", 1_090 + u64::try_from(minute).unwrap(), minute)).await;
    }
    ids.sort();
    let ids: Vec<RenderId> = ids.into_iter().rev().map(|(_, id)| id).collect();
    let list = async |before: Option<&RenderId>, most| {
        let listed = renders.list(&UserId::from("lister"), before, most).await.unwrap();
        listed.into_iter().map(|render| render.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 9).await, ids);
    assert_eq!(list(None, 2).await, ids[..2]);
    assert_eq!(list(Some(&ids[1]), 2).await, ids[2..4]);
    assert_eq!(list(Some(&ids[4]), 2).await, []);
    assert_eq!(renders.list(&UserId::from("nobody"), None, 9).await, Ok(vec![]));
}

pub async fn an_hour_brings_so_many_and_no_more(renders: &dyn Renders) {
    let limit =
        |row: &Render| HourlyLimit { since: row.accepted_at - TimeDelta::hours(1), most: 2 };
    let insert = async |n, minutes| {
        let row = render_of("eager", n, minutes);
        renders.insert(row.clone(), limit(&row)).await.unwrap()
    };
    assert_eq!(insert(1_100, 0).await, Inserted::New);
    assert_eq!(insert(1_101, 30).await, Inserted::New);
    let again_at = start() + TimeDelta::minutes(60);
    assert_eq!(insert(1_102, 45).await, Inserted::Limited { again_at });
    assert_eq!(renders.get(&[render_of("eager", 1_102, 45).id]).await, Ok(vec![]));
    // What was made before can be asked for again.
    assert!(matches!(insert(1_101, 46).await, Inserted::Existing(_)));
    assert_eq!(insert(1_103, 60).await, Inserted::New);
    let other = render_of("patient", 1_104, 61);
    assert_eq!(renders.insert(other.clone(), limit(&other)).await, Ok(Inserted::New));
}

pub async fn racing_inserts_keep_the_hourly_limit(renders: &dyn Renders) {
    let limit = HourlyLimit { since: start() - TimeDelta::hours(1), most: 3 };
    let racers = (0..10).map(|i| renders.insert(render_of("racer", 1_110 + i, 0), limit));
    let met = join_all(racers).await;
    assert_eq!(met.iter().filter(|met| **met == Ok(Inserted::New)).count(), 3);
}

pub async fn what_is_over_is_erased(renders: &dyn Renders) {
    let over = |n| Render {
        status: RenderStatus::Failed { code: FailureCode::TimedOut, at: start() },
        owed: [].into(),
        open_attempts: [].into(),
        to_join: false,
        due_at: None,
        ..online_render(n)
    };
    let owing = Render { owed: [Owed::Announce].into(), ..over(1_201) };
    let waiting = Render { open_attempts: [owing.own_attempt()].into(), ..over(1_202) };
    let mut ids = vec![render_id(1_204)];
    for render in [over(1_200), owing, waiting, online_render(1_203)] {
        ids.push(insert(renders, &render).await.id);
    }
    assert_eq!(renders.erase(&ids).await, Ok(1));
    assert_eq!(renders.erase(&ids).await, Ok(0));
    assert_eq!(renders.erase(&[]).await, Ok(0));
    let left = renders.get(&ids).await.unwrap();
    assert!(left.len() == 3 && left.iter().all(|render| render.id != ids[1]));
    let again = over(1_200);
    assert_eq!(renders.by_key(&again.user_id, &again.idempotency_key).await, Ok(None));
}

pub async fn ways_are_counted(renders: &dyn Renders) {
    // Later than all others.
    let since = start() + TimeDelta::days(300);
    let of = |render: Render, seconds| {
        let accepted_at = since + TimeDelta::seconds(seconds);
        let id = RenderId::generate(&SeededRandom::new(seconds.unsigned_abs()), accepted_at);
        Render { id, accepted_at, ..render }
    };
    let failed = RenderStatus::Failed { code: FailureCode::TimedOut, at: since };
    let diverted = Render { served: Route::Legacy, ..online_render(1_302) };
    for render in [
        of(online_render(1_300), 0),
        of(Render { status: failed, ..online_render(1_301) }, 1),
        of(diverted, 2),
        of(render(1_303), 3),
        of(legacy_render(1_304), 4),
        of(online_render(1_305), -1),
    ] {
        insert(renders, &render).await;
    }
    let share = |assigned, served, lane, renders, failed| Share {
        assigned,
        served,
        lane,
        renders,
        succeeded: 0,
        failed,
    };
    let (google, legacy) = (Route::Gemini, Route::Legacy);
    let expected = vec![
        share(google, google, Lane::Online, 2, 1),
        share(google, google, Lane::Batch, 1, 0),
        share(google, legacy, Lane::Online, 1, 0),
        share(legacy, legacy, Lane::Online, 1, 0),
    ];
    assert_eq!(renders.shares(since).await, Ok(expected));
    assert_eq!(renders.shares(since + TimeDelta::seconds(5)).await, Ok(vec![]));
}
