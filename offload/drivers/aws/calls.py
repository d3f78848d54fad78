"""Every call to AWS: pages are joined; a refusal, or no answer, is an OffloadError that says in a
sentence what is wrong, and what to type.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable, UsageError

WOULD = "DryRunOperation"
"""The code with which EC2 says that it would have done what was asked."""


class NotAllowed(PlaceUnavailable):
    """The credentials lack a permission."""


class NoCapacity(PlaceUnavailable):
    """AWS has no such machine free there now; of another type or in another zone it may have."""


class NotInPlan(UsageError):
    """The account is on AWS' Free plan, which does not have what is asked for."""


class QuotaUsedUp(PlaceUnavailable):
    """The account has as many machines of that kind as it may."""


class SpentToken(OffloadError):
    """The token of a request stands for another one, or for a machine that has ended."""


class NotKnownYet(OffloadError):
    """What was made just now is not known everywhere."""


_Kind = type[OffloadError]
_DOCTOR = "To see what works: offload doctor aws"
_CONFIGURE = "To set them up: aws configure"
_SIGN_IN = (
    "To sign in again: aws sso login; for keys: aws configure; in a Learner Lab: start it, and put "
    "what AWS Details shows into ~/.aws/credentials"
)
_QUOTA = "For less: --instance-type TYPE"
_CAPACITY = (
    "To let AWS choose the zone, leave --zone out; else another --instance-type or --region, "
    "or the same command later"
)
_TYPES = (
    "To see those there are: aws ec2 describe-instance-type-offerings "
    "--query 'InstanceTypeOfferings[].InstanceType'"
)
_REGIONS = "To see those there are: aws ec2 describe-regions --region us-east-1 --output table"
_NETWORK = "To make one: aws ec2 create-default-vpc; to use another: --subnet SUBNET"
_SUBNET = (
    "To make one: aws ec2 create-default-subnet --availability-zone ZONE; to use another: "
    "--subnet SUBNET"
)
_LEARNER_LAB = (
    "It has on-demand types up to large, in us-east-1 and us-west-2: --on-demand --instance-type "
    "c7i.large --region us-east-1"
)
_IMAGES = "To let offload choose it, leave --ami out"
_FREE_PLAN = (
    "To see what it has: aws ec2 describe-instance-types --filters "
    "Name=free-tier-eligible,Values=true; for one of them: --instance-type c7i-flex.large"
)
_PATIENCE = "To try again: the same command, in a minute"
_POLICY = (
    "To see all that is missing: offload doctor aws; what to ask for: offload doctor aws --policy"
)
_OF_PARTS = (
    "lambda:", "ecr:", "logs:", "dynamodb:", "sqs:", "s3:", "iam:", "autoscaling:", "cloudwatch:",
    "batch:", "ecs:",
)  # fmt: skip
_PLAN = (
    "To see what else is missing: offload doctor aws; what bringing up a function calls: offload "
    "provision lambda --plan; a fleet: offload provision fleet --plan"
)
_ACTION = re.compile(r"perform: ([\w-]+:\w+)(?: on resource: \S*?:([\w-]+)/)?")

_Row = tuple[_Kind, str, str]
"""A kind, a sentence that may hold {said}, {action} and what the library's own exception knows by
name, and a hint.
"""


def _table(*rows: tuple[str, _Kind, str, str]) -> Mapping[str, _Row]:
    return {name: (kind, text, hint) for names, kind, text, hint in rows for name in names.split()}


_EXCEPTIONS = _table(
    ("NoCredentialsError", PlaceUnavailable, "There are no AWS credentials.", _CONFIGURE),
    ("PartialCredentialsError", PlaceUnavailable,
     "The AWS credentials are incomplete: {provider} lacks {cred_var}.", _CONFIGURE),
    ("SSOTokenLoadError UnauthorizedSSOTokenError TokenRetrievalError", PlaceUnavailable,
     "The AWS session has expired.", _SIGN_IN),
    ("LoginError", PlaceUnavailable, "The AWS session has expired.", "To sign in again: aws login"),
    ("CredentialRetrievalError", PlaceUnavailable,
     "The AWS credentials cannot be fetched: {error_msg}.", _SIGN_IN),
    ("ProfileNotFound", UsageError, "There is no AWS profile {profile!r}.",
     "To see those there are: aws configure list-profiles"),
    ("NoRegionError", PlaceUnavailable, "No AWS region is chosen.",
     "To choose one: --region eu-central-1, or export AWS_REGION=eu-central-1"),
    ("InvalidRegionError", UsageError, "{region_name!r} is not a valid AWS region.", _REGIONS),
    ("ConnectionError HTTPClientError", PlaceUnavailable,
     "AWS does not answer ({said}): no network, or no such region.", _REGIONS),
    ("ResponseParserError JSONDecodeError", PlaceUnavailable,
     "The answer is not from AWS, but a network's login page or AWS_ENDPOINT_URL.", _DOCTOR),
)  # fmt: skip
"""By the names of botocore's exceptions, or of what they are derived from."""

