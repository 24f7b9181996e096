//! What only a store in a file can get wrong: being opened, closed, killed, full, and used by many.
#![expect(clippy::unwrap_used, reason = "test code: a broken expectation must panic")]

use lodge_domain::ports::{Housekeeping, Ledger, Lookup, StoreError, WorkQueue};
use lodge_domain::{BrandName, EnvelopeId, Lane, Placement, Settlement};
use lodge_store_embedded::{EmbeddedStore, OpenError, Options};
use lodge_testkit::samples::sample_time;
use lodge_testkit::{ManualClock, SeededEntropy, sample_contact};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

fn options() -> Options {
    Options {
        clock: Arc::new(ManualClock::new()),
        entropy: Arc::new(SeededEntropy::new(1)),
        synchronous_off_for_scratch: false,
        queue: 64,
        run_lock: false,
    }
}

fn open(folder: &Path) -> Arc<EmbeddedStore> {
    EmbeddedStore::open(folder, options()).unwrap()
}

#[tokio::test]
async fn what_was_accepted_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("made/when/missing");
    let store = open(&place);
    let first = store.accept(vec![sample_contact().candidate(sample_time())]).await.unwrap().remove(0);
    drop(store);
    assert!(!place.join("lodge.sqlite-wal").exists(), "a clean stop leaves one file");
    let store = open(&place);
    let again = store.accept(vec![sample_contact().candidate(sample_time())]).await.unwrap().remove(0);
    assert_eq!((again.placement, again.envelope), (Placement::Duplicate, first.envelope));
    let claims = store.claim(&Lane::Triage, 10, Duration::from_secs(1)).await.unwrap();
    assert_eq!(claims.len(), 1);
    assert!(store.check().await.unwrap().contains("power cut"));
}

#[cfg(unix)]
#[tokio::test]
async fn the_folder_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let open_to_all = folder.path().join("open");
    std::fs::create_dir(&open_to_all).unwrap();
    std::fs::set_permissions(&open_to_all, std::fs::Permissions::from_mode(0o755)).unwrap();
    for place in [folder.path().join("new"), open_to_all] {
        drop(open(&place));
        assert_eq!(mode(&place), 0o700);
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let file = folder.path().join("lodge.sqlite");
    let db = rusqlite::Connection::open(&file).unwrap();
    db.pragma_update(None, "user_version", 7).unwrap();
    drop(db);
    let before = std::fs::read(&file).unwrap();
    let error = EmbeddedStore::open(folder.path(), options()).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 7, known: 2 }), "{error}");
    assert!(error.to_string().contains("run the newer version"));
    assert!(std::fs::read(&file).unwrap() == before, "not a byte was changed");
}

#[tokio::test]
async fn one_gateway_runs_on_a_folder_and_commands_work_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let running = || EmbeddedStore::open(folder.path(), Options { run_lock: true, ..options() });
    let first = running().unwrap();
    let error = running().err().unwrap();
    assert!(matches!(&error, OpenError::Locked(path) if path == folder.path()), "{error}");
    let command = open(folder.path());
    command.accept(vec![sample_contact().candidate(sample_time())]).await.unwrap();
    assert_eq!(first.counts().await.unwrap().envelopes, 1);
    drop(first);
    drop(running().unwrap());
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lodge.sqlite");
    std::fs::write(&file, "this is a letter to the editor, and no database at all").unwrap();
    assert!(matches!(EmbeddedStore::open(folder.path(), options()), Err(OpenError::Sqlite(_))));
    assert_eq!(std::fs::read(&file).unwrap().len(), 54);
}

