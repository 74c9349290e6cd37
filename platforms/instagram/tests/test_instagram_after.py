"""Figures, comments and answers of Instagram's posts, as the sheet has them."""

from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses

from platforms.base import After, Figure
from platforms.errors import Cause, Outcome
from platforms.instagram.client import InstagramClient
from platforms.instagram.spec import SPEC

from .test_instagram_client import FB, OWN, alive, fault, query, raised

MEDIA = "17920238422030506"
DEBUG = f"{FB}/debug_token"
THREAD = {
    "id": "17870913679156914",
    "text": "Nice",
    "timestamp": "2026-10-05T09:12:00+0000",
    "from": {"id": "1", "username": "ana"},
    "hidden": True,
    "replies": {
        "data": [{"id": "17870913679156999", "text": "Thanks", "username": "acme"}]
    },
}


def told(name: str, value: int) -> dict[str, Any]:
    return {"name": name, "period": "lifetime", "values": [{"value": value}]}


def test_figures_have_our_names_and_what_is_not_told_is_not_zero(
    client: InstagramClient, api: responses.RequestsMock
) -> None:
    rows = [
        told("views", 120),
        told("reach", 80),
        told("saved", 0),
        {"name": "likes", "total_value": {"value": 7}},
        told("total_interactions", 99),
    ]
    api.get(f"{FB}/{MEDIA}/insights", json={"data": rows})
    assert client.figures(MEDIA).values == {
        Figure.IMPRESSIONS: 120,
        Figure.REACH: 80,
        Figure.SAVES: 0,
        Figure.LIKES: 7,
    }
    assert "impressions" not in query(api.calls[0])["metric"]


def test_an_empty_list_without_the_permission_is_a_missing_permission(
    client: InstagramClient, api: responses.RequestsMock
) -> None:
    api.get(f"{FB}/{MEDIA}/insights", json={"data": []})
    api.get(DEBUG, json=alive("instagram_basic", "pages_read_engagement"))
    error = raised(lambda: client.figures(MEDIA))
    assert (error.outcome, error.cause) == (Outcome.PERMISSION, Cause.SCOPE_MISSING)
    assert error.detail == "instagram_manage_insights"


def test_of_its_own_sign_in_the_granted_scopes_tell(
    own: InstagramClient, api: responses.RequestsMock
) -> None:
    api.get(f"{OWN}/{MEDIA}/insights", json={"data": []})
    api.get(f"{OWN}/{MEDIA}", json={"id": MEDIA, "like_count": 3, "comments_count": 1})
    assert own.figures(MEDIA).values == {Figure.LIKES: 3, Figure.COMMENTS: 1}
    own.access = type(own.access)(
        token="t", scopes=("instagram_business_basic",), extra=own.access.extra
    )
    assert raised(lambda: own.figures(MEDIA)).cause is Cause.SCOPE_MISSING


@pytest.mark.trap("instagram", 13)
def test_an_empty_list_with_the_permission_is_no_data_yet(
    client: InstagramClient, api: responses.RequestsMock
) -> None:
    api.get(f"{FB}/{MEDIA}/insights", json={"data": []})
    api.get(DEBUG, json=alive())
    api.get(f"{FB}/{MEDIA}", json={"id": MEDIA})  # likes are hidden
    assert client.figures(MEDIA).values == {}


def test_one_metric_that_a_story_has_not_costs_only_itself(
    client: InstagramClient, api: responses.RequestsMock
) -> None:
    where = f"{FB}/{MEDIA}/insights"
    api.get(where, status=400, json=fault(100, 0, "(#100) not supported"))
    api.get(where, json={"data": [told("views", 12)]})
    api.get(where, status=400, json=fault(100, 0, "(#100) not supported"))
    assert client.figures(MEDIA).values == {Figure.IMPRESSIONS: 12}
    assert len(api.calls) == client.calls_of(After.FIGURES)["GET /:media/insights"]


def test_a_post_that_is_not_there_is_gone_only_with_the_permission_to_see_it(
    client: InstagramClient, api: responses.RequestsMock
) -> None:
    api.get(f"{FB}/{MEDIA}/insights", status=400, json=fault(100, 33))
    api.get(DEBUG, json=alive())
    assert raised(lambda: client.figures(MEDIA)).outcome is Outcome.NOT_FOUND
    api.replace(responses.GET, DEBUG, json=alive("instagram_manage_insights"))
    assert raised(lambda: client.figures(MEDIA)).outcome is Outcome.PERMISSION


@pytest.mark.trap("instagram", 13)
def test_comments_come_with_their_answers(
    client: InstagramClient, api: responses.RequestsMock
) -> None:
    rows = [THREAD, {"id": "1", "text": "Hm"}, {"text": "without a number"}]
    paging = {"cursors": {"after": "MAZD"}, "next": "https://graph.facebook.com/next"}
    api.get(f"{FB}/{MEDIA}/comments", json={"data": rows, "paging": paging})
    page = client.comments(MEDIA)
    first, answer, last = page.comments
    assert (first.author, first.hidden, first.parent_id) == ("ana", True, "")
    assert (answer.author, answer.parent_id) == ("acme", THREAD["id"])
    assert (last.author, last.published_at) == ("", None)
    assert page.after == "MAZD"


@pytest.mark.trap("instagram", 4)
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"json": {"id": "1799"}}, None),
        ({"json": {}}, Outcome.AMBIGUOUS),
        ({"status": 500, "json": fault(2)}, Outcome.AMBIGUOUS),
        ({"status": 400, "json": fault(20, 1772107)}, Outcome.AMBIGUOUS),
        ({"body": requests.ReadTimeout()}, Outcome.AMBIGUOUS),
        ({"status": 400, "json": fault(25, 2207050)}, Outcome.PERMISSION),
    ],
    ids=["told", "no id", "trouble", "after writing", "lost", "locked"],
)
def test_an_answer_is_told_or_nobody_knows(
    client: InstagramClient,
    api: responses.RequestsMock,
    answer: dict[str, Any],
    outcome: Outcome | None,
) -> None:
    api.post(f"{FB}/{THREAD['id']}/replies", **answer)
    if outcome is None:
        assert client.reply(str(THREAD["id"]), "Thanks") == "1799"
        assert "fields" not in query(api.calls[0])
        assert parse_qs(str(api.calls[0].request.body)) == {"message": ["Thanks"]}
    else:
        error = raised(lambda: client.reply(str(THREAD["id"]), "Thanks"))
        assert error.outcome is outcome


def test_only_accounts_of_pages_can_have_posts_deleted(
    own: InstagramClient, client: InstagramClient
) -> None:
    assert SPEC.why_not(After.DELETE, "instagram", own.access.extra)
    assert not SPEC.why_not(After.DELETE, "instagram", client.access.extra)
    assert own.calls_of(After.DELETE) == {}
    with pytest.raises(NotImplementedError):
        own.delete_post(MEDIA)