_CODES = _table(
    ("AuthFailure InvalidClientTokenId UnrecognizedClientException SignatureDoesNotMatch",
     PlaceUnavailable,
     "AWS does not accept these credentials, or the region is not enabled for them: {said}",
     "To see whose they are: aws sts get-caller-identity; to replace them: aws configure"),
    ("RequestTimeTooSkewed", PlaceUnavailable,
     "This computer's clock is wrong, says AWS: {said}",
     "To see it: date -u; to set it: sudo timedatectl set-ntp true"),
    ("ExpiredToken ExpiredTokenException RequestExpired", PlaceUnavailable,
     "The AWS session has expired: {said}", _SIGN_IN),
    ("UnauthorizedOperation AccessDenied AccessDeniedException", NotAllowed,
     "These credentials may not {action}.", _POLICY),
    ("InLearnerLab", PlaceUnavailable, "A Learner Lab does not permit that: {action}.",
     _LEARNER_LAB),
    ("AuthFailure.ServiceLinkedRoleCreationNotPermitted", PlaceUnavailable,
     "These credentials may not create the role that the first spot machine needs.",
     "For a usual one: --on-demand"),
    ("VcpuLimitExceeded InstanceLimitExceeded MaxSpotInstanceCountExceeded", QuotaUsedUp,
     "The account's quota is used up: {said}", _QUOTA),
    ("InsufficientInstanceCapacity InsufficientHostCapacity SpotMaxPriceTooLow", NoCapacity,
     "AWS has no such machine available there now: {said}", _CAPACITY),
    ("InvalidInstanceType InvalidInstanceType.NotFound", UsageError,
     "The region has no such instance type: {said}", _TYPES),
    ("Unsupported", NoCapacity, "AWS does not offer that there: {said}", _CAPACITY),
    ("TypeNotInPlan", NotInPlan, "The account's Free plan does not have that: {said}", _FREE_PLAN),
    ("ImageNotInPlan", UsageError, "The account's Free plan does not have that: {said}",
     "For one that it has: --ami AMI"),
    ("UnsupportedOperation IncorrectInstanceState IncorrectState", OffloadError,
     "The machine cannot do that now: {said}", "To see its state: offload machines"),
    ("InvalidParameterValue InvalidParameterCombination InvalidBlockDeviceMapping", UsageError,
     "AWS rejects the request: {said}", _DOCTOR),
    ("InvalidAMIID.NotFound InvalidAMIID.Malformed InvalidAMIID.Unavailable", UsageError,
     "The region has no such AMI: {said}", _IMAGES),
    ("OptInRequired", PlaceUnavailable,
     "The account has not subscribed to what is asked for: {said}", _IMAGES),
    ("ResourceNotFoundException", PlaceUnavailable, "There is no such function: {said}",
     "To bring one up: offload provision lambda; to use another: export OFFLOAD_FUNCTION=ARN"),
    ("TooMuchMemory", UsageError, "The account's functions may not have so much memory: {said}",
     "For what new accounts may have: --memory 3008"),
    ("PendingVerification Blocked", PlaceUnavailable,
     "AWS has not verified the account yet: {said}", _DOCTOR),
    ("RequestLimitExceeded Throttling ThrottlingException TooManyRequestsException",
     PlaceUnavailable, "Too many requests to AWS: {said}", _PATIENCE),
    ("InternalError InternalFailure ServiceUnavailable Unavailable ServiceException",
     PlaceUnavailable, "AWS has a problem of its own: {said}", _PATIENCE),
    ("VPCIdNotSpecified DefaultVpcDoesNotExist", PlaceUnavailable,
     "The region has no default network: {said}", _NETWORK),
    ("MissingInput", PlaceUnavailable, "The default network has no subnet: {said}",
     _SUBNET),
    ("InvalidSubnetID.NotFound InvalidSubnetID.Malformed InvalidSubnet", UsageError,
     "The region has no such subnet: {said}",
     "To see those there are: aws ec2 describe-subnets --output table"),
    ("InvalidInstanceID.NotFound InvalidInstanceID.Malformed", OffloadError,
     "There is no such machine: {said}", "To see those there are: offload machines"),
    ("DependencyViolation VolumeInUse InvalidNetworkInterface.InUse", OffloadError,
     "A machine still uses it: {said}", _PATIENCE),
    ("InvalidGroup.NotFound InvalidKeyPair.NotFound", NotKnownYet,
     "AWS does not know everywhere yet what was just created: {said}", _PATIENCE),
    ("InvalidKeyPair.Duplicate", OffloadError, "That name is taken: {said}",
     "For another: --name NAME; to remove that one: offload down NAME"),
    ("IdempotentParameterMismatch IdempotentInstanceTerminated", SpentToken,
     "An earlier attempt requested a different machine of that name: {said}",
     "To start over: offload down NAME"),
)  # fmt: skip
"""By the codes of EC2, STS, SSM, Service Quotas and Lambda.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
"""

