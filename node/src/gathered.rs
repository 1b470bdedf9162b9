//! A connection on which small writes wait for the next large one, or for the flush. Where a stream takes several
//! buffers in one call to the system, HTTP/2 (h2) sends every frame of more than 256 bytes by a call of its own. Where
//! it does not, frames of up to 1,024 bytes go together, answers to many calls in one write, but the head of a larger
//! frame goes alone. Here both go together.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that wait at most: more than the start of a large frame, which has 1,033 bytes.
const WAITING_BYTES_MAX: usize = 2_048;

/// See above.
#[derive(Debug)]
pub(crate) struct Gathered<S> {
    stream: S,
    waiting: Vec<u8>,
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    pub(crate) const fn new(stream: S) -> Self {
        Self { stream, waiting: vec![] }
    }

    /// Writes what waits, together with what comes after it; how much of that.
    fn poll_waiting(&mut self, cx: &mut Context<'_>, after: &[u8]) -> Poll<io::Result<usize>> {
        while !self.waiting.is_empty() {
            let both = [IoSlice::new(&self.waiting), IoSlice::new(after)];
            let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &both))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_waiting = written.min(self.waiting.len());
            self.waiting.drain(..of_waiting);
            if written > of_waiting {
                return Poll::Ready(Ok(written - of_waiting));
            }
        }
        Poll::Ready(Ok(0))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.waiting.len() + bytes.len() <= WAITING_BYTES_MAX {
            self.waiting.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        match ready!(self.poll_waiting(cx, bytes))? {
            0 => Pin::new(&mut self.stream).poll_write(cx, bytes),
            written => Poll::Ready(Ok(written)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx, &[]))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_waiting(cx, &[]))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Takes a few bytes at a time, and counts how often.
    #[derive(Default)]
    struct Sink {
        taken: Vec<u8>,
        calls: usize,
        most: usize,
    }

    impl AsyncWrite for Sink {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }
        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
            let taken = all.len().min(self.most);
            self.taken.extend_from_slice(&all[..taken]);
            self.calls += 1;
            Poll::Ready(Ok(taken))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn write(most: usize, sizes: &[usize]) -> (Sink, Vec<u8>) {
        let mut gathered = Gathered::new(Sink { most, ..Sink::default() });
        let mut all = vec![];
        for (size, byte) in sizes.iter().zip(0..) {
            let bytes = vec![byte; *size];
            gathered.write_all(&bytes).await.unwrap();
            all.extend(bytes);
        }
        gathered.flush().await.unwrap();
        (gathered.stream, all)
    }

    #[tokio::test]
    async fn small_writes_go_with_what_follows_and_nothing_is_lost() {
        let (sink, all) = write(usize::MAX, &[1_033, 15_351, 1_033, 15_351]).await;
        assert_eq!((sink.calls, sink.taken), (2, all), "a frame is one write");
        let (sink, all) = write(usize::MAX, &[9, 300, 9, 300]).await;
        assert_eq!((sink.calls, sink.taken), (1, all), "gone with the flush");
        for most in [1, 7, 1_000, 1_033, 1_034, 5_000] {
            let (sink, all) = write(most, &[1_033, 4_000, 0, 2_048, 1, 3_000, 2_049, 5]).await;
            assert_eq!(sink.taken, all, "{most} at a time");
        }
        let mut gathered = Gathered::new(Sink { most: 0, ..Sink::default() });
        gathered.write_all(&[1]).await.unwrap();
        assert_eq!(gathered.flush().await.unwrap_err().kind(), io::ErrorKind::WriteZero);
    }

    #[tokio::test]
    async fn the_end_comes_after_what_waits() {
        let (one, mut other) = tokio::io::duplex(64);
        let mut gathered = Gathered::new(one);
        gathered.write_all(b"last words").await.unwrap();
        gathered.shutdown().await.unwrap();
        let mut read = String::new();
        other.read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "last words");
    }
}
