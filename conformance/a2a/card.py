"""What the official Python SDK makes of signed cards. It reads one JSON object, `key` (a JWK) and `cards`, and prints for each card whether one
of its signatures verifies with that key, as a client is told by `signature_verifier`.

With `sign` among the members of the object it first signs that card with the (private) key, and prints it.
"""

import json
import sys

from a2a.client.card_resolver import parse_agent_card
from a2a.utils.signing import SignatureVerificationError, create_agent_card_signer, create_signature_verifier
from google.protobuf.json_format import MessageToDict
from jwt import PyJWK


def verdict(verify, card):
    try:
        verify(parse_agent_card(card))
        return "verified"
    except SignatureVerificationError as error:
        return type(error).__name__


def main():
    asked = json.load(sys.stdin)
    key = PyJWK(asked["key"], algorithm="ES256")
    if "sign" in asked:
        sign = create_agent_card_signer(key, {"kid": asked["key"]["kid"], "alg": "ES256", "jku": None, "typ": "JOSE"})
        print(json.dumps(MessageToDict(sign(parse_agent_card(asked["sign"])))))
        return
    verify = create_signature_verifier(lambda _kid, _jku: key, ["ES256"])
    print(json.dumps([verdict(verify, card) for card in asked["cards"]]))


if __name__ == "__main__":
    main()
