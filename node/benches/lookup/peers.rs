//! What look-ups stand beside: a call of the same service that looks nothing up, and Redis.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use flowlore_node::config::LocalAddress;
use flowlore_node::limits::MESSAGE_BYTES_MAX;
use flowlore_node::listen::LocalPort;
use flowlore_node::rpc::client::connect;
use flowlore_node::rpc::ports::limited;
use flowlore_proto::v1;
use flowlore_proto::v1::reputation_service_client::ReputationServiceClient;
use flowlore_proto::v1::reputation_service_server::{ReputationService, ReputationServiceServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic::codec::CompressionEncoding::Gzip;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// Answers the same to anything.
struct Fixed(Vec<v1::Answers>);

#[tonic::async_trait]
impl ReputationService for Fixed {
    type LookupStream = tokio_stream::Iter<std::vec::IntoIter<Result<v1::Answers, Status>>>;

    async fn lookup(
        &self,
        _: Request<v1::LookupRequest>,
    ) -> Result<Response<Self::LookupStream>, Status> {
        let answers: Vec<_> = self.0.iter().cloned().map(Ok).collect();
        Ok(Response::new(tokio_stream::iter(answers)))
    }
}

/// A client of a server that gives these answers, none for an empty call, and has all that the node's local port has,
/// connections and their options, HTTP/2 settings, bounds of messages, compression offered, except: calls are neither
/// checked nor counted, and nothing is looked up.
pub(crate) async fn fixed(answers: Vec<v1::Answers>) -> ReputationServiceClient<Channel> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = LocalAddress::Tcp(listener.local_addr().unwrap());
    let service = ReputationServiceServer::new(Fixed(answers))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
        .accept_compressed(Gzip)
        .send_compressed(Gzip);
    let server = limited().add_service(service);
    tokio::spawn(server.serve_with_incoming(LocalPort::Tcp(listener).accept()));
    let channel = connect(&address).await.unwrap();
    ReputationServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// A Redis server that ends with the bench.
pub(crate) struct Redis {
    server: Child,
    port: u16,
    value: String,
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Redis {
    /// With a value for each name; `None` where redis-server is not installed.
    pub(crate) async fn start(names: &[String], value_bytes: usize) -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = format!("--port {port} --bind 127.0.0.1 --save  --appendonly no");
        let server = Command::new("redis-server")
            .args(arguments.split(' '))
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        let redis = Self { server, port, value: "x".repeat(value_bytes) };
        let up = async {
            loop {
                match TcpStream::connect(redis.address()).await {
                    Ok(stream) => break stream,
                    Err(_) => tokio::task::yield_now().await,
                }
            }
        };
        let mut stream = tokio::time::timeout(Duration::from_secs(10), up).await.unwrap();
        for name in names {
            stream.write_all(&command(&["SET", name, &redis.value])).await.unwrap();
            stream.read_exact(&mut [0; 5]).await.unwrap();
        }
        Some(redis)
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub(crate) fn process(&self) -> u32 {
        self.server.id()
    }

    /// Connections, each with room for the reply to so many names: every value has one length, so every reply has.
    pub(crate) async fn callers(&self, count: usize, size: usize) -> Vec<(TcpStream, Vec<u8>)> {
        let one = format!("${}\r\n{}\r\n", self.value.len(), self.value).len();
        let mut callers = vec![];
        for _ in 0..count {
            let stream = TcpStream::connect(self.address()).await.unwrap();
            stream.set_nodelay(true).unwrap();
            callers.push((stream, vec![0; format!("*{size}\r\n").len() + size * one]));
        }
        callers
    }
}

/// MGET of names.
pub(crate) fn mget(names: &[String]) -> Vec<u8> {
    let names = names.iter().map(String::as_str);
    command(&std::iter::once("MGET").chain(names).collect::<Vec<_>>())
}

pub(crate) async fn ask_redis(
    (mut stream, mut reply): (TcpStream, Vec<u8>),
    command: Vec<u8>,
) -> (TcpStream, Vec<u8>) {
    stream.write_all(&command).await.unwrap();
    stream.read_exact(&mut reply).await.unwrap();
    assert!(reply.ends_with(b"x\r\n"));
    (stream, reply)
}

/// A command as Redis reads it (RESP: an array of bulk strings).
fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}
