use proptest::prelude::*;

use super::{
    RouteReason::{Disabled, Inside, Outside},
    *,
};

/// Key, its murmur3 hash and its bucket.
type Vector = (&'static str, u32, u16);

/// The ends of the hash's range and its middle, found by flagd's testbed. They catch signed
/// arithmetic, a product of 32 bits, `<=` for `<`, and division by 2^32 - 1.
const EDGES: [Vector; 5] = [
    ("ejOoVL", 0, 0),
    ("bY9fO-", 1, 0),
    ("SI7p-", 2_147_483_647, 4_999),
    ("6LvT0", 2_147_483_648, 5_000),
    ("ceQdGm", 4_294_967_295, 9_999),
];

/// Tails of 0 to 3 bytes, and UTF-8 of 1 to 4.
const PLAIN: [Vector; 17] = [
    ("", 0, 0),
    ("0", 3_530_670_207, 8_220),
    ("a", 1_009_084_850, 2_349),
    ("ab", 2_613_040_991, 6_083),
    ("abc", 3_017_643_002, 7_025),
    ("abcd", 1_139_631_978, 2_653),
    ("abcde", 3_902_511_862, 9_086),
    ("123", 2_662_625_771, 6_199),
    ("hello", 613_153_351, 1_427),
    ("The quick brown fox jumps over the lazy dog", 776_992_547, 1_809),
    ("caf\u{e9}", 605_818_632, 1_410),
    ("cafe\u{301}", 0xb3b1_e289, 7_019),
    ("userid-\u{2603}", 3_418_530_889, 7_959),
    ("\u{65e5}\u{672c}", 3_302_619_458, 7_689),
    ("\u{1f455}", 1_783_520_527, 4_152),
    ("user@example.com", 1_104_125_020, 2_570),
    ("00000000-0000-0000-0000-000000000000", 380_169_684, 885),
];

const SALTED: [Vector; 22] = [
    ("user-1", 4_171_401_059, 9_712),
    ("rollout:user-1", 2_237_148_761, 5_208),
    ("rollout:user-2", 4_205_387_961, 9_791),
    ("rollout:user-3", 3_885_741_069, 9_047),
    ("shadow:user-1", 1_614_159_483, 3_758),
    ("quality:user-1", 267_346_526, 622),
    ("ab-test:user-1", 2_756_584_472, 6_418),
    ("rollout:", 1_735_117_418, 4_039),
    ("fractional-flagjack", 2_682_799_072, 6_246),
    ("fractional-flagqueen", 4_278_517_551, 9_961),
    ("fractional-flagten", 801_845_258, 1_866),
    ("fractional-flagnine", 1_406_129_861, 3_273),
    ("shared-seedseven", 2_854_277_753, 6_645),
    ("shared-seedeight", 1_563_615_273, 3_640),
    ("shared-seednine", 803_549_583, 1_870),
    ("shared-seedtwo", 3_695_917_884, 8_605),
    ("gr1:123", 538_421_172, 1_253),
    ("groupX:999", 3_843_606_124, 8_949),
    ("AB12A:122", 1_062_108_722, 2_472),
    ("AB12A:155", 3_268_232_399, 7_609),
    ("Feature.flexibleRollout.10:174", 3_067_997_709, 7_143),
    ("Feature.flexibleRollout.10:499", 330_494_531, 769),
];

fn split(percent: Percent) -> Split<'static> {
    Split { enabled: true, percent, ceiling: Percent::FULL, salt: "rollout" }
}

fn percent(basis_points: u16) -> Percent {
    Percent::from_basis_points(basis_points).unwrap()
}

fn route(user: &UserId, percent: Percent) -> Route {
    assign(user, &split(percent)).unwrap().route
}

