"""A client of the SPIFFE Workload API by the packages spiffe and spiffe-tls. It prints one JSON object a line and ends when its standard
input does.

    fetch AUDIENCE    X.509-SVID, JWT-SVID and bundles, each verified
    watch             every update of the X.509 context and of the bundles
    serve ID          mutual TLS on a free port, for the peer with this SPIFFE ID
    dial ADDRESS ID   mutual TLS to the peer with this SPIFFE ID
"""

import json
import os
import re
import socket
import sys
import threading

from cryptography import x509


def say(**what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def domains_of(bundles):
    return sorted(bundle.trust_domain.name for bundle in bundles)


def code_of(error):
    """The gRPC code that an error of the client came from."""
    while error is not None:
        code = getattr(error, "code", None)
        if callable(code):
            return code().name
        named = re.search(r"StatusCode\.(\w+)", str(error))
        if named:
            return named.group(1)
        error = error.__cause__ or error.__context__
    return "none"


def fetch(audience):
    from spiffe import JwtSvid, SpiffeId, WorkloadApiClient

    with_client = WorkloadApiClient()
    context = with_client.fetch_x509_context()
    svid = context.default_svid
    keys = with_client.fetch_jwt_bundles()
    token = with_client.fetch_jwt_svid({audience})
    parsed = JwtSvid.parse_and_validate(token.token, keys.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain), {audience})
    validated = with_client.validate_jwt_svid(token.token, audience)
    say(
        event="fetched",
        id=str(svid.spiffe_id),
        domains=domains_of(context.x509_bundle_set.bundles),
        jwt=str(parsed.spiffe_id),
        validated=str(validated.spiffe_id),
        otherAudience=refused(lambda: with_client.validate_jwt_svid(token.token, audience + "/other")),
        otherSubject=refused(lambda: with_client.fetch_jwt_svid({audience}, SpiffeId("spiffe://test.example/agent/nobody"))),
    )
    with_client.close()


def refused(call):
    try:
        call()
    except Exception as error:  # what the package raises is its own affair; the code below it is ours
        return code_of(error)
    return "OK"


def watch():
    from spiffe import WorkloadApiClient

    client = WorkloadApiClient()
    client.stream_x509_contexts(
        lambda context: say(
            event="x509",
            id=str(context.default_svid.spiffe_id),
            serial=format(context.default_svid.leaf.serial_number, "x"),
            domains=domains_of(context.x509_bundle_set.bundles),
        ),
        lambda error: say(event="x509-error", code=code_of(error)),
        retry_connect=False,
    )
    client.stream_jwt_bundles(
        lambda bundles: say(event="jwt-bundles", domains=domains_of(bundles.bundles)),
        lambda error: say(event="jwt-bundles-error", code=code_of(error)),
        retry_connect=False,
    )
    threading.Event().wait()


def certificate_of(connection):
    return connection.get_peer_certificate().to_cryptography()


def id_of(certificate):
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)[0]


def serve(expected):
    from OpenSSL import SSL
    from spiffe import SpiffeId, X509Source
    from spiffetls.context import create_ssl_context
    from spiffetls.tlsconfig.authorize import authorize_id

    source = X509Source()
    source.subscribe_for_updates(lambda: say(event="updated"))
    authorize = authorize_id(SpiffeId(expected))
    listener = socket.create_server(("127.0.0.1", 0))
    say(event="listening", address="127.0.0.1:%d" % listener.getsockname()[1])
    while True:
        accepted, _ = listener.accept()
        # a context for each connection: one that has made a connection does not take the SVID of a rotation
        context = create_ssl_context(
            SSL.TLS_SERVER_METHOD, source, authorize, SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, False
        )
        connection = SSL.Connection(context, accepted)
        connection.set_accept_state()
        try:
            connection.do_handshake()
            said = connection.recv(100)
            connection.sendall(b"heard " + said)
            say(event="served", peer=id_of(certificate_of(connection)))
            connection.shutdown()
        except Exception:
            say(event="refused")
        finally:
            connection.close()


def dial(address, expected):
    from spiffe import SpiffeId, X509Source
    from spiffetls import dial as connect
    from spiffetls.tlsconfig.authorize import authorize_id

    source = X509Source()
    connection = connect(address, source, authorize_fn=authorize_id(SpiffeId(expected)))
    connection.sendall(b"python\n")
    certificate = certificate_of(connection)
    serial = format(certificate.serial_number, "x")
    say(event="dialled", peer=id_of(certificate), serial=serial, heard=connection.recv(100).decode())
    connection.close()
    source.close()


def main(mode, *arguments):
    try:
        {"fetch": fetch, "watch": watch, "serve": serve, "dial": dial}[mode](*arguments)
    except Exception as error:
        say(event="error", code=code_of(error), message=str(error))
        os._exit(1)


def end_with_input():
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    main(*sys.argv[1:])
    os._exit(0)
