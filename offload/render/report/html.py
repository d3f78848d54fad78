"""A report as one HTML file that needs nothing else, by Jinja2. The only importer of jinja2."""

import base64
import traceback

from jinja2 import FunctionLoader, StrictUndefined, TemplateError, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment

from offload.findings.study import Study
from offload.render.report import templating
from offload.render.report.document import Document, tidy
from offload.render.report.templating import Templates


def page(document: Document, study: Study, wanted: Templates | None = None) -> str:
    """The file; its templates are handed both.

    Raises:
        UsageError: a template cannot be used.
    """
    found = wanted or templating.ours()

    def load(name: str) -> tuple[str, str, None] | None:
        return (found.text(name), name, None) if name in found.contents else None

    environment = SandboxedEnvironment(
        loader=FunctionLoader(load), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["tidy"] = tidy
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    try:
        return environment.get_template("report.html").render(document=document, study=study)
    except TemplateSyntaxError as error:
        raise found.broken(error.name or "report.html", error.lineno, str(error)) from error
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        frames = traceback.extract_tb(error.__traceback__)
        frame = next((each for each in frames[::-1] if each.filename in found.contents), None)
        if frame is None:
            raise
        raise found.broken(frame.filename, frame.lineno, str(error)) from error
