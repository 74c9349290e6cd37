"""Figures, comments and answers of LinkedIn's posts, as the sheet has them."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests
import responses

from platforms.base import After, Figure
from platforms.errors import Cause, Outcome, PlatformError
from platforms.linkedin.client import LinkedInClient
from platforms.linkedin.spec import SPEC

from .test_linkedin_client import API, PAGE, PERSON, SHARE

UGC = "urn:li:ugcPost:7295588489876647936"
ACTIVITY = "urn:li:activity:7295588490000000000"
COMMENT = f"urn:li:comment:({ACTIVITY},7295600000000000001)"
STATS = f"{API}/rest/organizationalEntityShareStatistics"
MEMBER = f"{API}/rest/memberCreatorPostAnalytics"
ENCODED = quote(COMMENT, safe="")
COUNTS = {
    "impressionCount": 4120,
    "uniqueImpressionsCount": 2811,
    "clickCount": 93,
    "likeCount": 41,
    "commentCount": 6,
    "shareCount": 3,
    "engagement": 0.0347,
}


def raised(work: Callable[[], Any]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    return caught.value


@pytest.mark.parametrize(
    ("urn", "row", "asked"), [(SHARE, "share", "shares"), (UGC, "ugcPost", "ugcPosts")]
)
def test_figures_of_a_page_are_one_call(
    page_client: LinkedInClient,
    api: responses.RequestsMock,
    urn: str,
    row: str,
    asked: str,
) -> None:
    api.get(STATS, json={"elements": [{row: urn, "totalShareStatistics": COUNTS}]})
    assert page_client.figures(urn).values == {
        Figure.IMPRESSIONS: 4120,
        Figure.REACH: 2811,
        Figure.CLICKS: 93,
        Figure.LIKES: 41,
        Figure.COMMENTS: 6,
        Figure.SHARES: 3,
    }
    # The list's own signs are not encoded, the URN in it is.
    url = str(api.calls[0].request.url)
    assert f"&{asked}=List(urn%3Ali%3A{row}%3A7295588489876647936)" in url
    assert "organizationalEntity=urn%3Ali%3Aorganization%3A1234567" in url


def test_a_post_of_a_page_that_is_left_out_has_zeros_or_is_gone(
    page_client: LinkedInClient, api: responses.RequestsMock
) -> None:
    post = f"{API}/rest/posts/urn%3Ali%3Ashare%3A7295588489876647936"
    api.get(STATS, json={"elements": []})
    api.get(post, json={"id": SHARE})
    assert set(page_client.figures(SHARE).values.values()) == {0}
    api.replace(responses.GET, post, status=404, json={"status": 404})
    assert raised(lambda: page_client.figures(SHARE)).outcome is Outcome.NOT_FOUND
    # Who may not read posts is told no more than that nobody has looked at it.
    refused = {"message": "Not enough permissions to access: posts", "status": 403}
    api.replace(responses.GET, post, status=403, json=refused)
    assert set(page_client.figures(SHARE).values.values()) == {0}


def test_figures_of_a_member_are_one_call_for_each_metric(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    for row in ({"count": 1542}, {"value": 900}, {"count": 3}, {}):
        api.get(MEMBER, json={"elements": [row]})
    api.get(MEMBER, json={"elements": []})
    assert client.figures(SHARE).values == {
        Figure.IMPRESSIONS: 1542,
        Figure.REACH: 900,
        Figure.LIKES: 3,
    }
    urls = [str(call.request.url) for call in api.calls]
    assert "&entity=(share:urn%3Ali%3Ashare%3A7295588489876647936)" in urls[0]
    assert "&queryType=IMPRESSION&aggregation=TOTAL" in urls[0]
    assert len(urls) == sum(client.calls_of(After.FIGURES).values())


def test_a_missing_permission_is_no_missing_data(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    api.get(
        MEMBER,
        status=403,
        json={
            "status": 403,
            "code": "ACCESS_DENIED",
            "message": "Not enough permissions to access: memberCreatorPostAnalytics",
        },
    )
    error = raised(lambda: client.figures(SHARE))
    assert (error.outcome, error.cause) == (Outcome.PERMISSION, Cause.SCOPE_MISSING)


def test_comments_are_known_by_their_urn_and_their_authors_have_no_name(
    page_client: LinkedInClient, api: responses.RequestsMock
) -> None:
    row = {
        "id": "7295600000000000001",
        "commentUrn": COMMENT,
        "actor": "urn:li:person:zZ9",
        "object": ACTIVITY,
        "message": {"text": "Nice"},
        "created": {"time": 1795000100000},
    }
    rest = {k: v for k, v in row.items() if k != "commentUrn"}
    ours = {**rest, "actor": PAGE, "parentComment": COMMENT, "id": "2"}
    where = f"{API}/rest/socialActions/urn%3Ali%3Ashare%3A7295588489876647936/comments"
    api.get(where, json={"elements": [row, ours, {"id": "3"}]})
    page = page_client.comments(SHARE)
    first, second = page.comments
    assert (first.external_id, first.text, first.author) == (COMMENT, "Nice", "")
    assert first.published_at is not None
    assert second.external_id == f"urn:li:comment:({ACTIVITY},2)"
    assert second.parent_id == COMMENT
    assert page.after == ""
    assert "start=0&count=50" in str(api.calls[0].request.url)
    api.replace(responses.GET, where, json={"elements": [row] * 50})
    assert page_client.comments(SHARE, after="50").after == "100"


def test_what_people_wrote_may_be_kept_for_two_days() -> None:
    assert SPEC.comments_kept == timedelta(hours=48)


@pytest.mark.trap("linkedin", 2)
@pytest.mark.trap("linkedin", 15)
def test_an_answer_is_plain_text_and_names_the_activity(
    client: LinkedInClient, api: responses.RequestsMock
) -> None:
    where = f"{API}/rest/socialActions/{ENCODED}/comments"
    api.post(where, status=201, headers={"x-restli-id": "77"}, json={})
    answer = client.reply(COMMENT, "Thanks (all of you)_")
    assert answer == f"urn:li:comment:({ACTIVITY},77)"
    assert json.loads(api.calls[0].request.body or "") == {
        "actor": PERSON,
        "object": ACTIVITY,
        "message": {"text": "Thanks (all of you)_"},
        "parentComment": COMMENT,
    }


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"status": 201, "json": {}}, Outcome.AMBIGUOUS),
        ({"status": 504, "json": {"code": "GATEWAY_TIMEOUT"}}, Outcome.AMBIGUOUS),
        ({"body": requests.ReadTimeout()}, Outcome.AMBIGUOUS),
        (
            {"status": 400, "json": {"message": "Unable to obtain activity"}},
            Outcome.TRANSIENT,
        ),
        (
            {"status": 429, "json": {"message": "Comment create throttled: ..."}},
            Outcome.RATE_LIMITED,
        ),
    ],
    ids=["no id", "gateway", "lost", "not indexed yet", "throttled"],
)
def test_other_ends_of_an_answer(
    client: LinkedInClient,
    api: responses.RequestsMock,
    answer: dict[str, Any],
    outcome: Outcome,
) -> None:
    api.post(f"{API}/rest/socialActions/{ENCODED}/comments", **answer)
    assert raised(lambda: client.reply(COMMENT, "Hi")).outcome is outcome


def test_what_is_no_comment_is_not_answered(client: LinkedInClient) -> None:
    assert raised(lambda: client.reply(SHARE, "Hi")).outcome is Outcome.NOT_FOUND
