"""Django's template loader, which joins what is the same on every page of a language.

The shell and a table's rows are mostly plain text, translated words and addresses
without a key. Each costs Django some microseconds wherever it stands, a thousand times
on a long page. What stands side by side is joined when a template is loaded, and said
once in each language.
"""

from __future__ import annotations

from typing import Any

from django.template import Context, Origin, Template, TemplateDoesNotExist
from django.template.base import FilterExpression, Node, NodeList, TextNode
from django.template.defaulttags import (
    CommentNode,
    IfNode,
    LoadNode,
    URLNode,
)
from django.template.loaders import base, cached
from django.templatetags.i18n import TranslateNode
from django.templatetags.static import StaticNode
from django.urls import get_script_prefix, get_urlconf
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from accounts.addresses import address

from .quick_templates import QuickTemplate

SILENT = (LoadNode, CommentNode)


class Joined(Node):
    """Neighbours that depend on nothing but the language and the site's addresses."""

    child_nodelists = ()

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.token, self.origin = nodes[0].token, nodes[0].origin
        self._has_addresses = any(isinstance(n, URLNode | StaticNode) for n in nodes)
        self._said: dict[Any, SafeString] = {}

    def render(self, context: Context) -> SafeString:
        key: Any = get_language()
        if self._has_addresses:
            key = (key, get_urlconf(), get_script_prefix())
        said = self._said.get(key)
        if said is None:
            said = mark_safe("".join(node.render(context) for node in self.nodes))  # noqa: S308
            self._said[key] = said
        return said

    render_annotated = render


class _Joining(base.Loader):
    """As Django's own, but for the kind of template that it makes."""

    def get_template(
        self, template_name: str, skip: list[Origin] | None = None
    ) -> Template:
        tried = []
        for origin in self.get_template_sources(template_name):
            if skip is not None and origin in skip:
                tried.append((origin, "Skipped to avoid recursion"))
                continue
            try:
                source = self.get_contents(origin)  # type: ignore[attr-defined]
            except TemplateDoesNotExist:
                tried.append((origin, "Source does not exist"))
                continue
            template = QuickTemplate(source, origin, template_name, self.engine)
            join(template.nodelist)
            return template
        raise TemplateDoesNotExist(template_name, tried=tried)


class Loader(cached.Loader, _Joining):
    """Joins before the template is kept, while no other thread has it."""


class Addressed(Node):
    """An address of a row, which is put together once: `URLNode` with keys."""

    child_nodelists = ()

    def __init__(self, node: URLNode) -> None:
        self.node, self.view = node, node.view_name.var
        self.token, self.origin = node.token, node.origin

    def render(self, context: Context) -> str:
        keys = tuple(arg.resolve(context) for arg in self.node.args)
        if not all(type(key) in (int, str) for key in keys):
            return self.node.render(context)
        url = address(self.view, *keys)
        return conditional_escape(url) if context.autoescape else url


def join(nodes: NodeList) -> None:
    """In place: tags keep lists of their own with the same nodes."""
    joined: list[Node] = []
    run: list[Node] = []
    for node in nodes:
        if isinstance(node, SILENT):
            continue
        if _is_same_for_all(node):
            run.append(node)
            continue
        if type(node) is URLNode and node.args and _is_plain(node):
            node = Addressed(node)
        joined += _one(run)
        run = []
        joined.append(node)
        for inner in _lists_in(node):
            join(inner)
    nodes[:] = joined + _one(run)


def _one(run: list[Node]) -> list[Node]:
    if len(run) < 2 and all(isinstance(node, TextNode) for node in run):
        return run
    return [Joined(run)]


def _lists_in(node: Node) -> list[NodeList]:
    if isinstance(node, IfNode):
        return [inner for _condition, inner in node.conditions_nodelists]
    lists = (getattr(node, name, None) for name in node.child_nodelists)
    return [inner for inner in lists if isinstance(inner, NodeList)]


def _is_same_for_all(node: Node) -> bool:
    # Exact classes: what inherits from them may ask for more.
    if type(node) is TextNode:
        return True
    if type(node) is TranslateNode:
        return not node.asvar and _is_literal(
            node.filter_expression, node.message_context
        )
    if type(node) is URLNode:
        return not node.args and _is_plain(node)
    if type(node) is StaticNode:
        return not node.varname and _is_literal(node.path)
    return False


def _is_plain(node: URLNode) -> bool:
    # The name of an instance's namespace depends on the page that is shown.
    return (
        not (node.kwargs or node.asvar)
        and _is_literal(node.view_name)
        and ":" not in str(node.view_name)
    )


def _is_literal(*expressions: FilterExpression | None) -> bool:
    return all(
        expression is None
        or (
            not expression.filters
            and getattr(expression.var, "literal", expression.var) is not None
        )
        for expression in expressions
    )
