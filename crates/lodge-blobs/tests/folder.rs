//! What a folder of blobs promises: durable, deduplicated, private, and honest about damage.
#![expect(clippy::unwrap_used, clippy::string_slice, reason = "a test fails by panicking")]

use bytes::Bytes;
use lodge_blobs::FolderBlobs;
use lodge_domain::ports::{BlobError, Blobs, Clock};
use lodge_domain::{BlobRef, Timestamp};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
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

const START: i64 = 1_795_000_000;

struct House {
    _keep: TempDir,
    root: PathBuf,
    clock: Arc<Hand>,
    blobs: FolderBlobs,
}

fn house() -> House {
    let keep = tempfile::tempdir().unwrap();
    let root = keep.path().join("data/blobs");
    let clock = Arc::new(Hand(AtomicI64::new(START)));
    let blobs = FolderBlobs::open(&root, clock.clone()).unwrap();
    House { _keep: keep, root, clock, blobs }
}

impl House {
    fn later(&self, hours: i64) -> Timestamp {
        self.clock.0.fetch_add(hours * 3600, Ordering::Relaxed);
        self.clock.now()
    }

    fn place(&self, blob: &BlobRef) -> PathBuf {
        self.root.join(&blob.sha256[..2]).join(&blob.sha256[2..4]).join(&blob.sha256)
    }

