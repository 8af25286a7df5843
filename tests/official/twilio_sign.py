"""Signs requests as the provider does, with its official client.

Reads a JSON list of {"token", "url", "params"} from standard input, where params is a list of
[name, value], and writes the list of signatures. Each is checked by the client itself first.
"""

import json
import sys

from twilio.request_validator import RequestValidator


class Form(dict):
    """A form in which a name may come twice, as the client knows it from web frameworks."""

    def getall(self, name):
        return self[name]


def sign(request):
    params = Form()
    for name, value in request["params"]:
        params.setdefault(name, []).append(value)
    validator = RequestValidator(request["token"])
    signature = validator.compute_signature(request["url"], params)
    if not validator.validate(request["url"], params, signature):
        sys.exit("the client does not take its own signature")
    return signature


json.dump([sign(it) for it in json.load(sys.stdin)], sys.stdout)
