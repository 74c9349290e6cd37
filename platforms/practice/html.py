"""Pages of the practice network: one shell, everything escaped, no scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup
from werkzeug.wrappers import Response

_SHELL = Markup(
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    "<title>{title}</title>"
    '<link rel="stylesheet" href="{css}"></head>'
    '<body class="{kind}"><header><a href="{home}">Practice network</a>'
    "<p>Nothing here is real: nobody outside this computer sees it.</p></header>"
    "<main><h1>{title}</h1>{body}</main></body></html>\n"
)


def page(
    title: str, body: Markup, base_url: str, *, kind: str = "plain", status: int = 200
) -> Response:
    """A whole page. kind: "plain", "narrow" (forms) or "panel" (wide)."""
    text = _SHELL.format(
        title=title,
        body=body,
        kind=kind,
        css=f"{base_url}/practice.css",
        home=f"{base_url}/",
    )
    response = Response(text, status, mimetype="text/html")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    return response


def join(parts: Iterable[Markup]) -> Markup:
    return Markup("").join(parts)


def hidden(values: Iterable[tuple[str, str]]) -> Markup:
    field = Markup('<input type="hidden" name="{}" value="{}">')
    return join(field.format(name, value) for name, value in values)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> Markup:
    """Cells are escaped unless they are Markup. `empty` stands there without rows."""
    if not rows:
        return Markup('<p class="quiet">{}</p>').format(empty)
    head = join(Markup('<th scope="col">{}</th>').format(name) for name in heads)
    lines = []
    for row in rows:
        cells = join(
            Markup('<td data-label="{}">{}</td>').format(name, cell)
            for name, cell in zip(heads, row, strict=True)
        )
        lines.append(Markup("<tr>{}</tr>").format(cells))
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(
        head, join(lines)
    )


def paragraphs(text: str) -> Markup:
    return join(
        Markup("<p>{}</p>").format(Markup("<br>").join(part.split("\n")))
        for part in text.split("\n\n")
    )