_BY_MESSAGE = {
    "image is not eligible for Free Tier": "ImageNotInPlan",
    "not eligible for Free Tier": "TypeNotInPlan",
    "assumed-role/voclabs/": "InLearnerLab",
    "'memorySize' failed to satisfy": "TooMuchMemory",
    "'MemorySize' value failed to satisfy": "TooMuchMemory",
    "Signature expired": "RequestTimeTooSkewed",
    "Signature not yet current": "RequestTimeTooSkewed",
    "Timestamp date is": "RequestTimeTooSkewed",
}
"""What has no code of its own, or that of something else: a part of the message -> our code."""


@contextmanager
def explaining() -> Iterator[None]:
    """Meanwhile what boto3 raises becomes an OffloadError with a sentence and a command."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    # ValueError: an endpoint that is no URL, or an answer that is not AWS'.
    except (BotoCoreError, ClientError, ResponseParserError, ValueError) as error:
        raise explained(error) from error


def call(
    client: Any, operation: str, *, fine: Collection[str] = (), **parameters: Any
) -> dict[str, Any]:
    """What AWS answers; nothing where it refuses with one of the codes that are `fine`."""
    from botocore.exceptions import ClientError

    with explaining():
        try:
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in fine:
                raise
            return {}
    return answer


def dry_run(client: Any, operation: str, **parameters: Any) -> dict[str, str] | None:
    """The `Code` and `Message` with which EC2 would refuse; None if it would do it."""
    from botocore.exceptions import ClientError

    with explaining():
        try:
            getattr(client, operation)(DryRun=True, **parameters)
        except ClientError as error:
            said: dict[str, str] = error.response.get("Error", {})
            return None if said.get("Code") == WOULD else {"Code": "", **said}
    return None


def each(client: Any, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    """Everything that AWS lists under `key`, over all pages."""
    answer = call(client, operation, **parameters)
    yield from answer.get(key, ())
    while token := answer.get("NextToken"):
        answer = call(client, operation, **parameters, NextToken=token)
        yield from answer.get(key, ())


def explained(error: Exception) -> OffloadError:
    """What is wrong, of any exception that boto3 raises."""
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        return _refusal(response.get("Error", {}), getattr(error, "operation_name", "it"))
    said = _line(str(error))
    for known in type(error).__mro__:
        if row := _EXCEPTIONS.get(known.__name__):
            return _filled(row, {"said": said, **getattr(error, "kwargs", {})})
    return PlaceUnavailable(f"AWS cannot be reached: {said}.", hint=_DOCTOR)


def lacking(message: str) -> str | None:
    """The permission that a refusal names, as a policy calls it."""
    found = _ACTION.search(message)
    return found[1] if found else None


def _refusal(answer: Mapping[str, Any], operation: str) -> OffloadError:
    code, message = str(answer.get("Code", "")), str(answer.get("Message", ""))
    said = f"{_line(message) or code}."
    code = next((known for part, known in _BY_MESSAGE.items() if part in message), code)
    if row := _CODES.get(code):
        kind, text, hint = row
        if kind is NotAllowed and (lacking(message) or "").startswith(_OF_PARTS):
            hint = _PLAN
        return _filled((kind, text, hint), {"said": said, "action": _action(message, operation)})
    return OffloadError(f"AWS refuses {operation}: {said}", hint=_DOCTOR)


def _filled(row: _Row, about: Mapping[str, Any]) -> OffloadError:
    kind, text, hint = row
    return kind(text.format_map(about), hint=hint)


def _action(message: str, operation: str) -> str:
    """Which permission lacks, as a policy calls it, and what for."""
    found = _ACTION.search(message)
    if found is None:
        return operation
    action, on = found[1], found[2]
    if action == "ec2:CreateTags" and operation != "CreateTags":
        return f"tag the {on or 'things'} that {operation} creates (ec2:CreateTags)"
    return action


def _line(text: str) -> str:
    """One sentence without its full stop, and without what only AWS can read."""
    text = text.partition("Encoded authorization failure message")[0]
    return " ".join(text.split()).rstrip(".")
