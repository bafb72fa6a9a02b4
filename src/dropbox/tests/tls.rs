//! TLS: a further certificate authority is trusted where the settings name it, and nowhere else. The keys below are of no
//! use but for this test; they are valid for a hundred years from 2026.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

#[tokio::test]
async fn a_further_certificate_authority_is_trusted_only_where_the_settings_name_it() {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a configuration")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let url: url::Url = format!("https://{}", listener.local_addr().expect("bound")).parse().expect("a URL");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let n = stream.read(&mut request).await.expect("a request");
            assert!(request[..n].starts_with(b"POST /2/files/list_folder/longpoll HTTP/1.1\r\n"));
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"changes\":true}";
            stream.write_all(answer.as_bytes()).await.expect("sent");
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, AUTHORITY).expect("written");

    let server = Server::start(|_| None).await;
    let named = Settings { notify_url: url, ca_file: Some(ca_file), ..settings(&server) };
    let unnamed = Settings { ca_file: None, ..named.clone() };
    let ring = Client::new(named).expect("a client").longpoll("AAG", Duration::ZERO).await;
    assert!(ring.expect("trusted").changes);
    let err = Client::new(unnamed).expect("a client").longpoll("AAG", Duration::ZERO).await.expect_err("not trusted");
    assert_eq!(err.kind, UNAVAILABLE);
    assert!(err.message.contains("certificate"), "{err}");
}

const AUTHORITY: &str = "
-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIUXmx2XpHeUAmH08QkMSQjfGne0RowCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRZHJvcHRyYWlsIHRlc3QgQ0EwIBcNMjYxMTIyMDYyNzE2WhgP
MjEyNjEwMjkwNjI3MTZaMBwxGjAYBgNVBAMMEWRyb3B0cmFpbCB0ZXN0IENBMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEx9j8kvfOuusaEBiToizDCHpDRuN4JyyD
yN2i1kyVOXTOjpiEYVk9qpek9hHXl+QlP5s/perCdizMA7FRvZ7A0KNTMFEwHQYD
VR0OBBYEFAHDLcdcCMLs2+EbKjzbrY/QEq5AMB8GA1UdIwQYMBaAFAHDLcdcCMLs
2+EbKjzbrY/QEq5AMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg
EkYT2FBWGhqpY7Q4MXnDJMw3aisi7sz7JIWTc3y7+MACIQDvip0uPAvNj1wrsC29
RQ7zHSMVRChQxr7JonSpjmhSjA==
-----END CERTIFICATE-----
";

const CERTIFICATE: &str = "
-----BEGIN CERTIFICATE-----
MIIBnDCCAUOgAwIBAgIURiTlqTBn1Y9WrZ9AX/wf966JzokwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRZHJvcHRyYWlsIHRlc3QgQ0EwIBcNMjYxMTIyMDYyNzQ0WhgP
MjEyNjEwMjkwNjI3NDRaMBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABKf2WSkneXglK6uoVpKBKUTVxzoCpPjPB+y6QxNkJYFG
1ek7VXhvgjDsdmmGJfCU08utgL3596CpHbi98NG+GeGjaTBnMBoGA1UdEQQTMBGC
CWxvY2FsaG9zdIcEfwAAATAJBgNVHRMEAjAAMB0GA1UdDgQWBBS3Dcll7k1waBpr
bZEI3goJZzAWdDAfBgNVHSMEGDAWgBQBwy3HXAjC7NvhGyo8262P0BKuQDAKBggq
hkjOPQQDAgNHADBEAiAzMpEK0kBpYhT+KvzQ1hw9XTkAfD5m5n2t7GWx3CzblQIg
JteG4eYOxo7AjP47PU1Zyt+AVvEVTLtpBgrm39loXLg=
-----END CERTIFICATE-----
";

const KEY: &str = "
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgzkEEN/h1RzA1lJoX
3q8fY7SEbD1WqN8gLA863ptf8SShRANCAASn9lkpJ3l4JSurqFaSgSlE1cc6AqT4
zwfsukMTZCWBRtXpO1V4b4Iw7HZphiXwlNPLrYC9+fegqR24vfDRvhnh
-----END PRIVATE KEY-----
";
