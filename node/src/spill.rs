//! Where flows wait that memory has no room for: one temporary file without a name, gone with the
//! process whatever happens to it.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    sync::{Mutex, PoisonError},
};

use flowlore_analyzer::{intake::Spill, limits::BUCKETS};

/// Chunks of all buckets in the order in which they came, and where each bucket's are.
#[derive(Debug)]
pub struct TemporaryFile(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Made when first needed: most analyses need none.
    file: Option<File>,
    end: u64,
    /// (offset, bytes) of each chunk, by bucket.
    chunks: Vec<Vec<(u64, usize)>>,
}

impl Default for TemporaryFile {
    fn default() -> Self {
        Self(Mutex::new(State { file: None, end: 0, chunks: vec![Vec::new(); BUCKETS] }))
    }
}

impl Spill for TemporaryFile {
    fn append(&self, bucket: usize, chunk: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = state.end;
        let file = match &mut state.file {
            Some(file) => file,
            none => {
                let folder = std::env::temp_dir();
                let file = tempfile::tempfile_in(&folder).map_err(|error| {
                    let what =
                        format!("{}: {error}; set TMPDIR to a folder with room", folder.display());
                    io::Error::new(error.kind(), what)
                })?;
                none.insert(file)
            }
        };
        file.seek(SeekFrom::Start(end))?;
        file.write_all(chunk)?;
        state.end += chunk.len() as u64;
        state.chunks[bucket].push((end, chunk.len()));
        Ok(())
    }

    fn read(&self, bucket: usize) -> io::Result<Vec<Vec<u8>>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let chunks = std::mem::take(&mut state.chunks[bucket]);
        let Some(file) = &mut state.file else { return Ok(Vec::new()) };
        let read = |(offset, bytes): (u64, usize)| {
            let mut chunk = vec![0; bytes];
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(&mut chunk)?;
            Ok(chunk)
        };
        chunks.into_iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_come_back_to_their_buckets() {
        let spill = TemporaryFile::default();
        assert!(spill.read(0).unwrap().is_empty(), "no file was needed");
        for (bucket, chunk) in [(0, "a"), (255, "bb"), (0, "ccc"), (255, "")] {
            spill.append(bucket, chunk.as_bytes()).unwrap();
        }
        assert_eq!(spill.read(0).unwrap(), [b"a".to_vec(), b"ccc".to_vec()]);
        assert_eq!(spill.read(255).unwrap(), [b"bb".to_vec(), Vec::new()]);
        assert!(spill.read(7).unwrap().is_empty());
    }
}
