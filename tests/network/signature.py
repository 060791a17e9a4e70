"""Whether a request is signed as S3 wants it (API reference, "Signature Calculations"), which moto does not look at."""

import hashlib
import hmac
import urllib.parse

SECRET = "test"


def fits(request):
    kind, _, rest = request.header("authorization").partition(" ")
    fields = dict(field.strip().split("=", 1) for field in rest.split(","))
    _, *scope = fields["Credential"].split("/")
    lines = [kind, request.header("x-amz-date"), "/".join(scope), digest(canonical(request, fields["SignedHeaders"]))]
    key = f"AWS4{SECRET}".encode()
    for part in scope:
        key = keyed(key, part)
    return keyed(key, "\n".join(lines)).hex() == fields["Signature"]


def canonical(request, names):
    """The request as both sides have to write it down."""
    path, _, query = request.target.partition("?")
    pairs = sorted((encoded(name, ""), encoded(value, "")) for name, value in urllib.parse.parse_qsl(query, True))
    headers = [f"{name}:{request.header(name).strip()}" for name in names.split(";")]
    # A path is taken as it is: neither slashes nor dots are put in order.
    lines = [request.method, encoded(urllib.parse.unquote(path), "/"), "&".join("=".join(pair) for pair in pairs)]
    return "\n".join([*lines, *headers, "", names, request.header("x-amz-content-sha256")])


def encoded(text, safe):
    return urllib.parse.quote(text, safe=f"-_.~{safe}")


def keyed(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()
