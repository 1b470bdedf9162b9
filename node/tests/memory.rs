//! Goal: no node's memory holds another org's share of the evaluation key, or the whole key. Method: three nodes as
//! processes that dealt, fetched and used their shares; their writable memory is read where it lies and searched for
//! the scalars, raw and in hex. Control: the same search finds each node's own share.
//!
//! The dealer is searched right after it dealt, too, and after a restart.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod running;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use aho_corasick::AhoCorasick;
use curve25519_dalek::scalar::Scalar;
use flowlore_node::folder::Folder;
use flowlore_node::peer::joining;
use flowlore_node::rpc::client::{Local, StatusResponse};
use running::{PATIENCE, make};

/// Bytes read at a time.
const PIECE: usize = 1 << 20;

/// A node in a process of its own, ended when dropped.
struct Process {
    dir: PathBuf,
    child: Child,
}

impl Process {
    fn start(dir: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_flowlore-node"))
            .args(["run", "--until-stdin-closes", "--dir"])
            .arg(dir)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Self { dir: dir.to_owned(), child: child.unwrap() }
    }

    async fn until(&self, what: &str, holds: impl Fn(&StatusResponse) -> bool) -> Local {
        let wait = async {
            loop {
                if let Ok(mut local) = Local::connect(&self.dir).await
                    && let Ok(status) = local.status().await
                    && holds(&status)
                {
                    return local;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"))
    }

    async fn up(&self) -> Local {
        self.until("is up", |_| true).await
    }

    /// Its share of the key, as it lies on its disk: number and scalar.
    fn share(&self) -> (u16, [u8; 32]) {
        let bytes = std::fs::read(self.dir.join("keys/oprf-share")).unwrap();
        let number = u16::from_be_bytes([bytes[0], bytes[1]]);
        (number, bytes[6..].try_into().unwrap())
    }

    /// Which of the scalars are found in its writable memory, and how many bytes that is.
    fn holds(&self, scalars: &[[u8; 32]]) -> (Vec<bool>, u64) {
        let forms: Vec<Vec<u8>> = scalars
            .iter()
            .flat_map(|scalar| [scalar.to_vec(), hex::encode(scalar).into_bytes()])
            .collect();
        let longest = forms.iter().map(Vec::len).max().unwrap();
        let search = AhoCorasick::new(&forms).unwrap();
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let maps = std::fs::read_to_string(process.join("maps")).unwrap();
        let mut memory = File::open(process.join("mem")).unwrap();
        let (mut found, mut searched) = (vec![false; scalars.len()], 0);
        let mut piece = vec![0; PIECE];
        for region in maps.lines().filter_map(writable) {
            let mut at = region.start;
            while at < region.end {
                let length = usize::try_from(region.end - at).unwrap().min(PIECE);
                // A region may have gone since it was listed.
                if memory.seek(SeekFrom::Start(at)).is_err()
                    || memory.read_exact(&mut piece[..length]).is_err()
                {
                    break;
                }
                searched += length as u64;
                for hit in search.find_overlapping_iter(&piece[..length]) {
                    found[hit.pattern().as_usize() / 2] = true;
                }
                // What lies across the edge of two pieces is in the next one whole.
                let step = if length == PIECE { PIECE - longest } else { length };
                at += step as u64;
            }
        }
        piece.fill(0);
        (found, searched)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The range of a line of `maps` that the process writes to.
fn writable(line: &str) -> Option<std::ops::Range<u64>> {
    let mut words = line.split_whitespace();
    let (range, flags) = (words.next()?, words.next()?);
    let (start, end) = range.split_once('-')?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    flags.starts_with("rw").then_some(address(start)?..address(end)?)
}

/// The key of which two shares are given: Lagrange's interpolation at 0.
fn whole((i, one): (u16, [u8; 32]), (j, other): (u16, [u8; 32])) -> [u8; 32] {
    let [i, j] = [i, j].map(Scalar::from);
    let [one, other] = [one, other].map(Scalar::from_bytes_mod_order);
    (one * j * (j - i).invert() + other * i * (i - j).invert()).to_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_holds_anothers_share_or_the_whole_key() {
    let root = tempfile::tempdir().unwrap();
    let dirs = ["A", "B", "C"].map(|name| make(root.path(), name, name == "A"));
    let a = Process::start(&dirs[0]);
    let mut governor = a.up().await;
    let mut others = vec![];
    for (dir, name, endorsers) in [(&dirs[1], "B", vec![]), (&dirs[2], "C", vec!["B".to_owned()])] {
        let line = governor.invite().await.unwrap();
        joining::ask(&Folder::open(dir).unwrap(), &line).unwrap();
        others.push(Process::start(dir));
        let asks = |status: &StatusResponse| status.applicants.iter().any(|who| who.name == name);
        a.until("asks", asks).await.approve(name, &endorsers).await.unwrap();
        others.last().unwrap().up().await;
    }
    let [b, c]: [Process; 2] = others.try_into().ok().unwrap();
    governor.keygen(2, 3).await.unwrap();
    let has_share = |status: &StatusResponse| {
        status.keys.as_ref().is_some_and(|keys| keys.share_here && keys.threshold == 2)
    };
    for node in [&a, &b, &c] {
        node.until("holds its share", has_share).await;
    }
    let erased = || !a.dir.join("keys/dealt").exists();
    a.until("the dealer erased what was taken", |_| erased()).await;
    let shares = [&a, &b, &c].map(Process::share);
    let key = whole(shares[0], shares[1]);
    assert_eq!(key, whole(shares[1], shares[2]), "any two shares give the key");

    let scalars = [shares[0].1, shares[1].1, shares[2].1, key];
    let (found, searched) = a.holds(&scalars);
    println!("A, the dealer: {searched} bytes; shares of A, B, C, the whole key: {found:?}");
    assert_eq!(found, [true, false, false, false], "the dealer, not restarted");

    // Restarted, it knows its own share, too. Then every node's share is used.
    drop(a);
    let a = Process::start(&dirs[0]);
    a.until("is up again", has_share).await;
    for (node, name) in [(&a, "one.example"), (&b, "two.example"), (&c, "three.example")] {
        node.up().await.call_malicious(name, "").await.unwrap();
    }
    for node in [&a, &b, &c] {
        for name in ["one.example", "two.example", "three.example"] {
            node.up().await.lookup(name).await.unwrap();
        }
    }
    for (at, (node, name)) in [(&a, "A"), (&b, "B"), (&c, "C")].into_iter().enumerate() {
        let (found, searched) = node.holds(&scalars);
        println!("{name}: {searched} bytes; shares of A, B, C, the whole key: {found:?}");
        assert!(searched > 1 << 20, "a process has more memory than that");
        let expected: Vec<_> = (0..scalars.len()).map(|scalar| scalar == at).collect();
        assert_eq!(found, expected, "{name} holds its own share, and nothing else");
    }
}