/// The writer is held back by a transaction of another process; who finds the queue full is told so at once.
#[tokio::test]
async fn e_too_many_callers_are_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(folder.path(), Options { queue: 4, ..options() }).unwrap();
    let other = rusqlite::Connection::open(folder.path().join("lodge.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let accept = |number: u32| {
        let (store, contact) = (Arc::clone(&store), sample_contact().id(&format!("<{number}@b>")));
        tokio::spawn(async move { store.accept(vec![contact.candidate(sample_time())]).await })
    };
    let calls: Vec<_> = (0..20).map(accept).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    other.execute_batch("ROLLBACK").unwrap();
    let (mut accepted, mut busy) = (0, 0);
    for call in calls {
        match call.await.unwrap() {
            Ok(receipts) => accepted += receipts.len(),
            Err(StoreError::Busy) => busy += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!((4..=9).contains(&accepted), "at most five under way and four in the queue: {accepted}");
    assert_eq!(accepted + busy, 20);
    assert_eq!(store.counts().await.unwrap().envelopes, accepted as u64, "refused means nothing written");
}

/// A request that cannot be written is answered alone; what shares its commit is written.
#[tokio::test]
async fn one_refused_request_spoils_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let first = store.accept(vec![sample_contact().candidate(sample_time())]).await.unwrap().remove(0);
    let other = rusqlite::Connection::open(folder.path().join("lodge.sqlite")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let calls: Vec<_> = (0..20u32)
        .map(|number| {
            let mut candidate = sample_contact().id(&format!("<{number}@b>")).candidate(sample_time());
            if number % 5 == 2 {
                candidate.references = vec![first.reference.clone()];
            }
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.accept(vec![candidate]).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    other.execute_batch("ROLLBACK").unwrap();
    for (number, call) in calls.into_iter().enumerate() {
        assert_eq!(call.await.unwrap().is_ok(), number % 5 != 2, "{number}");
    }
    assert_eq!(store.counts().await.unwrap().envelopes, 17);
}

/// The role of this test binary that ends at a fail point: one contact after the other, accepted and triaged.
#[test]
fn child_works_until_a_fail_point() {
    let Some(folder) = std::env::var_os("LODGE_TEST_STEPS") else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(Path::new(&folder));
        for number in 0u32..9 {
            store.accept(vec![numbered(number).candidate(sample_time())]).await.unwrap();
            let claims = store.claim(&Lane::Triage, 9, Duration::from_secs(60)).await.unwrap();
            let settled = claims.into_iter().map(|claim| (claim, Settlement::Done, Vec::new()));
            store.settle(settled.collect()).await.unwrap();
        }
    });
}

fn numbered(number: u32) -> lodge_testkit::SampleContact {
    sample_contact().id(&format!("<{number}@b>"))
}

/// C2, C7, C20, C25: the process ends right before and right after the third commit of a kind. What is there afterwards
/// is that commit whole or not at all, and repeating the call completes it.
#[tokio::test]
async fn c2_c7_c20_c25_a_commit_is_there_whole_or_not_at_all() {
    let points = [
        // Fail point, envelopes afterwards, work afterwards.
        ("c2-accept-before-commit", 2, 0),
        ("c7-accept-after-commit", 3, 1),
        ("c25-settle-before-commit", 3, 1),
        ("c20-settle-after-commit", 3, 0),
    ];
    for (point, envelopes, depth) in points {
        let folder = tempfile::tempdir().unwrap();
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_works_until_a_fail_point"])
            .env("LODGE_TEST_STEPS", folder.path())
            .env("LODGE_FAILPOINTS", format!("{point}=3*exit"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert_eq!(ended.code(), None, "{point}: it was ended by a signal");
        let store = open(folder.path());
        let counts = store.counts().await.unwrap();
        assert_eq!(counts.envelopes, envelopes, "{point}");
        assert_eq!(counts.lanes.iter().map(|lane| lane.depth).sum::<u64>(), depth, "{point}");
        let again = store.accept(vec![numbered(2).candidate(sample_time())]).await.unwrap().remove(0);
        let expected = if envelopes == 2 { Placement::New } else { Placement::Duplicate };
        assert_eq!(again.placement, expected, "{point}");
        assert_eq!(store.counts().await.unwrap().envelopes, 3, "{point}");
    }
}

/// The role of this test binary that is killed: accepts as fast as it can and names what was confirmed.
#[test]
fn child_accepts_until_killed() {
    let Some(folder) = std::env::var_os("LODGE_TEST_FOLDER") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(Path::new(&folder));
        let process = std::process::id();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8u32 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                for number in 0u32.. {
                    let contact = sample_contact().id(&format!("<{task}-{number}-{process}@b>"));
                    let receipts = store.accept(vec![contact.candidate(sample_time())]).await.unwrap();
                    let line = format!("confirmed {}\n", receipts[0].envelope);
                    std::io::stderr().lock().write_all(line.as_bytes()).unwrap();
                }
            });
        }
        tasks.join_all().await;
    });
}

/// C7, kill -9: every confirmed contact is there afterwards, whole, and its repetition is a duplicate.
#[tokio::test]
async fn c7_killed_while_accepting_loses_nothing_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_accepts_until_killed", "--nocapture"])
            .env("LODGE_TEST_FOLDER", folder.path())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut confirmed: Vec<String> = lines.by_ref().take(200).map(Result::unwrap).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        confirmed.extend(lines.map_while(Result::ok));
        let store = open(folder.path());
        for line in &confirmed {
            let Some(id) = line.strip_prefix("confirmed ").and_then(EnvelopeId::parse) else { continue };
            let found = store.find(&BrandName::unbranded(), Lookup::Envelope(id)).await.unwrap();
            assert_eq!(found.len(), 1, "round {round}: {line}");
        }
        assert!(confirmed.len() >= 200);
        let counts = store.counts().await.unwrap();
        assert_eq!(counts.lanes[0].depth, counts.envelopes, "I4: each is work, and nothing else is");
    }
}
