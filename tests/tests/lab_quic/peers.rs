//! A QUIC server on a target host, whose connection ids name the host, and a client that changes its address.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nlb_tests::lab::Host;
use quinn::rustls::RootCertStore;
use quinn::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use quinn::{ClientConfig, Connection, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, ServerConfig};
use quinn::{TokioRuntime, TransportConfig};

/// The name in the servers' certificate.
const NAME: &str = "quic.test";
/// Bytes of a server id.
pub(crate) const SERVER_ID: usize = 2;
/// Bytes of a nonce.
const NONCE: usize = 6;
/// The longest message, with the server's name.
const LONGEST: usize = 256;

/// The certificate that all servers have, and its key.
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    pub(crate) fn make() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        Ok(Self { certificate: made.cert.der().clone(), key })
    }

    /// A client that trusts it.
    fn client(&self) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let mut client = ClientConfig::with_root_certificates(Arc::new(roots))?;
        client.transport_config(transport());
        Ok(client)
    }

    /// Starts a server at `address` of `host`, where a VIP may be, that answers `NAME MESSAGE` to each message. Dropping it ends
    /// it. The thread is one of a tokio runtime.
    pub(crate) fn serve(&self, host: &Host, own: IpAddr, address: SocketAddr) -> Result<Endpoint> {
        let mut server = ServerConfig::with_single_cert(vec![self.certificate.clone()], self.key.clone_key())?;
        server.transport_config(transport());
        let mut config = EndpointConfig::default();
        let id = server_id(own);
        config.cid_generator(move || Box::new(Named { id, made: 0 }));
        let socket = bind(host, address)?;
        let endpoint = Endpoint::new(config, Some(server), socket, Arc::new(TokioRuntime))?;
        let (listening, name) = (endpoint.clone(), host.name().to_owned());
        tokio::spawn(async move {
            while let Some(incoming) = listening.accept().await {
                let name = name.clone();
                // Whether a connection ends well is for the client to see.
                tokio::spawn(async move { answer(incoming.await?, &name).await });
            }
        });
        Ok(endpoint)
    }
}

async fn answer(connection: Connection, name: &str) -> Result<()> {
    loop {
        let (mut send, mut receive) = connection.accept_bi().await?;
        let message = receive.read_to_end(LONGEST).await?;
        send.write_all(&[name.as_bytes(), b" ", &message].concat()).await?;
        send.finish()?;
    }
}

/// A veth end without offloads takes no datagrams to be cut up.
fn transport() -> Arc<TransportConfig> {
    let mut transport = TransportConfig::default();
    transport.enable_segmentation_offload(false);
    Arc::new(transport)
}

/// As the edge has it of a target without a `quic_server_id`: the end of its address.
fn server_id(address: IpAddr) -> [u8; SERVER_ID] {
    match address {
        IpAddr::V4(address) => address.octets()[4 - SERVER_ID..].try_into(),
        IpAddr::V6(address) => address.octets()[16 - SERVER_ID..].try_into(),
    }
    .expect("as long as that")
}

/// Makes connection ids by draft-ietf-quic-load-balancers, configuration 0: their length, the server's id, a nonce.
struct Named {
    id: [u8; SERVER_ID],
    made: u64,
}

impl ConnectionIdGenerator for Named {
    fn generate_cid(&mut self) -> ConnectionId {
        self.made += 1;
        // Ids are for one server, and need only be different there.
        let nonce = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        let length = u8::try_from(SERVER_ID + NONCE).expect("five bits");
        ConnectionId::new(&[&[length], &self.id[..], &nonce[..NONCE]].concat())
    }

    fn cid_len(&self) -> usize {
        1 + SERVER_ID + NONCE
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// A client with one connection.
pub(crate) struct Client {
    endpoint: Endpoint,
    connection: Connection,
    said: u32,
}

impl Client {
    /// Opens a connection to `server` from that address of `host`.
    pub(crate) async fn connect(identity: &Identity, host: &Host, from: IpAddr, server: SocketAddr) -> Result<Self> {
        let socket = bind(host, (from, 0).into())?;
        let mut endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))?;
        endpoint.set_default_client_config(identity.client()?);
        let connection = endpoint.connect(server, NAME)?.await.with_context(|| format!("no connection to {server}"))?;
        Ok(Self { endpoint, connection, said: 0 })
    }

    /// Goes on from another address, and in any case from another port.
    pub(crate) fn moves_to(&self, host: &Host, address: IpAddr) -> Result<()> {
        Ok(self.endpoint.rebind(bind(host, (address, 0).into())?)?)
    }

    /// Says the next number, and gives the name of the host that says it again.
    pub(crate) async fn says(&mut self, patience: Duration) -> Result<String> {
        self.said += 1;
        let message = self.said.to_string();
        let exchange = async {
            let (mut send, mut receive) = self.connection.open_bi().await?;
            send.write_all(message.as_bytes()).await?;
            send.finish()?;
            Ok::<_, anyhow::Error>(String::from_utf8(receive.read_to_end(LONGEST).await?)?)
        };
        let answer = tokio::time::timeout(patience, exchange).await.context("no answer")??;
        let (name, echoed) = answer.split_once(' ').context("no name")?;
        ensure!(echoed == message, "{echoed} came back for {message}");
        Ok(name.to_owned())
    }
}

fn bind(host: &Host, address: SocketAddr) -> Result<UdpSocket> {
    host.inside(|| UdpSocket::bind(address))?.with_context(|| format!("cannot bind {address} on {}", host.name()))
}
