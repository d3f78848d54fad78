"""The file in a body: the body itself, or the one file of a multipart form."""

from http import HTTPStatus

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from offload.service.server.problems import Problem


def only_file(content_type: str | None, body: bytes) -> bytes:
    """The bytes of the file that was sent.

    Raises:
        Problem: the form is damaged, or holds not exactly one field.
    """
    kind, options = parse_options_header(content_type or "")
    if kind != b"multipart/form-data":
        return body
    parts = _parts(body, options.get(b"boundary", b""))
    if len(parts) != 1:
        detail = f"The form must hold exactly one field, the image; it holds {len(parts)}."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
    return parts[0]


def _parts(body: bytes, boundary: bytes) -> list[bytes]:
    """The fields' contents, in memory: a read-only file system has no room for spooled files."""
    parts: list[list[bytes]] = []
    ended: list[bool] = []
    parser = (
        MultipartParser(
            boundary,
            {
                "on_part_begin": lambda: parts.append([]),
                "on_part_data": lambda data, start, end: parts[-1].append(data[start:end]),
                "on_end": lambda: ended.append(True),
            },
        )
        if boundary
        else None
    )
    try:
        if parser is None:
            raise FormParserError("it names no boundary")
        parser.write(body)
        parser.finalize()
        if not ended:
            raise FormParserError("it ends too early")
    except FormParserError as error:
        detail = f"The multipart form is damaged: {error}."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail) from error
    return [b"".join(chunks) for chunks in parts]