    fn unfinished(&self) -> usize {
        fs::read_dir(self.root.join("tmp")).unwrap().count()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn keep_none(_: &str) -> bool {
    false
}

#[tokio::test]
async fn content_comes_back_and_is_kept_once() {
    let house = house();
    let first = house.blobs.put(Bytes::from_static(b"hello")).await.unwrap();
    assert_eq!(first.size, 5);
    assert_eq!(first.sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_eq!(house.blobs.put(Bytes::from_static(b"hello")).await.unwrap(), first);
    assert_eq!(house.blobs.read(&first).await.unwrap(), "hello");
    assert_eq!(house.unfinished(), 0);
    let empty = house.blobs.put(Bytes::new()).await.unwrap();
    assert_eq!(house.blobs.read(&empty).await.unwrap(), "");
    let other = BlobRef { sha256: "0".repeat(64), size: 1 };
    assert_eq!(house.blobs.read(&other).await, Err(BlobError::Missing));
    let path = BlobRef { sha256: "../../../../etc/passwd".to_owned(), size: 1 };
    assert_eq!(house.blobs.read(&path).await, Err(BlobError::Missing));
}

#[tokio::test]
async fn streamed_content_is_the_same_blob_and_a_dropped_writer_leaves_nothing() {
    let house = house();
    let piece = Bytes::from(vec![7_u8; 100_000]);
    let mut writer = house.blobs.begin().await.unwrap();
    for _ in 0..10 {
        writer.write(piece.clone()).await.unwrap();
    }
    assert_eq!(house.unfinished(), 1);
    let streamed = writer.finish().await.unwrap();
    assert_eq!(streamed, house.blobs.put(Bytes::from(vec![7_u8; 1_000_000])).await.unwrap());
    let mut writer = house.blobs.begin().await.unwrap();
    writer.write(Bytes::from(vec![1_u8; 500_000])).await.unwrap();
    drop(writer);
    assert_eq!(house.unfinished(), 0);
}

#[tokio::test]
async fn what_leads_a_blob_can_be_told_when_the_rest_of_it_is_there() {
    let house = house();
    let mut writer = house.blobs.begin().await.unwrap();
    for _ in 0..4 {
        writer.write(Bytes::from(vec![7_u8; 100_000])).await.unwrap();
    }
    writer.lead(Bytes::from_static(b"head")).await.unwrap();
    assert_eq!(house.unfinished(), 1);
    writer.write(Bytes::from_static(b"tail")).await.unwrap();
    let led = writer.finish().await.unwrap();
    let whole = [&b"head"[..], &[7; 400_000], b"tail"].concat();
    assert_eq!(house.blobs.read(&led).await.unwrap(), whole);
    assert_eq!((led, house.unfinished()), (house.blobs.put(Bytes::from(whole)).await.unwrap(), 0));
}

#[tokio::test]
async fn t66_folders_and_files_are_private_and_open_ones_are_refused() {
    let house = house();
    let blob = house.blobs.put(Bytes::from_static(b"private")).await.unwrap();
    let place = house.place(&blob);
    assert_eq!(mode(&place), 0o600);
    for folder in [place.parent().unwrap(), place.parent().unwrap().parent().unwrap(), &house.root] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    fs::set_permissions(&house.root, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = FolderBlobs::open(&house.root, house.clock.clone()).err().unwrap().to_string();
    assert!(refused.contains("chmod 700"), "{refused}");
}

#[tokio::test]
async fn t66_symbolic_links_are_never_followed() {
    let house = house();
    let blob = house.blobs.put(Bytes::from_static(b"linked")).await.unwrap();
    let outside = house.root.parent().unwrap().join("outside");
    fs::write(&outside, "linked").unwrap();
    fs::remove_file(house.place(&blob)).unwrap();
    symlink(&outside, house.place(&blob)).unwrap();
    assert!(matches!(house.blobs.read(&blob).await, Err(BlobError::Unavailable(_))), "read through a link");
    assert!(
        matches!(house.blobs.put("linked".into()).await, Err(BlobError::Unavailable(_))),
        "put through a link"
    );
    assert_eq!(fs::read_to_string(&outside).unwrap(), "linked");
    let link = house.root.parent().unwrap().join("link");
    symlink(&house.root, &link).unwrap();
    assert!(FolderBlobs::open(&link, house.clock.clone()).is_err(), "the folder itself is a link");
    assert_eq!(house.blobs.sweep(house.later(48), &keep_none).await.unwrap(), 0, "links are not swept");
}

#[tokio::test]
async fn a_damaged_blob_is_told_and_healed_by_the_next_put() {
    let house = house();
    let blob = house.blobs.put(Bytes::from_static(b"whole")).await.unwrap();
    for damage in ["whule", "whole and more", ""] {
        fs::write(house.place(&blob), damage).unwrap();
        assert_eq!(house.blobs.read(&blob).await, Err(BlobError::Damaged), "{damage}");
    }
    house.blobs.put(Bytes::from_static(b"whole")).await.unwrap();
    assert_eq!(house.blobs.read(&blob).await.unwrap(), "whole");
}

#[tokio::test]
async fn sweep_spares_the_young_the_used_and_what_was_put_again() {
    let house = house();
    let unused = house.blobs.put("unused".into()).await.unwrap();
    let used = house.blobs.put("used".into()).await.unwrap();
    let again = house.blobs.put("again".into()).await.unwrap();
    let before = house.later(12);
    house.blobs.put("again".into()).await.unwrap();
    let young = house.blobs.put("young".into()).await.unwrap();
    let in_use = used.sha256.clone();
    let gone = house.blobs.sweep(before, &move |hash: &str| hash == in_use).await.unwrap();
    assert_eq!(gone, 1);
    assert_eq!(house.blobs.read(&unused).await, Err(BlobError::Missing));
    for kept in [&used, &again, &young] {
        house.blobs.read(kept).await.unwrap();
    }
}

#[tokio::test]
async fn leftovers_of_a_crash_go_once_they_are_old() {
    let house = house();
    let leftover = house.root.join("tmp/0000000100000000000000ff");
    fs::write(&leftover, "half a mail").unwrap();
    fs::File::open(&leftover).unwrap().set_modified(SystemTime::from(house.clock.now())).unwrap();
    FolderBlobs::open(&house.root, house.clock.clone()).unwrap();
    assert!(leftover.exists(), "another process may be writing it");
    house.later(2);
    FolderBlobs::open(&house.root, house.clock.clone()).unwrap();
    assert!(!leftover.exists());
}

#[tokio::test]
async fn an_unusable_folder_is_told_and_works_again_by_itself() {
    let house = house();
    let staging = house.root.join("tmp");
    fs::remove_dir(&staging).unwrap();
    fs::write(&staging, "in the way").unwrap();
    let refused = house.blobs.put("text".into()).await;
    assert!(matches!(&refused, Err(BlobError::Unavailable(_))), "{refused:?}");
    assert!(house.blobs.begin().await.is_err());
    fs::remove_file(&staging).unwrap();
    fs::create_dir(&staging).unwrap();
    let blob = house.blobs.put("text".into()).await.unwrap();
    assert_eq!(house.blobs.read(&blob).await.unwrap(), "text");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn puts_and_sweeps_at_once_never_lose_what_was_promised() {
    let house = house();
    house.blobs.put("same".into()).await.unwrap();
    let before = house.later(1);
    for _ in 0..50 {
        let sweeping = house.blobs.clone();
        let sweep = tokio::spawn(async move { sweeping.sweep(before, &keep_none).await.unwrap() });
        let blob = house.blobs.put("same".into()).await.unwrap();
        sweep.await.unwrap();
        house.blobs.read(&blob).await.unwrap();
        let file = fs::File::open(house.place(&blob)).unwrap();
        file.set_modified(SystemTime::from(Timestamp::from_second(START).unwrap())).unwrap();
    }
}

/// Runs in a process of its own, in the folder to use, with the fail point set; see below.
#[tokio::test]
#[ignore = "the child process of c29_a_crash_after_the_blob_leaves_an_orphan_at_most"]
async fn c29_child() {
    let clock = Arc::new(Hand(AtomicI64::new(START)));
    let blobs = FolderBlobs::open(std::env::current_dir().unwrap().join("blobs"), clock).unwrap();
    blobs.put("before the crash".into()).await.unwrap();
    panic!("the fail point did not fire");
}

#[tokio::test]
async fn c29_a_crash_after_the_blob_leaves_an_orphan_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "c29_child"])
        .env("LODGE_FAILPOINTS", "c29-blob-written=exit")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(child.status.code().is_none(), "ended by itself: {child:?}");
    let clock = Arc::new(Hand(AtomicI64::new(START)));
    let blobs = FolderBlobs::open(folder.path().join("blobs"), clock.clone()).unwrap();
    assert_eq!(blobs.put("before the crash".into()).await.unwrap().size, 16);
    clock.0.fetch_add(25 * 3600, Ordering::Relaxed);
    assert_eq!(blobs.sweep(clock.now(), &keep_none).await.unwrap(), 1);
}
