"""The security header by bare gRPC, with no code made for the Workload API: prints one JSON object, case -> status code.

    headers.py SOCKET    `unix:///path`
"""

import json
import sys

import grpc

NAME = "workload.spiffe.io"
CASES = {
    "none": (),
    "True": ((NAME, "True"),),
    "TRUE": ((NAME, "TRUE"),),
    "empty": ((NAME, ""),),
    "true ": ((NAME, "true,"),),
    "twice": ((NAME, "true"), (NAME, "true")),
    "true": ((NAME, "true"),),
}


def call(channel, method, metadata, request=b""):
    """The status of the first message of a stream; every message of ours is empty or made by hand."""
    stream = channel.unary_stream("/SpiffeWorkloadAPI/" + method)(request, metadata=metadata, timeout=20)
    try:
        next(iter(stream))
        stream.cancel()
        return "OK"
    except grpc.RpcError as error:
        return error.code().name


def main(socket):
    channel = grpc.insecure_channel(socket.replace("unix://", "unix:"))
    found = {name: call(channel, "FetchX509SVID", metadata) for name, metadata in CASES.items()}
    for method in ("FetchX509Bundles", "FetchJWTBundles", "FetchWITSVID", "FetchWITBundles"):
        found[method] = call(channel, method, CASES["true"])
        found[method + " without"] = call(channel, method, ())
    for method, request in (("FetchJWTSVID", b"\n\x02me"), ("ValidateJWTSVID", b"\n\x02me\x12\x01x")):
        found[method] = call(channel, method, CASES["true"], request)
        found[method + " without"] = call(channel, method, (), request)
        found[method + " empty"] = call(channel, method, CASES["true"])
    found["large"] = call(channel, "FetchJWTSVID", CASES["true"], b"\x12\x80\x80\x08" + b"x" * 131072)
    channel.close()
    print(json.dumps({"grpc": grpc.__version__, "found": found}))


main(sys.argv[1])
