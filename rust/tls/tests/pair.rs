//! Two connections and the bytes between them: no Python, no sockets.

use iso15118_tls::{
    alert_name, ClientCertificate, Connection, Context, Identity, Kind, Refusal, RefusalAlert,
    Role, Settings, Version,
};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::x509::{X509Builder, X509Name, X509NameBuilder};

const SUITES: [&str; 2] = ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

fn p521() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::SECP521R1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn ed448() -> PKey<Private> {
    PKey::generate_ed448().unwrap()
}

fn name(text: &str) -> X509Name {
    let mut builder = X509NameBuilder::new().unwrap();
    builder.append_entry_by_text("CN", text).unwrap();
    builder.build()
}

/// A certificate (DER) for `key`, signed by `signer`.
fn certificate(
    subject: &str,
    issuer: &str,
    key: &PKey<Private>,
    signer: &PKey<Private>,
) -> Vec<u8> {
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder
        .set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap())
        .unwrap();
    builder.set_subject_name(&name(subject)).unwrap();
    builder.set_issuer_name(&name(issuer)).unwrap();
    builder
        .set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    builder
        .set_not_after(&Asn1Time::days_from_now(1).unwrap())
        .unwrap();
    builder.set_pubkey(key).unwrap();
    let digest = if signer.id() == Id::EC {
        MessageDigest::sha512()
    } else {
        MessageDigest::null()
    };
    builder.sign(signer, digest).unwrap();
    builder.build().to_der().unwrap()
}

/// Root and identity of one end.
fn party(who: &str, make: fn() -> PKey<Private>) -> (Vec<u8>, Identity) {
    let (root_key, key) = (make(), make());
    let root_name = format!("{who} root");
    let root = certificate(&root_name, &root_name, &root_key, &root_key);
    let leaf = certificate(who, &root_name, &key, &root_key);
    (
        root,
        Identity::new(&[leaf], &key.private_key_to_pkcs8().unwrap(), None).unwrap(),
    )
}

fn settings(role: Role, identities: Vec<Identity>, authorities: Vec<Vec<u8>>) -> Settings {
    let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    Settings {
        role,
        min_version: Version::Tls13,
        max_version: Version::Tls13,
        cipher_suites: owned(&SUITES),
        groups: owned(&["secp521r1", "x448"]),
        signature_schemes: owned(&["ecdsa_secp521r1_sha512", "ed448"]),
        client_certificate: ClientCertificate::Required,
        identities,
        authorities,
        named_authority_required: true,
        status_request: true,
        max_fragment_length: None,
        older: None,
        trusted_ca_keys: None,
        trusted_ca_choice: None,
        staples: None,
        keylog: false,
        check: Some(Box::new(|_| Ok(None))),
    }
}

/// Settings of a car and of a station that trust each other.
fn pair(make: fn() -> PKey<Private>) -> (Settings, Settings) {
    let (car_root, car) = party("car", make);
    let (station_root, station) = party("station", make);
    (
        settings(Role::Client, vec![car], vec![station_root]),
        settings(Role::Server, vec![station], vec![car_root]),
    )
}

fn ends(client: Settings, server: Settings) -> (Connection, Connection) {
    let client = Connection::new(&Context::new(client).unwrap()).unwrap();
    (
        client,
        Connection::new(&Context::new(server).unwrap()).unwrap(),
    )
}

fn take(connection: &mut Connection) -> Vec<u8> {
    let data = connection.outgoing().to_vec();
    connection.clear_outgoing();
    data
}

/// Carry bytes until there are none; errors stay in the connections.
fn carry(client: &mut Connection, server: &mut Connection) {
    loop {
        let (forth, back) = (take(client), take(server));
        if forth.is_empty() && back.is_empty() {
            return;
        }
        let _ = server.receive(&forth, &mut Vec::new());
        let _ = client.receive(&back, &mut Vec::new());
    }
}

#[test]
fn both_kinds_of_key_agree_on_the_profile() {
    for (make, scheme) in [
        (p521 as fn() -> PKey<Private>, "ecdsa_secp521r1_sha512"),
        (ed448, "ed448"),
    ] {
        let (client, server) = pair(make);
        let (mut client, mut server) = ends(client, server);
        carry(&mut client, &mut server);
        for end in [&client, &server] {
            let info = end.info().unwrap();
            assert_eq!(
                (info.version.as_str(), info.cipher.as_str()),
                ("TLSv1.3", SUITES[0])
            );
            assert_eq!(info.group, "secp521r1");
            assert_eq!(
                (info.signature.as_deref(), info.peer_signature.as_deref()),
                (Some(scheme), Some(scheme))
            );
            assert_eq!((info.peer_chain.len(), info.peer_authorities.len()), (1, 1));
        }
        let mut plaintext = Vec::new();
        client.write(b"energy").unwrap();
        let record = take(&mut client);
        for byte in &record {
            server
                .receive(std::slice::from_ref(byte), &mut plaintext)
                .unwrap();
        }
        assert_eq!(plaintext, b"energy");
    }
}

#[test]
fn a_refusal_reaches_the_peer_by_its_name_and_lasts() {
    let (client, mut server) = pair(p521);
    server.check = Some(Box::new(|peer| {
        assert_eq!(peer.chain.len(), 1);
        Err(Refusal {
            alert: RefusalAlert::CertificateExpired,
            reason: "too old".to_owned(),
        })
    }));
    let (mut client, mut server) = ends(client, server);
    carry(&mut client, &mut server);
    assert_eq!(server.alert_sent().as_deref(), Some("certificate_expired"));
    assert_eq!(
        client.alert_received().as_deref(),
        Some("certificate_expired")
    );
    assert!(server.info().is_none());
    let error = server.receive(b"", &mut Vec::new()).unwrap_err();
    assert_eq!(
        (error.kind, error.reason.as_str(), error.alert.as_str()),
        (Kind::Protocol, "too old", "certificate_expired")
    );
    assert_eq!(server.write(b"x").unwrap_err(), error);
    assert_eq!(server.end_of_stream().unwrap_err(), error);
}

