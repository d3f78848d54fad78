"""Why a store refuses or does not answer, in a sentence, and what to type."""

import os
import re
from typing import Any

from offload.domain.errors import OffloadError, PlaceUnavailable
from offload.drivers.objects.access import parts

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_KINDS = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}
_LISTS = {"s3": "aws s3 ls", "gs": "gcloud storage ls", "az": "az storage container list"}
_ELSEWHERE = {
    "PermanentRedirect",
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
}
_BUSY, _REFUSED = 500, 400
_TOO_MANY = 429


def code_of(error: Exception) -> str:
    """S3's name for what is wrong, `NoSuchBucket`; empty where there is none."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def explained(error: Exception, url: str, key: str = "") -> OffloadError:
    """What to raise of an error of obstore, about a key of the store at `url`."""
    text, code = str(error), code_of(error)
    found = _STATUS.search(text)
    status = int(found[1]) if found else 0
    scheme, bucket, _ = parts(url)
    name = f"{url}/{key}".rstrip("/")
    if code in {"NoSuchBucket", "ContainerNotFound"}:
        return OffloadError(
            f"There is no bucket {bucket}.", hint=f"To see yours: {_LISTS.get(scheme, 'offload')}"
        )
    if code in _ELSEWHERE or "incorrectly configured region" in text:
        return _elsewhere(bucket)
    if "169.254.169.254" in text or "metadata.google" in text:
        return _without_credentials(scheme, url)
    is_refused = _REFUSED <= status < _BUSY and status != _TOO_MANY
    if is_refused or isinstance(error, PermissionError):
        return _refused(name, scheme, code or _words(error))
    if status:
        why = f"it answers {status} {code}".rstrip()
        return PlaceUnavailable(f"{name} cannot be used now: {why}, also when asked again.")
    return PlaceUnavailable(f"{name} cannot be reached: {_words(error)}.")


def _elsewhere(bucket: str) -> OffloadError:
    here = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    asked = f"aws s3api head-bucket --bucket {bucket} --query BucketRegion --output text"
    return OffloadError(
        f"The bucket {bucket} is in another region than {here}.",
        hint=f"export AWS_REGION=$({asked})",
    )


def _without_credentials(scheme: str, url: str) -> OffloadError:
    hints = {
        "gs": "export GOOGLE_APPLICATION_CREDENTIALS=FILE",
        "az": "export AZURE_STORAGE_ACCOUNT=NAME AZURE_STORAGE_KEY=KEY",
    }
    anonymous = f"export {_KINDS.get(scheme, 'AWS')}_SKIP_SIGNATURE=true"
    return OffloadError(
        f"There are no credentials for {url} here.",
        hint=f"If it is public: {anonymous}; else: {hints.get(scheme, 'aws configure')}",
    )


def _refused(name: str, scheme: str, why: str) -> OffloadError:
    if scheme not in _KINDS:
        return OffloadError(f"{name} is refused: {why}.")
    whose = "To see whose credentials these are: offload doctor aws. " if scheme == "s3" else ""
    return OffloadError(
        f"{name} is refused: {why}.",
        hint=f"{whose}If it is public: export {_KINDS[scheme]}_SKIP_SIGNATURE=true",
    )


def _words(error: Any) -> str:
    """The end of the first line of obstore's words; the rest is for its developers."""
    line = str(error).strip().split("\n", 1)[0].rstrip(". ")
    return line.rsplit(" - ", 1)[-1].removeprefix("HTTP error: ") or type(error).__name__
