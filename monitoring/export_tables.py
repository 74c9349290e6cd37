"""What an export has of posts that are out: figures, comments, and what people did."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from platforms.base import Figure
from publishing.export_tables import (
    ACCOUNT,
    AT,
    CAUSE,
    CREATED,
    DELIVERY,
    DETAIL,
    ID_THERE,
    LINK_THERE,
    PERSON,
    STATE,
    TEXT,
    Scope,
    Table,
    account_key,
    who,
)

from .figure_models import (
    VOTERS,
    VOTES,
    Answer,
    Intervention,
    MetricSnapshot,
    PostComment,
)


def _of(model: Any, time: str) -> Any:
    def rows(scope: Scope) -> Any:
        mine = model._default_manager.filter(delivery__post__brand__in=scope.brands)
        return mine.filter(scope.during(time)).select_related("delivery__account")

    return rows


def _comments(scope: Scope) -> Any:
    """Where a network tells no time, the one at which it was read."""
    told = Q(published_at__isnull=False) & scope.during("published_at")
    untold = Q(published_at=None) & scope.during("read_at")
    mine = PostComment.objects.filter(delivery__post__brand__in=scope.brands)
    return mine.filter(told | untold).select_related("delivery__account")


def _votes(row: MetricSnapshot) -> str:
    return "\n".join(
        f"{vote.answer}: {'' if vote.count is None else vote.count}".rstrip()
        for vote in row.votes
    )


FIGURES = Table(
    "figures",
    "figures",
    _(
        "What a network had counted of a post at a time. Empty: it did not tell; not zero."
    ),
    {
        "delivery": DELIVERY,
        "account": ACCOUNT,
        "at": AT,
        **{
            figure.value: _("So many, as the network counts them.") for figure in Figure
        },
        VOTES: _(
            'How often each answer of the post\'s poll was chosen, as "answer: number" in lines of their own.'
        ),
        VOTERS: _(
            "How many people voted in the poll, where several answers may be chosen."
        ),
    },
    _of(MetricSnapshot, "at"),
    lambda rows, scope: (
        {
            "delivery": row.delivery_id,
            "account": account_key(row.delivery.account),
            "at": row.at,
            **{figure.value: row.value(figure) for figure in Figure},
            VOTES: _votes(row),
            VOTERS: row.voters,
        }
        for row in rows
    ),
)

COMMENTS = Table(
    "comments",
    "comments",
    _("What others wrote below a post, as it was read last."),
    {
        "delivery": DELIVERY,
        "account": ACCOUNT,
        "external_id": ID_THERE,
        "parent_id": _("Of the comment that it answers; empty: the post itself."),
        "author": _("Who wrote it, as the network names them."),
        "text": TEXT,
        "permalink": LINK_THERE,
        "published_at": AT,
        "is_hidden": _("Whether it is hidden."),
        "read_at": _("When it was read last, in UTC."),
    },
    _comments,
    lambda rows, scope: (
        {
            "delivery": row.delivery_id,
            "account": account_key(row.delivery.account),
            "external_id": row.external_id,
            "parent_id": row.parent_id,
            "author": row.author,
            "text": row.text,
            "permalink": row.permalink,
            "published_at": row.published_at,
            "is_hidden": row.is_hidden,
            "read_at": row.read_at,
        }
        for row in rows
    ),
)


def _sent(row: Any) -> dict[str, Any]:
    return {
        "delivery": row.delivery_id,
        "account": account_key(row.delivery.account),
        "comment_id": row.comment_id,
        "quoted": row.quoted,
        "author": who(row.author),
        "state": row.state,
        "created_at": row.created_at,
        "sent_at": row.sent_at,
        "cause": row.cause,
        "detail": row.detail,
    }


_SENT = {
    "delivery": DELIVERY,
    "account": ACCOUNT,
    "comment_id": _("Id of the comment at the network."),
    "quoted": _("What the comment says."),
    "author": PERSON,
    "state": STATE,
    "created_at": CREATED,
    "sent_at": AT,
    "cause": CAUSE,
    "detail": DETAIL,
}

ANSWERS = Table(
    "answers",
    "comments",
    _("What people answered here."),
    {**_SENT, "text": TEXT, "external_id": ID_THERE},
    lambda scope: _of(Answer, "created_at")(scope).select_related(
        "delivery__account", "author"
    ),
    lambda rows, scope: (
        {**_sent(row), "text": row.text, "external_id": row.external_id} for row in rows
    ),
)

INTERVENTIONS = Table(
    "interventions",
    "comments",
    _(
        "Posts that people deleted at the network, and comments that they hid or deleted."
    ),
    {**_SENT, "kind": _("What was done."), "done_at": AT},
    lambda scope: _of(Intervention, "created_at")(scope).select_related(
        "delivery__account", "author"
    ),
    lambda rows, scope: (
        {**_sent(row), "kind": row.kind, "done_at": row.done_at} for row in rows
    ),
)

TABLES = (FIGURES, COMMENTS, ANSWERS, INTERVENTIONS)