#[test]
fn every_vector_hashes_and_lands_as_published() {
    for (key, hash, bucket) in [&EDGES[..], &PLAIN, &SALTED].concat() {
        assert_eq!(murmur3_x86_32(key.as_bytes()), hash, "{key:?}");
        assert_eq!(Bucket::from_hash(hash).get(), bucket, "{key:?}");
        if let Some((salt, user)) = key.split_once(':') {
            assert_eq!(Bucket::of(salt, &UserId::from(user)).get(), bucket, "{key:?}");
        }
    }
}

#[test]
fn flagd_deals_the_same_cards() {
    let suit = |key: &str| {
        let percent = (u64::from(murmur3_x86_32(key.as_bytes())) * 100) >> 32;
        ["clubs", "diamonds", "hearts", "spades"][usize::try_from(percent / 25).unwrap()]
    };
    for (key, expected) in [
        ("fractional-flagjack", "hearts"),
        ("fractional-flagqueen", "spades"),
        ("fractional-flagten", "clubs"),
        ("fractional-flagnine", "diamonds"),
        ("shared-seedseven", "hearts"),
        ("shared-seedeight", "diamonds"),
        ("shared-seednine", "clubs"),
        ("shared-seedtwo", "spades"),
    ] {
        assert_eq!(suit(key), expected, "{key}");
    }
}

#[test]
fn unleash_normalises_the_same_hash() {
    for (key, normalised) in [
        ("gr1:123", 73),
        ("groupX:999", 25),
        ("AB12A:122", 23),
        ("AB12A:155", 100),
        ("Feature.flexibleRollout.10:174", 10),
        ("Feature.flexibleRollout.10:499", 32),
    ] {
        assert_eq!(murmur3_x86_32(key.as_bytes()) % 100 + 1, normalised, "{key}");
    }
}

#[test]
fn buckets_begin_where_they_must() {
    for (bucket, hash) in
        [(1, 429_497), (1_000, 429_496_730), (5_000, 2_147_483_648), (9_999, 4_294_537_800)]
    {
        assert_eq!(Bucket::from_hash(hash).get(), bucket);
        assert_eq!(Bucket::from_hash(hash - 1).get(), bucket - 1);
    }
    for bucket in 1..10_000_u16 {
        let first = u32::try_from((u64::from(bucket) << 32).div_ceil(10_000)).unwrap();
        assert_eq!(Bucket::from_hash(first).get(), bucket);
        assert_eq!(Bucket::from_hash(first - 1).get(), bucket - 1);
    }
}

#[test]
fn the_first_bucket_is_in_at_the_smallest_percentage_and_the_last_only_at_all_of_it() {
    let (first, last) = (Bucket::from_hash(0), Bucket::from_hash(u32::MAX));
    assert!(!first.is_below(Percent::ZERO) && first.is_below(percent(1)));
    assert!(!last.is_below(percent(9_999)) && last.is_below(Percent::FULL));
}

#[test]
fn the_shares_are_fair() {
    let buckets: Vec<Bucket> =
        (0..200_000).map(|i| Bucket::of("rollout", &UserId::new(format!("user-{i}")))).collect();
    let share = |points| {
        let inside = buckets.iter().filter(|bucket| bucket.is_below(percent(points))).count();
        format!("{:.2}", inside as f64 / 2_000.0)
    };
    assert_eq!(
        [100, 500, 1_000, 2_500, 5_000].map(share),
        ["1.00", "4.92", "9.94", "24.96", "49.92"]
    );
}

#[test]
fn a_second_split_is_random_inside_the_first_only_with_a_salt_of_its_own() {
    let ids = (0..100_000).map(|i| UserId::new(format!("user-{i}")));
    let gated: Vec<UserId> =
        ids.filter(|user| Bucket::of("rollout", user).is_below(percent(1_000))).collect();
    let first_arm = |salt| {
        let inside = |user: &&UserId| Bucket::of(salt, user).is_below(percent(5_000));
        gated.iter().filter(inside).count() * 100 / gated.len()
    };
    assert_eq!(first_arm("rollout"), 100);
    assert!((48..=51).contains(&first_arm("ab-test")));
}

