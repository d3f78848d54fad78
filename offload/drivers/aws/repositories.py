"""ECR: the repository of our own image. Every method may raise OffloadError."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from offload.drivers.aws import calls
from offload.drivers.aws.lookup import Clients
from offload.drivers.aws.tagging import pairs

_FEW_IMAGES = {
    "rules": [{
        "rulePriority": 1,
        "selection": {
            "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 2,
        },
        "action": {"type": "expire"},
    }]
}  # fmt: skip
_NONE = ("RepositoryNotFoundException", "ImageNotFoundException")
_THERE = ("RepositoryAlreadyExistsException",)


class Repository:
    """The repository of that name in one account and region, whether or not it is there."""

    def __init__(self, clients: Clients, name: str) -> None:
        self.name = name
        self._clients = clients

    def make(self, tags: Mapping[str, str]) -> None:
        """Make it if it is not there."""
        asked = {"repositoryName": self.name, "tags": pairs(tags)}
        self._call("create_repository", fine=_THERE, **asked)

    def address(self) -> str:
        """What images in it are called, but for their tags; it must be there."""
        found = self._found()
        assert found is not None
        return str(found["repositoryUri"])

    def is_home_of(self, image: str) -> bool:
        """Whether that image is in it, by its name."""
        found = self._found()
        return found is not None and image.startswith(f"{found['repositoryUri']}:")

    def keep_few(self) -> None:
        """Have it keep the last images only."""
        text = json.dumps(_FEW_IMAGES)
        self._call("put_lifecycle_policy", repositoryName=self.name, lifecyclePolicyText=text)

    def tags(self) -> dict[str, str] | None:
        """Its tags; None if it is not there."""
        if (found := self._found()) is None:
            return None
        said = self._call("list_tags_for_resource", resourceArn=found["repositoryArn"])["tags"]
        return {each["Key"]: each["Value"] for each in said}

    def has(self, tag: str) -> bool:
        """Whether it has that image."""
        wanted = [{"imageTag": tag}]
        found = self._call("describe_images", fine=_NONE, repositoryName=self.name, imageIds=wanted)
        return bool(found.get("imageDetails"))

    def login(self) -> tuple[str, str]:
        """User and password that the registry wants of who pushes an image, for some hours."""
        (said,) = self._call("get_authorization_token")["authorizationData"]
        user, _, password = base64.b64decode(said["authorizationToken"]).decode().partition(":")
        return user, password

    def remove(self) -> None:
        """Remove it with all images; if it is gone already, all the better."""
        self._call("delete_repository", fine=_NONE, repositoryName=self.name, force=True)

    def _found(self) -> dict[str, Any] | None:
        asked = {"repositoryNames": [self.name]}
        found = self._call("describe_repositories", fine=_NONE, **asked)
        return next(iter(found.get("repositories", ())), None)

    def _call(self, operation: str, **asked: Any) -> dict[str, Any]:
        return calls.call(self._clients("ecr"), operation, **asked)
