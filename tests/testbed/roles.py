"""What instances may do: what the policies of their roles say, which count for nothing at moto."""

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.testbed.tokens import App

ACCOUNT = "123456789012"
_SCOPE = re.compile(r"Credential=(\w+)/\d+/([\w-]+)/(\w+)/")
_OBJECTS = {"GET": "GetObject", "HEAD": "GetObject", "PUT": "PutObject", "DELETE": "DeleteObject"}


def checking(app: App, issued: Mapping[str, str]) -> App:
    """`app`, where what is asked with a key of a role's is refused unless the role may. `issued`
    has the role of each key. Only SQS, S3, ECR and Auto Scaling know resources.
    """

    def wrapped(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        scope = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        role = issued.get(scope[1]) if scope else None
        if not scope or role is None:
            return app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        action, resource = _asked(environ, body, scope[2], scope[3])
        if any(_allows(each, action, resource) for each in _statements(role)):
            return app(environ, start_response)
        message = f"{role} is not authorized to perform: {action} on resource: {resource}"
        code = "AccessDenied" if scope[3] != "ecr" else "AccessDeniedException"
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        answers = {
            "s3": error,
            "autoscaling": f"<ErrorResponse>{error}</ErrorResponse>",
        }
        as_json = json.dumps({"__type": code, "message": message})
        said = answers.get(scope[3], as_json).encode()
        start_response("403 Forbidden", [("Content-Length", str(len(said)))])
        return [said]

    return wrapped


def _asked(environ: Mapping[str, Any], body: bytes, region: str, service: str) -> tuple[str, str]:
    """What is to be done with what, in the words of policies."""
    if service == "s3":
        bucket, _, key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")
        action = _OBJECTS[environ["REQUEST_METHOD"]] if key else "ListBucket"
        return f"s3:{action}", f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
    if service == "autoscaling":
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        group = _group(region, form.get("InstanceId", ""))
        return f"autoscaling:{form['Action']}", group
    action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2].removesuffix("Batch")
    resource = "*"
    if service == "sqs":
        queue = json.loads(body).get("QueueUrl", "").rpartition("/")[2]
        resource = f"arn:aws:sqs:{region}:{ACCOUNT}:{queue}"
    return f"{service}:{action}", resource


def _group(region: str, instance_id: str) -> str:
    from moto.autoscaling.models import autoscaling_backends

    states = autoscaling_backends[ACCOUNT][region].describe_auto_scaling_instances([instance_id])
    return str(states[0].auto_scaling_group.arn) if states else "*"


def _statements(role: str) -> Iterator[Mapping[str, Any]]:
    from moto.iam.models import iam_backends

    try:
        found = iam_backends[ACCOUNT]["aws"].get_role(role)
    except Exception:  # noqa: BLE001 # it is gone: nothing is allowed
        return
    attached = [policy.document for policy in found.managed_policies.values()]
    for document in (*found.policies.values(), *attached):
        yield from json.loads(unquote(document))["Statement"]


def _allows(statement: Mapping[str, Any], action: str, resource: str) -> bool:
    def matches(what: str, patterns: Any) -> bool:
        listed = [patterns] if isinstance(patterns, str) else patterns
        return any(fnmatchcase(what, pattern) for pattern in listed)

    return (
        statement["Effect"] == "Allow"
        and matches(action, statement["Action"])
        and matches(resource, statement["Resource"])
    )
