use std::{path::PathBuf, sync::Arc};

use exoclaw_gateway::{BindError, GatewayConfig, TlsConfig, TlsError};
use exoclaw_protocol::Secret;
use rcgen::{CertificateParams, CertifiedKey, Issuer, KeyPair};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    chat::in_two_parts,
    support::{PATIENCE, TOKEN, World},
};

struct Files {
    folder: TempDir,
    config: TlsConfig,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let config = TlsConfig { cert: file("cert.pem"), key: file("key.pem"), client_ca: None };
        let files = Self { folder, config };
        files.renew();
        files
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new certificate, put in place of the old one.
    fn renew(&self) -> Vec<u8> {
        let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        for (path, text) in [(&self.config.key, signing_key.serialize_pem()), (&self.config.cert, cert.pem())] {
            let new = self.file("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, path).unwrap();
        }
        cert.der().to_vec()
    }

    async fn world(&self) -> World {
        self.world_with(None).await
    }

    async fn world_with(&self, own_socket: Option<PathBuf>) -> World {
        let config = GatewayConfig::new(([127, 0, 0, 1], 0).into()).with_token(Secret::new(TOKEN));
        World::with(GatewayConfig { tls: Some(self.config.clone()), own_socket, ..config }).await
    }
}

/// Connects and trusts this certificate alone.
async fn connect(
    world: &World,
    trusted: &[u8],
    client: Option<&CertifiedKey<KeyPair>>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(trusted.to_vec().into()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let key = rustls::pki_types::PrivatePkcs8KeyDer::from(client.signing_key.serialize_der());
            builder.with_client_auth_cert(vec![client.cert.der().clone()], key.into()).unwrap()
        }
    };
    let stream = TcpStream::connect(world.addr).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// The status of `/livez`.
async fn livez(mut stream: TlsStream<TcpStream>) -> std::io::Result<String> {
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn pages_and_sockets_are_served_over_tls_alone() {
    let files = Files::new();
    let trusted = files.renew();
    let world = files.world().await;
    assert_eq!(livez(connect(&world, &trusted, None).await.unwrap()).await.unwrap(), "HTTP/1.1 200 OK");
    let bearer = format!("Bearer {TOKEN}");
    let stream = connect(&world, &trusted, None).await.unwrap();
    let mut socket =
        world.upgrade_over(stream, &[("authorization", &bearer)]).await.unwrap_or_else(|_| panic!("refused"));
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(socket.ask(ping).await["id"], 1);
    assert!(world.link.starts_with("https://"), "{}", world.link);
    assert_eq!(world.get("/livez").await.status(), 0, "without TLS there is no answer");
}

#[tokio::test]
async fn a_new_certificate_is_used_and_a_broken_one_is_not() {
    let files = Files::new();
    let old = files.renew();
    let world = files.world().await;
    let held = connect(&world, &old, None).await.unwrap();
    std::fs::write(files.file("new"), "no certificate").unwrap();
    // Longer than it takes to notice, and the old one is still there.
    let new = files.renew();
    let renewed = async { while connect(&world, &new, None).await.is_err() {} };
    tokio::time::timeout(PATIENCE, renewed).await.expect("the new certificate");
    assert!(connect(&world, &old, None).await.is_err());
    assert_eq!(livez(held).await.unwrap(), "HTTP/1.1 200 OK", "connections go on");

    std::fs::write(&files.config.cert, "no certificate").unwrap();
    let later = tokio::time::Instant::now() + std::time::Duration::from_secs(3);
    while tokio::time::Instant::now() < later {
        connect(&world, &new, None).await.unwrap();
    }
}

/// Those who are here stay until their runs have ended and are told why they have to go, whichever way they came.
#[tokio::test]
async fn while_it_stops_nobody_new_comes_in_over_tls_or_the_own_socket() {
    let files = Files::new();
    let (trusted, own_socket) = (files.renew(), files.file("gateway.sock"));
    let world = files.world_with(Some(own_socket.clone())).await;
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let over_tls = async || {
        let stream = connect(&world, &trusted, None).await.unwrap();
        world.upgrade_over(stream, &headers).await
    };
    let over_unix = async || {
        let stream = UnixStream::connect(&own_socket).await.unwrap();
        world.upgrade_over(stream, &[]).await
    };
    let (answer, go_on) = in_two_parts();
    world.script.answer(answer);
    let mut here = over_tls().await.unwrap_or_else(|status| panic!("refused: {status}"));
    let mut own = over_unix().await.unwrap_or_else(|status| panic!("refused: {status}"));
    here.send("main", "hi").await;
    here.events_until("delta").await;

    let knock = async {
        while world.runtime.ready().is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!((over_tls().await.err(), over_unix().await.err()), (Some(503), Some(503)));
        assert_eq!(here.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await["id"], 1);
        go_on.send(()).unwrap();
        here.events_until("final").await;
        [here.closed().await.0, own.closed().await.0]
    };
    let (stopped, closed) = tokio::join!(world.runtime.shutdown(PATIENCE), knock);
    assert_eq!(closed, [1012, 1012]);
    assert!(stopped, "nothing had to be torn down");
    world.served.await.unwrap();
}

#[tokio::test]
async fn only_clients_with_a_certificate_of_ours_come_in() {
    let mut files = Files::new();
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let signing_key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["client".to_owned()]).unwrap().signed_by(&signing_key, &issuer).unwrap();
    let client = CertifiedKey { cert, signing_key };
    let stranger = rcgen::generate_simple_self_signed(["client".to_owned()]).unwrap();
    let path = files.file("clients.pem");
    std::fs::write(&path, authority.pem()).unwrap();
    files.config.client_ca = Some(path);
    let trusted = files.renew();
    let config = GatewayConfig::new(([127, 0, 0, 1], 0).into()).with_token(Secret::new(TOKEN));
    let world = World::recording(
        GatewayConfig { tls: Some(files.config.clone()), ..config },
        crate::audit::trail(&files.folder),
    );
    let world = world.await;
    let outcome = async |client| livez(connect(&world, &trusted, client).await?).await;
    assert_eq!(outcome(Some(&client)).await.unwrap(), "HTTP/1.1 200 OK");
    assert!(outcome(None).await.is_err());
    assert!(outcome(Some(&stranger)).await.is_err());
    // Hands that shake on nothing are not worth a record.
    drop(TcpStream::connect(world.addr).await.unwrap());
    assert!(world.runtime.shutdown(PATIENCE).await);
    world.runtime.audit().close();
    assert_eq!(
        crate::audit::told(files.folder.path()),
        [
            "authentication client certificate refused - 127.0.0.1 -: no certificate",
            "authentication client certificate refused - 127.0.0.1 -: of no authority of ours, or not valid",
        ]
    );
}

#[tokio::test]
async fn certificates_that_can_not_be_used_are_named() {
    let files = Files::new();
    let (runtime, _, _) = crate::support::runtime(Arc::new(exoclaw_store::MemoryStore::new())).await;
    let bind = async |tls: TlsConfig| {
        let config = GatewayConfig::new(([127, 0, 0, 1], 0).into()).with_token(Secret::new(TOKEN));
        let config = GatewayConfig { tls: Some(tls), ..config };
        let bound = exoclaw_gateway::Gateway::bind(config, runtime.clone(), Arc::new(exoclaw_gateway::NoAssets)).await;
        match bound.unwrap_err() {
            BindError::Tls(error) => error,
            error => panic!("{error}"),
        }
    };
    let good = files.config.clone();
    let absent = bind(TlsConfig { cert: files.file("absent"), ..good.clone() }).await;
    assert!(matches!(absent, TlsError::File { what: "certificate", .. }), "{absent}");
    let swapped = bind(TlsConfig { cert: good.key.clone(), key: good.cert.clone(), client_ca: None }).await;
    assert!(matches!(swapped, TlsError::File { .. }), "{swapped}");
    let other = Files::new();
    let foreign = bind(TlsConfig { key: other.config.key.clone(), ..good }).await;
    assert!(matches!(foreign, TlsError::Unfit { .. }), "{foreign}");
}