#[test]
fn a_check_that_panics_accepts_nobody() {
    let (client, mut server) = pair(p521);
    server.check = Some(Box::new(|_| panic!("on purpose")));
    let (mut client, mut server) = ends(client, server);
    carry(&mut client, &mut server);
    assert_eq!(client.alert_received().as_deref(), Some("internal_error"));
    assert!(server.info().is_none());
}

#[test]
fn what_cannot_be_enforced_is_an_error() {
    let broken: [fn(&mut Settings); 8] = [
        |s| s.groups.push("no_such_group".to_owned()),
        |s| s.groups = vec!["?x25519".to_owned()],
        |s| s.cipher_suites.push("TLS_NO_SUCH_SUITE".to_owned()),
        |s| s.cipher_suites.clear(),
        |s| s.signature_schemes.push("no_such_scheme".to_owned()),
        |s| s.check = None,
        |s| s.identities.clear(),
        |s| s.max_fragment_length = Some(1000),
    ];
    for change in broken {
        let (_, mut server) = pair(p521);
        change(&mut server);
        assert_eq!(
            Context::new(server).err().map(|e| e.kind),
            Some(Kind::Configuration)
        );
    }
}

#[test]
fn a_client_without_certificate_is_refused_unless_the_profile_allows_it() {
    for (rule, accepted) in [
        (ClientCertificate::Required, false),
        (ClientCertificate::Optional, true),
    ] {
        let (mut client, mut server) = pair(p521);
        client.identities.clear();
        server.client_certificate = rule;
        let (mut client, mut server) = ends(client, server);
        carry(&mut client, &mut server);
        assert_eq!(server.info().is_some(), accepted);
        assert_eq!(
            client.alert_received().as_deref() == Some("certificate_required"),
            !accepted
        );
    }
}

#[test]
fn the_named_root_decides_which_chain_is_shown() {
    let (car_root, _) = party("car", p521);
    let (first_root, first) = party("first", p521);
    let (second_root, second) = party("second", p521);
    let station =
        Context::new(settings(Role::Server, vec![first, second], vec![car_root])).unwrap();
    for root in [first_root, second_root] {
        let (_, car) = party("car", p521);
        let mut client = Connection::new(
            &Context::new(settings(Role::Client, vec![car], vec![root.clone()])).unwrap(),
        )
        .unwrap();
        let mut server = Connection::new(&station).unwrap();
        carry(&mut client, &mut server);
        let shown = openssl::x509::X509::from_der(&client.info().unwrap().peer_chain[0]).unwrap();
        let wanted = openssl::x509::X509::from_der(&root).unwrap();
        assert_eq!(
            shown.issuer_name().to_der().unwrap(),
            wanted.subject_name().to_der().unwrap()
        );
    }
    let (other_root, other) = party("other", p521);
    let mut client = Connection::new(
        &Context::new(settings(Role::Client, vec![other], vec![other_root])).unwrap(),
    )
    .unwrap();
    let mut server = Connection::new(&station).unwrap();
    carry(&mut client, &mut server);
    assert_eq!(
        client.alert_received().as_deref(),
        Some("handshake_failure")
    );
}

#[test]
fn closing_is_told_from_being_cut_off() {
    let (client, server) = pair(p521);
    let (mut client, mut server) = ends(client, server);
    assert_eq!(client.write(b"x").unwrap_err().kind, Kind::Misuse);
    carry(&mut client, &mut server);
    client.close();
    let last = take(&mut client);
    server.receive(&last, &mut Vec::new()).unwrap();
    assert!(server.peer_closed());
    server.end_of_stream().unwrap();
    assert_eq!(client.end_of_stream().unwrap_err().kind, Kind::Truncated);
    assert_eq!(client.write(b"x").unwrap_err().kind, Kind::Truncated);
}

#[test]
fn keys_are_logged_on_request_only() {
    let (mut client, server) = pair(p521);
    client.keylog = true;
    let (mut client, mut server) = ends(client, server);
    carry(&mut client, &mut server);
    assert!(client
        .take_keylog()
        .iter()
        .any(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 ")));
    assert!(server.take_keylog().is_empty());
}

#[test]
fn an_encrypted_key_needs_its_passphrase_and_never_asks_for_it() {
    let key = p521();
    let leaf = certificate("car", "root", &key, &key);
    let pem = key
        .private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_256_cbc(), b"open")
        .unwrap();
    let chain = [leaf];
    assert!(Identity::new(&chain, &pem, Some(b"open")).is_ok());
    assert!(Identity::new(&chain, &pem, Some(b"wrong")).is_err());
    assert!(Identity::new(&chain, &pem, None).is_err());
    assert!(Identity::new(&[], &pem, Some(b"open")).is_err());
}

#[test]
fn alerts_have_names() {
    assert_eq!(alert_name(48), "unknown_ca");
    assert_eq!(alert_name(200), "alert_200");
    assert_eq!(
        RefusalAlert::from_name("unknown_ca"),
        Some(RefusalAlert::UnknownCa)
    );
    assert_eq!(RefusalAlert::from_name("close_notify"), None);
}