#[test]
fn ids_are_bytes() {
    for (one, other) in [("caf\u{e9}", "cafe\u{301}"), ("user-1", "User-1"), ("user-1", " user-1")]
    {
        let bucket = |user| Bucket::of("rollout", &UserId::from(user));
        assert_ne!(bucket(one), bucket(other), "{one:?} {other:?}");
    }
}

#[test]
fn a_user_without_an_id_is_refused_whatever_the_split() {
    let nobody = UserId::from("");
    for percent in [Percent::ZERO, Percent::FULL] {
        assert_eq!(assign(&nobody, &split(percent)), Err(NoUser));
        let closed = Split { enabled: false, ..split(percent) };
        assert_eq!(assign(&nobody, &closed), Err(NoUser));
    }
}

#[test]
fn the_lower_percentage_counts_and_the_switch_beats_both() {
    let user = UserId::from("user-1"); // bucket 5,208
    let at = |percent: u16, ceiling: u16, enabled| {
        let split = Split {
            enabled,
            percent: Percent::from_basis_points(percent).unwrap(),
            ceiling: Percent::from_basis_points(ceiling).unwrap(),
            salt: "rollout",
        };
        let assignment = assign(&user, &split).unwrap();
        assert_eq!(assignment.bucket.get(), 5_208);
        (assignment.route, assignment.reason, assignment.percent.basis_points())
    };
    assert_eq!(at(5_209, 10_000, true), (Route::Gemini, Inside, 5_209));
    assert_eq!(at(5_208, 10_000, true), (Route::Legacy, Outside, 5_208));
    assert_eq!(at(10_000, 5_208, true), (Route::Legacy, Outside, 5_208));
    assert_eq!(at(10_000, 10_000, false), (Route::Legacy, Disabled, 10_000));
}

#[test]
fn percentages_have_at_most_two_decimals() {
    for (text, points) in [
        ("0", 0),
        ("0.01", 1),
        ("7", 700),
        ("007", 700),
        ("12.5", 1_250),
        ("12.05", 1_205),
        ("99.99", 9_999),
        ("100", 10_000),
        ("100.00", 10_000),
    ] {
        assert_eq!(text.parse(), Ok(percent(points)), "{text}");
    }
    for bad in [
        "", ".", ".5", "10.", "10.123", "-1", "+1", "100.01", "101", "656", "700", "999", "1000",
        "1e1", " 10", "10 ", "10%", "1,5", "NaN", "\u{663}", "1.2.3",
    ] {
        assert_eq!(bad.parse::<Percent>(), Err(NotPercent), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn raising_the_percentage_only_adds_users(user in ".+", a in 0..=10_000u16, b in 0..=10_000u16) {
        let user = UserId::new(user);
        let (low, high) = (percent(a.min(b)), percent(a.max(b)));
        if route(&user, low) == Route::Gemini {
            prop_assert_eq!(route(&user, high), Route::Gemini);
        }
    }

    #[test]
    fn nobody_at_zero_everybody_at_a_hundred_and_the_same_each_time(user in ".+") {
        let user = UserId::new(user);
        prop_assert_eq!(route(&user, Percent::ZERO), Route::Legacy);
        prop_assert_eq!(route(&user, Percent::FULL), Route::Gemini);
        let half = split(percent(5_000));
        prop_assert_eq!(assign(&user, &half), assign(&user, &half));
    }

    #[test]
    fn the_salted_key_is_hashed_as_one(salt in ".*", user in ".*") {
        let whole = murmur3_x86_32(format!("{salt}:{user}").as_bytes());
        prop_assert_eq!(Bucket::of(&salt, &UserId::new(user)), Bucket::from_hash(whole));
    }

    #[test]
    fn percentages_are_shown_as_they_are_read(points in 0..=10_000u16) {
        let shown = percent(points).to_string();
        prop_assert_eq!(shown.parse(), Ok(percent(points)));
    }
}
