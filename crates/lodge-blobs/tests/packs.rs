//! What is put together shares a file, and is kept, found, swept and guarded as if it did not.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test fails by panicking")]

use bytes::Bytes;
use lodge_blobs::FolderBlobs;
use lodge_domain::ports::{BlobError, Blobs, Clock};
use lodge_domain::{BlobRef, Timestamp};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;
use tempfile::TempDir;

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }
}

struct House {
    _keep: TempDir,
    root: PathBuf,
    clock: Arc<Hand>,
    blobs: FolderBlobs,
}

fn house() -> House {
    let keep = tempfile::tempdir().unwrap();
    let root = keep.path().join("blobs");
    let clock = Arc::new(Hand(AtomicI64::new(1_795_000_000)));
    let blobs = FolderBlobs::open(&root, clock.clone()).unwrap();
    House { _keep: keep, root, clock, blobs }
}

impl House {
    fn later(&self, hours: i64) -> Timestamp {
        self.clock.0.fetch_add(hours * 3600, Ordering::Relaxed);
        self.clock.now()
    }

    fn packs(&self) -> Vec<PathBuf> {
        fs::read_dir(self.root.join("packs")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    fn loose(&self, blob: &BlobRef) -> PathBuf {
        self.root.join(&blob.sha256[..2]).join(&blob.sha256[2..4]).join(&blob.sha256)
    }

    async fn reads(&self, blobs: &[BlobRef]) -> Vec<bool> {
        let mut answers = Vec::new();
        for blob in blobs {
            answers.push(self.blobs.read(blob).await.is_ok());
        }
        answers
    }
}

fn contents(name: &str, count: usize) -> Vec<Bytes> {
    (0..count).map(|number| Bytes::from(format!("{name} {number}"))).collect()
}

#[tokio::test]
async fn many_small_ones_share_a_private_file_and_come_back_in_order() {
    let house = house();
    let mut all = contents("mail", 10);
    all.push(Bytes::new());
    all.push(all[3].clone());
    let big = Bytes::from(vec![7; 1024 * 1024 + 1]);
    all.insert(5, big.clone());
    let blobs = house.blobs.put_all(all.clone()).await.unwrap();
    assert_eq!(blobs.len(), all.len());
    for (blob, content) in blobs.iter().zip(&all) {
        assert_eq!(
            (house.blobs.read(blob).await.unwrap(), blob.size),
            (content.clone(), content.len() as u64)
        );
        assert_eq!(house.loose(blob).exists(), *content == big, "only the big one lies alone");
    }
    let packs = house.packs();
    assert_eq!((packs.len(), fs::read_dir(house.root.join("tmp")).unwrap().count()), (1, 0));
    assert_eq!(fs::metadata(&packs[0]).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(house.root.join("packs")).unwrap().permissions().mode() & 0o777, 0o700);
    // The same again, as after a crash before anything referred to it: the same file again.
    assert_eq!(house.blobs.put_all(all).await.unwrap(), blobs);
    assert_eq!(house.packs().len(), 1);
    let unknown = BlobRef { sha256: "0".repeat(64), size: 1 };
    assert_eq!(house.blobs.read(&unknown).await, Err(BlobError::Missing));
}

#[tokio::test]
async fn few_get_files_of_their_own() {
    let house = house();
    let blobs = house.blobs.put_all(contents("mail", 7)).await.unwrap();
    assert!(house.packs().is_empty() && blobs.iter().all(|blob| house.loose(blob).is_file()));
    assert_eq!(house.reads(&blobs).await, [true; 7]);
}

#[tokio::test]
async fn others_who_share_the_folder_find_what_is_put_later() {
    let house = house();
    let other = FolderBlobs::open(&house.root, house.clock.clone()).unwrap();
    for name in ["first", "second"] {
        let blobs = house.blobs.put_all(contents(name, 9)).await.unwrap();
        assert_eq!(other.read(&blobs[4]).await.unwrap(), format!("{name} 4"));
    }
    let before = house.later(25);
    let kept = house.blobs.put_all(contents("third", 9)).await.unwrap();
    assert_eq!(other.sweep(before, &|_| false).await.unwrap(), 18);
    assert_eq!(house.reads(&kept).await, [true; 9]);
}

#[tokio::test]
async fn sweep_takes_the_unused_out_of_a_pack_and_dates_nothing_anew() {
    let house = house();
    let blobs = house.blobs.put_all(contents("mail", 8)).await.unwrap();
    assert_eq!(house.reads(&blobs).await, [true; 8]);
    let before = house.later(25);
    let used = blobs[2].sha256.clone();
    assert_eq!(house.blobs.sweep(before, &move |hash: &str| hash == used).await.unwrap(), 7);
    let third_alone: Vec<bool> = (0..8).map(|number| number == 2).collect();
    assert_eq!(house.reads(&blobs).await, third_alone);
    assert!(fs::read(&house.packs()[0]).unwrap().ends_with(b"mail 2"));
    assert_eq!((house.packs().len(), fs::metadata(&house.packs()[0]).unwrap().len()), (1, 16 + 48 + 6));
    // What was put again meanwhile stays, and keeps nothing else.
    let young = house.blobs.put_all(contents("mail", 9)).await.unwrap();
    assert_eq!(house.blobs.sweep(before, &|_| false).await.unwrap(), 1);
    assert_eq!((house.reads(&young).await, house.packs().len()), (vec![true; 9], 1));
    assert_eq!(house.blobs.sweep(house.later(1), &|_| false).await.unwrap(), 9);
    assert!(house.packs().is_empty());
}

#[tokio::test]
async fn what_is_left_of_a_pack_does_not_age_what_was_put_again() {
    let house = house();
    house.blobs.put_all(contents("mail", 9)).await.unwrap();
    let before = house.later(25);
    let again = house.blobs.put_all(contents("mail", 8)).await.unwrap();
    let used: Vec<String> = again.iter().map(|blob| blob.sha256.clone()).collect();
    assert_eq!(
        house.blobs.sweep(before, &move |hash: &str| used.contains(&hash.to_owned())).await.unwrap(),
        1
    );
    assert_eq!(house.packs().len(), 1, "both are the same pack now");
    assert_eq!(house.blobs.sweep(before, &|_| false).await.unwrap(), 0);
    assert_eq!(house.reads(&again).await, [true; 8]);
}

#[tokio::test]
async fn a_damaged_pack_is_told_and_healed_by_the_next_put() {
    let house = house();
    let all = contents("mail", 8);
    let blobs = house.blobs.put_all(all.clone()).await.unwrap();
    assert_eq!(house.reads(&blobs).await, [true; 8]);
    let pack = house.packs().remove(0);
    let good = fs::read(&pack).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for (damage, whole) in [(flipped.as_slice(), 7), (&good[..good.len() - 1], 0), (b"".as_slice(), 0)] {
        fs::write(&pack, damage).unwrap();
        let mut found = 0;
        for blob in &blobs {
            match house.blobs.read(blob).await {
                Ok(_) => found += 1,
                Err(error) => assert_eq!(error, BlobError::Damaged),
            }
        }
        assert_eq!(found, whole);
    }
    house.blobs.put_all(all.clone()).await.unwrap();
    assert_eq!(house.reads(&blobs).await, [true; 8]);
    fs::write(&pack, "no pack").unwrap();
    fs::File::open(&pack).unwrap().set_modified(SystemTime::from(house.clock.now())).unwrap();
    assert_eq!(house.blobs.sweep(house.later(25), &|_| true).await.unwrap(), 0);
    assert!(house.packs().is_empty(), "what nobody can read goes when its time has come");
    house.blobs.put_all(all).await.unwrap();
    assert_eq!(house.reads(&blobs).await, [true; 8]);
}

#[tokio::test]
async fn t66_links_among_packs_are_never_followed() {
    let house = house();
    let blobs = house.blobs.put_all(contents("mail", 8)).await.unwrap();
    assert_eq!(house.reads(&blobs).await, [true; 8]);
    let (pack, outside) = (house.packs().remove(0), house.root.parent().unwrap().join("outside"));
    fs::rename(&pack, &outside).unwrap();
    symlink(&outside, &pack).unwrap();
    assert!(
        matches!(house.blobs.read(&blobs[0]).await, Err(BlobError::Unavailable(_))),
        "read through a link"
    );
    assert_eq!(house.blobs.sweep(house.later(48), &|_| false).await.unwrap(), 0, "links are not swept");
    assert!(outside.exists());
    fs::remove_dir_all(house.root.join("packs")).unwrap();
    symlink(outside.parent().unwrap(), house.root.join("packs")).unwrap();
    assert!(FolderBlobs::open(&house.root, house.clock.clone()).is_err(), "the folder of packs is a link");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn puts_and_sweeps_at_once_never_lose_what_was_promised() {
    let house = house();
    house.blobs.put_all(contents("same", 8)).await.unwrap();
    for _ in 0..30 {
        // What lies there is old enough to go; what is put at this moment is not.
        let (before, sweeping) = (house.later(1), house.blobs.clone());
        let half = |hash: &str| hash.starts_with(|first: char| first < '8');
        let sweep = tokio::spawn(async move { sweeping.sweep(before, &half).await.unwrap() });
        let blobs = house.blobs.put_all(contents("same", 8)).await.unwrap();
        sweep.await.unwrap();
        assert_eq!(house.reads(&blobs).await, [true; 8]);
    }
}

/// Runs in a process of its own, in the folder to use, with the fail point set; see below.
#[tokio::test]
#[ignore = "the child process of c29_a_crash_after_a_pack_leaves_orphans_at_most"]
async fn c29_child() {
    let clock = Arc::new(Hand(AtomicI64::new(1_795_000_000)));
    let blobs = FolderBlobs::open(std::env::current_dir().unwrap().join("blobs"), clock).unwrap();
    blobs.put_all(contents("before the crash", 9)).await.unwrap();
    panic!("the fail point did not fire");
}

#[tokio::test]
async fn c29_a_crash_after_a_pack_leaves_orphans_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "c29_child"])
        .env("LODGE_FAILPOINTS", "c29-blob-written=exit")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(child.status.code().is_none(), "ended by itself: {child:?}");
    let clock = Arc::new(Hand(AtomicI64::new(1_795_000_000)));
    let blobs = FolderBlobs::open(folder.path().join("blobs"), clock.clone()).unwrap();
    let again = blobs.put_all(contents("before the crash", 9)).await.unwrap();
    assert_eq!(blobs.read(&again[8]).await.unwrap(), "before the crash 8");
    clock.0.fetch_add(25 * 3600, Ordering::Relaxed);
    assert_eq!(blobs.sweep(clock.now(), &|_| false).await.unwrap(), 9);
}
