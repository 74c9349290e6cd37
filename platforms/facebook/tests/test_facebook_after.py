"""Figures, comments and answers of Facebook's posts, as the sheet has them."""

from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses

from platforms.base import After, Comment, Figure
from platforms.errors import Cause, Outcome
from platforms.facebook.client import FacebookClient

from .test_facebook_client import GRAPH, PAGE, alive, fault, query, raised

POST = f"{PAGE}_122100000000000123"
INSIGHTS, COUNTS = f"{GRAPH}/{POST}/insights", f"{GRAPH}/{POST}"
DEBUG = f"{GRAPH}/debug_token"
COMMENTS = f"{GRAPH}/{POST}/comments"
COUNTED = {
    "shares": {"count": 3},
    "comments": {"data": [], "summary": {"total_count": 5}},
    "reactions": {"data": [], "summary": {"total_count": 21}},
}


def told(name: str, value: Any) -> dict[str, Any]:
    return {"name": name, "period": "lifetime", "values": [{"value": value}]}


def test_figures_are_insights_and_counts(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    rows = [told("post_media_view", 120), told("post_total_media_view_unique", 80)]
    api.get(INSIGHTS, json={"data": [*rows, told("post_clicks", 9)]})
    api.get(COUNTS, json=COUNTED)
    assert page.figures(POST).values == {
        Figure.IMPRESSIONS: 120,
        Figure.REACH: 80,
        Figure.CLICKS: 9,
        Figure.LIKES: 21,
        Figure.COMMENTS: 5,
        Figure.SHARES: 3,
    }
    # Asked for, a metric that has ended fails the whole call.
    asked = query(api.calls[0])["metric"]
    assert "impressions" not in asked
    assert "video_views" not in asked


def test_an_empty_list_without_the_permission_is_a_missing_permission(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    api.get(INSIGHTS, json={"data": []})
    api.get(DEBUG, json=alive("pages_read_engagement"))
    error = raised(lambda: page.figures(POST))
    assert (error.outcome, error.cause) == (Outcome.PERMISSION, Cause.SCOPE_MISSING)
    assert error.detail == "read_insights"


def test_a_permission_for_other_pages_only_is_missing_too(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    api.get(INSIGHTS, json={"data": []})
    targets = [{"scope": "read_insights", "target_ids": ["1"]}]
    api.get(DEBUG, json=alive(granular_scopes=targets))
    assert raised(lambda: page.figures(POST)).cause is Cause.SCOPE_MISSING


def test_an_empty_list_with_the_permission_is_no_data_yet(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    api.get(INSIGHTS, json={"data": []})
    api.get(DEBUG, json=alive())
    api.get(COUNTS, json={"id": POST})
    assert page.figures(POST).values == {}


def test_one_metric_that_is_not_known_costs_only_itself(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    api.get(INSIGHTS, status=400, json=fault(100, 0, "(#100) The value is not valid"))
    api.get(INSIGHTS, json={"data": [told("post_media_view", 120)]})
    api.get(INSIGHTS, status=400, json=fault(100, 0, "(#100) The value is not valid"))
    api.get(INSIGHTS, json={"data": [told("post_clicks", 9)]})
    api.get(COUNTS, json={"id": POST})
    assert page.figures(POST).values == {Figure.IMPRESSIONS: 120, Figure.CLICKS: 9}
    made = page.calls_of(After.FIGURES)["GET /:post/insights"]
    assert made == len(api.calls) - 1


def test_a_post_that_is_not_there_is_gone_only_with_the_permission_to_see_it(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    api.get(INSIGHTS, status=400, json=fault(100, 33, "Unsupported get request"))
    api.get(DEBUG, json=alive())
    assert raised(lambda: page.figures(POST)).outcome is Outcome.NOT_FOUND
    api.replace(responses.GET, DEBUG, json=alive("read_insights"))
    assert raised(lambda: page.figures(POST)).outcome is Outcome.PERMISSION


FILM = "122300000000000002"


def film(api: responses.RequestsMock, **changes: Any) -> None:
    told = {"id": FILM, "status": {"video_status": "ready"}, **changes}
    api.get(f"{GRAPH}/{FILM}", json=told)


@pytest.mark.trap("facebook", 6)
@pytest.mark.parametrize("told", [POST, POST.partition("_")[2]], ids=["full", "bare"])
def test_a_video_has_its_own_figures_and_its_post_s_counts(
    page: FacebookClient, api: responses.RequestsMock, told: str
) -> None:
    """Of posts it has no fields, and no post has its id."""
    film(api, post_id=told)
    rows = [{"name": "post_media_view", "values": [{"value": 120}]}, {"name": "odd"}]
    api.get(f"{GRAPH}/{FILM}/video_insights", json={"data": rows})
    api.get(COUNTS, json=COUNTED)
    found = page.figures(FILM).values
    assert (found[Figure.IMPRESSIONS], found[Figure.COMMENTS]) == (120, 5)
    api.get(COMMENTS, json={"data": [{"id": "123_1", "parent": {"id": POST}}]})
    (comment,) = page.comments(FILM).comments
    assert comment.parent_id == ""
    api.post(COMMENTS, json={"id": "123_2"})
    assert page.comment(FILM, "First") == "123_2"


@pytest.mark.parametrize(
    "shown", [{"status": 200, "json": {}}, {"status": 400, "json": fault(100, 33)}]
)
def test_a_video_whose_post_is_not_shown_is_not_gone(
    page: FacebookClient, api: responses.RequestsMock, shown: dict[str, Any]
) -> None:
    film(api, post_id=POST)
    api.get(f"{GRAPH}/{FILM}/video_insights", status=400, json=fault(100))
    api.get(DEBUG, json=alive())
    api.get(COUNTS, **shown)
    assert page.figures(FILM).values == {}


def test_a_video_that_is_gone_is_gone(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    api.get(f"{GRAPH}/{FILM}", status=400, json=fault(100, 33))
    api.get(DEBUG, json=alive())
    assert raised(lambda: page.figures(FILM)).outcome is Outcome.NOT_FOUND
    assert raised(lambda: page.comments(FILM)).outcome is Outcome.NOT_FOUND


@pytest.mark.trap("facebook", 12)
def test_comments_know_what_they_answer(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    rows = [
        {
            "id": "123_2",
            "message": "Me too",
            "created_time": "2026-10-05T09:12:00+0000",
            "parent": {"id": "123_1"},
            "permalink_url": "https://www.facebook.com/x",
            "is_hidden": True,
        },
        {"id": "123_1", "message": "Nice", "from": {"id": "2", "name": "Ana"}},
    ]
    paging = {"cursors": {"after": "QVFI"}, "next": "https://graph.facebook.com/next"}
    api.get(COMMENTS, json={"data": rows, "paging": paging})
    found = page.comments(POST, after="c1")
    answer, comment = found.comments
    assert (answer.parent_id, answer.author, answer.hidden) == ("123_1", "", True)
    assert answer.published_at is not None
    assert comment == Comment("123_1", "Nice", "Ana")
    assert found.after == "QVFI"
    asked = query(api.calls[0])
    assert (asked["filter"], asked["after"]) == ("stream", "c1")
    # It would leave out new comments below old posts.
    assert "since" not in asked


@pytest.mark.trap("facebook", 5)
def test_an_answer_asks_for_no_fields_and_is_never_repeated(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    where = f"{GRAPH}/123_1/comments"
    api.post(where, json={"id": "123_3"})
    assert page.reply("123_1", "Thanks") == "123_3"
    assert "fields" not in query(api.calls[0])
    assert parse_qs(str(api.calls[0].request.body)) == {"message": ["Thanks"]}


@pytest.mark.trap("facebook", 1)
@pytest.mark.trap("facebook", 5)
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500, "json": fault(1)},
        {"status": 500, "json": fault(190, 460)},
        {"status": 400, "json": fault(20, 1772107)},
        {"status": 200, "json": {}},
        {"body": requests.ReadTimeout()},
    ],
    ids=["trouble", "trouble in other words", "after writing", "no id", "lost"],
)
def test_after_an_unclear_answer_nobody_knows(
    page: FacebookClient, api: responses.RequestsMock, answer: dict[str, Any]
) -> None:
    api.post(f"{GRAPH}/123_1/comments", **answer)
    assert raised(lambda: page.reply("123_1", "Hi")).outcome is Outcome.AMBIGUOUS


def test_a_comment_that_is_gone_is_no_lost_page(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    api.post(f"{GRAPH}/123_1/comments", status=400, json=fault(100, 33))
    assert raised(lambda: page.reply("123_1", "Hi")).outcome is Outcome.NOT_FOUND


@pytest.mark.trap("facebook", 15)
def test_facebook_may_refuse_to_delete_what_is_ours(
    page: FacebookClient, api: responses.RequestsMock
) -> None:
    api.delete(COUNTS, status=403, json=fault(200, 0, "(#200) Permissions error"))
    assert raised(lambda: page.delete_post(POST)).outcome is Outcome.PERMISSION
