//! A disk without room.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use dn_core::api::Problem;

use super::{root, stage};

const LIMIT: Duration = Duration::from_secs(30);

/// A small file system in memory. Dropping it takes it away.
struct Disk(PathBuf);

impl Disk {
    /// `None` where the test may not mount anything.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs"]).arg(at);
        let is_mounted = mount.output().is_ok_and(|said| said.status.success());
        is_mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The sequencer may still have files open there.
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "a test that tries nothing says so")]
async fn fault_04_a_full_disk_refuses_work_and_heals_by_itself() {
    let folder = root().join("fault-04-disk");
    let Some(disk) = Disk::mount(&folder) else {
        eprintln!("skipped: mounting a small disk takes root");
        return;
    };
    let database = format!("sqlite://{}", disk.0.join("sequencer.db").display());
    let mut stage = stage("fault-04", |options| options.database = Some(database)).await;
    for _ in 0..4 {
        stage.submit().await.unwrap();
    }
    let pid = |stage: &dn_e2e::Stage| {
        stage.devnet.processes().into_iter().find(|(name, _)| *name == "sequencer").unwrap().1
    };
    let before = pid(&stage);
    let filler = disk.0.join("filler");
    let full = std::fs::write(&filler, vec![0; 8 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);

    let url = format!("{}/v1/tasks", stage.devnet.url);
    let mut refused = None;
    for nonce in 1_000..1_400 {
        let task = stage.user.order(&stage.image(nonce), nonce).unwrap();
        let answer = reqwest::Client::new().post(&url).json(&task).send().await.unwrap();
        if answer.status().as_u16() != 202 {
            refused = Some(answer);
            break;
        }
        // Room for it was left in the log.
        let taken: dn_core::api::TaskView = answer.json().await.unwrap();
        stage.sent.push(taken.task_id);
    }
    let refused = refused.unwrap();
    assert_eq!(refused.status().as_u16(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<Problem>().await.unwrap().code, "storage_unavailable");

    std::fs::remove_file(&filler).unwrap();
    stage.ready(LIMIT).await.unwrap();
    stage.settles().await.unwrap();
    stage.all_paid_once().await.unwrap();
    assert_eq!(pid(&stage), before, "the process is the same");
}
