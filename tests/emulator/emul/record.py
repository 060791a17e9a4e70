"""Who called what: every request to an emulated service, with the access key that signed it.

Lambdas sign with their function's name and the state machine with `state-machine`, so a test can hold what each calls against
what its role allows. An entry is what IAM would be asked: an action and the resource.
"""

import io
import json
import re
import urllib.parse

CALLS = []
CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")


# What a list is of, by what its request asks for.
LISTS = {"versions": "ListBucketVersions", "uploads": "ListBucketMultipartUploads"}


def recorder(app):
    def recorded(environ, start_response):
        signed = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        if not signed or signed[1] == "test":
            return app(environ, start_response)
        caller, _, service = signed.groups()
        calls = s3_calls(environ) if service == "s3" else api_calls(service, environ)

        def start(status, headers, exc_info=None):
            CALLS.extend({"caller": caller, "status": int(status.split()[0]), **call} for call in calls)
            return start_response(status, headers, exc_info)

        return app(environ, start)

    return recorded


def s3_calls(environ):
    bucket, _, key = environ["PATH_INFO"].lstrip("/").encode("latin-1").decode().partition("/")
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    method, source = environ["REQUEST_METHOD"], environ.get("HTTP_X_AMZ_COPY_SOURCE")
    arn = f"arn:aws:s3:::{bucket}/{key}"
    if not key and "notification" in query:
        return [{"action": f"s3:{method.capitalize()}BucketNotification", "resource": arn.rstrip("/")}]
    if not key:
        listed = next((LISTS[name] for name in LISTS if name in query), "ListBucket")
        return [
            {
                "action": f"s3:{listed if method in ('GET', 'HEAD') else method}",
                "resource": arn.rstrip("/"),
                "context": {"s3:prefix": query["prefix"][0]} if "prefix" in query else {},
            }
        ]
    version = "Version" if "versionId" in query else ""
    if method == "DELETE":
        deleted = f"s3:DeleteObject{version}"
        # Under a condition that it is as it was seen (S3 guide, conditional-delete-enforce).
        seen = [{"action": "s3:GetObject", "resource": arn}] if "HTTP_IF_MATCH" in environ else []
        return [{"action": "s3:AbortMultipartUpload" if "uploadId" in query else deleted, "resource": arn}, *seen]
    if method in ("GET", "HEAD"):
        return [{"action": f"s3:GetObject{version}", "resource": arn}]
    read = (
        [{"action": "s3:GetObject", "resource": f"arn:aws:s3:::{urllib.parse.unquote(source).lstrip('/')}"}]
        if source
        else []
    )
    return [{"action": "s3:PutObject", "resource": arn}, *read]


def api_calls(service, environ):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    if service == "lambda":
        name = urllib.parse.unquote(environ["PATH_INFO"]).split("/functions/")[-1].removesuffix("/invocations")
        return [{"action": "lambda:InvokeFunction", "resource": name}]
    operation = environ.get("HTTP_X_AMZ_TARGET", "").split(".")[-1]
    if service == "sqs":
        *_, account, name = json.loads(body)["QueueUrl"].split("/")
        region = CREDENTIAL.search(environ["HTTP_AUTHORIZATION"])[2]
        return [{"action": f"sqs:{operation}", "resource": f"arn:aws:sqs:{region}:{account}:{name}"}]
    arns = (
        [value for name, value in json.loads(body or b"{}").items() if name.lower().endswith("arn")]
        if operation
        else []
    )
    return [{"action": f"{service}:{operation or environ['PATH_INFO']}", "resource": arns[0] if arns else "*"}]
