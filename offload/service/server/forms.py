"""The file in a body: the body itself, or the one file of a multipart form."""

from http import HTTPStatus

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from offload.service.server.core import worked
from offload.service.server.problems import Problem


async def only_file(content_type: str | None, body: bytes) -> bytes:
    """The bytes of the file that was sent.

    Raises:
        Problem: the form is damaged, or holds not exactly one field.
    """
    kind, options = parse_options_header(content_type or "")
    if kind != b"multipart/form-data":
        return body
    boundary = options.get(b"boundary", b"")
    return await worked(len(body), lambda: _only_field(body, boundary))


def _only_field(body: bytes, boundary: bytes) -> bytes:
    """The field's content, in memory: a read-only file system has no room for spooled files."""
    fields: list[list[bytes]] = []
    ended: list[bool] = []

    def begin() -> None:
        if fields:
            raise _not_one("more")  # no need to read on
        fields.append([])

    try:
        if not boundary:
            raise FormParserError("it names no boundary")
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": begin,
                "on_part_data": lambda data, start, end: fields[-1].append(data[start:end]),
                "on_end": lambda: ended.append(True),
            },
        )
        parser.write(body)
        parser.finalize()
        if not ended:
            raise FormParserError("it ends too early")
    except FormParserError as error:
        detail = f"The multipart form is damaged: {error}."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error
    if not fields:
        raise _not_one("none")
    return b"".join(fields[0])


def _not_one(how_many: str) -> Problem:
    detail = f"The form must hold exactly one field, the image; it holds {how_many}."
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
