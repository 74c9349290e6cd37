"""What readers do on the six older networks, over HTTP: figures, comments, answers,
hiding and deletion, held against the fact sheets."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
import requests

from platforms.practice.server import TWINS, load_twins, start_practice

SLUGS = ("facebook", "instagram", "linkedin", "x", "mastodon", "bluesky")
FEED = "app.bsky.feed.post"
DISTRIBUTION = {
    "feedDistribution": "MAIN_FEED",
    "targetEntities": [],
    "thirdPartyDistributionChannels": [],
}
X_SCOPES = (
    *("tweet.read", "tweet.write", "users.read", "media.write"),
    "tweet.moderate.write",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers")
    server = start_practice(folder, twins=load_twins({s: TWINS[s] for s in SLUGS}))
    yield server
    server.stop()


class Practice:
    """A program that talks to the twins, and the panel's interface beside it."""

    def __init__(self, http, server):
        self.http, self.server = http, server

    def panel(self, path, status=None, **body):
        answer = self.http.post(
            f"{self.server.url}/api/{path}", json=body, headers={"X-Practice": "1"}
        )
        assert answer.status_code == status if status else answer.ok, answer.text
        return answer.json()

    def account(self, platform, handle="cake", **options):
        body = {"handle": handle, "name": handle.title(), "options": options}
        made = self.panel("accounts", platform=platform, **body)
        return made | {"platform": platform}

    def lose(self, account, scope):
        who = {"platform": account["platform"], "account": account["external_id"]}
        self.panel("tokens", **who, how=f"scope_lost:{scope}")

    def switch(self, platform, **values):
        for name, value in values.items():
            where = {"platform": platform, "name": name}
            self.panel("switches", **where, value=str(value))

    def comment(self, platform, post, text="Nice", under="", by="Riley Reader"):
        sent = {"post": post, "by": by, "text": text, "under": under}
        return self.panel("comments", platform=platform, **sent)["id"]

    def posts(self, platform):
        where = f"{self.server.url}/api/posts?platform={platform}"
        return self.http.get(where).json()["posts"]

    def __call__(self, account, method, path, ok=True, headers=(), **kwargs):
        headers = {"Authorization": f"Bearer {account['access_token']}"} | dict(headers)
        url = f"{self.server.url}/{account['platform']}/{path}"
        answer = self.http.request(method, url, headers=headers, timeout=20, **kwargs)
        if ok:
            assert answer.ok, answer.text
            return answer.json() if answer.content else None
        assert answer.status_code >= 400, answer.text
        return answer


@pytest.fixture
def network(server):
    with requests.Session() as http:
        http.trust_env = False
        network = Practice(http, server)
        network.panel("reset")
        yield network


# ---------------------------------------------------------------- Facebook


def graph(network, account, method, path, ok=True, **values):
    if account["extra"].get("variant") == "instagram":
        host = "ig"
    else:
        host = "graph"
    sent = {"data": values} if method == "POST" else {"params": values}
    answer = network(account, method, f"{host}/v26.0/{path}", ok, **sent)
    if ok:
        return answer
    error = answer.json()["error"]
    return (error["code"], error.get("error_subcode"))


@pytest.fixture
def page(network):
    return network.account("facebook")


@pytest.fixture
def page_post(network, page):
    path = f"{page['external_id']}/feed"
    return graph(network, page, "POST", path, message="Hello")["id"]


def test_a_facebook_post_tells_its_figures(network, page, page_post):
    asked = "post_media_view,post_reactions_by_type_total"
    rows = graph(network, page, "GET", f"{page_post}/insights", metric=asked)["data"]
    assert [row["name"] for row in rows] == asked.split(",")
    assert rows[0]["period"] == "lifetime"
    assert rows[0]["values"] == [{"value": 120}]
    assert rows[1]["values"][0]["value"] == {"like": 3, "love": 1}
    fields = "shares,comments.limit(0).summary(true),reactions.limit(0).summary(true)"
    counts = graph(network, page, "GET", page_post, fields=fields)
    assert counts["shares"] == {"count": 2}
    assert counts["reactions"] == {"data": [], "summary": {"total_count": 4}}
    assert counts["comments"]["summary"]["total_count"] == 0
    network.switch("facebook", impressions=0)
    assert "shares" not in graph(network, page, "GET", page_post, fields=fields)


@pytest.mark.parametrize(
    "metric", ["page_fans", "post_impressions", "page_views_total"]
)
def test_one_metric_that_facebook_has_not_fails_the_whole_call(
    network, page, page_post, metric
):
    asked = f"post_media_view,{metric}"
    path = f"{page_post}/insights"
    assert graph(network, page, "GET", path, ok=False, metric=asked) == (100, None)


def test_days_of_a_facebook_page_end_at_midnight_in_california(
    network, page, page_post
):
    network.panel("clock", shift_s=2 * 86_400)
    path = f"{page['external_id']}/insights"
    found = graph(network, page, "GET", path, metric="page_media_view", period="day")
    (row,) = found["data"]
    assert sum(value["value"] for value in row["values"]) == 120
    assert {value["end_time"][11:13] for value in row["values"]} <= {"07", "08"}
    assert found["paging"].keys() == {"previous", "next"}
    now = network.server.world.now().timestamp()
    span = {"since": int(now) - 91 * 86_400, "until": int(now)}
    assert graph(network, page, "GET", path, ok=False, **span) == (100, None)


@pytest.mark.parametrize("path", ["{page}/insights", "{post}/insights"])
def test_facebook_figures_want_their_permission(network, page, page_post, path):
    path = path.format(page=page["external_id"], post=page_post)
    network.lose(page, "read_insights")
    refused = graph(network, page, "GET", path, ok=False, metric="post_media_view")
    assert refused == (10, None)


def test_a_conversation_on_facebook_has_two_levels(network, page, page_post):
    first = network.comment("facebook", page_post, "Lovely")
    answer = graph(network, page, "POST", f"{first}/comments", message="Thanks")["id"]
    path = f"{page_post}/comments"
    fields = "id,message,from{id,name},parent{id},is_hidden,permalink_url"
    (top,) = graph(network, page, "GET", path, fields=fields)["data"]
    assert (top["id"], top["from"]["name"]) == (first, "Riley Reader")
    assert "parent" not in top
    rows = graph(network, page, "GET", path, fields=fields, filter="stream")["data"]
    assert [row["id"] for row in rows] == [first, answer]
    assert rows[1]["parent"] == {"id": first}
    assert rows[1]["from"]["id"] == page["external_id"]
    below = graph(network, page, "GET", f"{first}/comments")["data"]
    assert [row["id"] for row in below] == [answer]
    newest = {"filter": "stream", "order": "reverse_chronological", "limit": 1}
    cut = graph(network, page, "GET", path, **newest)
    assert [row["id"] for row in cut["data"]] == [answer]
    assert "after=" in cut["paging"]["next"]
    to_answer = graph(
        network, page, "POST", f"{answer}/comments", ok=False, message="No"
    )
    assert to_answer == (100, None)


def test_comments_on_facebook_are_hidden_and_deleted(network, page, page_post):
    theirs = network.comment("facebook", page_post)
    ours = graph(network, page, "POST", f"{page_post}/comments", message="Hi")["id"]
    done = {"success": True}
    assert graph(network, page, "POST", theirs, is_hidden="true") == done
    assert graph(network, page, "GET", theirs, fields="is_hidden")["is_hidden"]
    for id in (theirs, ours):
        assert graph(network, page, "DELETE", id) == done
        assert graph(network, page, "GET", id, ok=False) == (100, 33)
    assert graph(network, page, "GET", f"{page_post}/comments") == {"data": []}


def test_facebook_may_leave_out_who_wrote(network, page, page_post):
    id = network.comment("facebook", page_post)
    network.switch("facebook", omit_from="yes")
    assert "from" not in graph(network, page, "GET", id, fields="from,message")


@pytest.mark.parametrize(
    ("method", "scope"),
    [("GET", "pages_read_user_content"), ("POST", "pages_manage_engagement")],
)
def test_comments_on_facebook_want_their_permissions(
    network, page, page_post, method, scope
):
    network.lose(page, scope)
    path = f"{page_post}/comments"
    code, _ = graph(network, page, method, path, ok=False, message="Hello")
    assert code in (10, 200)


# ---------------------------------------------------------------- Instagram


@pytest.fixture(params=["facebook", "instagram"])
def ig(network, request):
    network.switch("instagram", believe_the_address="yes", image_polls=0)
    return network.account("instagram", variant=request.param)


@pytest.fixture
def media(network, ig):
    id, picture = ig["external_id"], "https://cdn.example/a.jpg"
    made = graph(network, ig, "POST", f"{id}/media", image_url=picture)["id"]
    path = f"{id}/media_publish"
    return graph(network, ig, "POST", path, creation_id=made)["id"]


def test_instagram_tells_figures_of_a_post_and_of_the_account(network, ig, media):
    asked = "views,reach,likes,comments,saved,shares,total_interactions"
    rows = graph(network, ig, "GET", f"{media}/insights", metric=asked)["data"]
    values = {row["name"]: row["values"][0]["value"] for row in rows}
    assert list(values) == asked.split(",")
    assert (values["views"], values["reach"], values["comments"]) == (120, 96, 0)
    assert {row["period"] for row in rows} == {"lifetime"}
    path = f"{ig['external_id']}/insights"
    total = {"metric": "views,accounts_engaged,saves", "metric_type": "total_value"}
    rows = graph(network, ig, "GET", path, period="day", **total)["data"]
    assert [row["total_value"]["value"] for row in rows] == [120, 96, 3]
    (row,) = graph(network, ig, "GET", path, metric="reach", period="day")["data"]
    assert sum(value["value"] for value in row["values"]) == 96
    counts = graph(network, ig, "GET", media, fields="like_count,comments_count")
    assert (counts["like_count"], counts["comments_count"]) == (12, 0)


def test_instagram_answers_with_nothing_where_it_knows_nothing(network, ig, media):
    path = f"{ig['external_id']}/insights"
    asked = {"metric": "follower_demographics", "metric_type": "total_value"}
    asked |= {"period": "lifetime", "breakdown": "country"}
    assert graph(network, ig, "GET", path, **asked)["data"]
    network.switch("instagram", impressions=0, followers=99, likes_hidden="yes")
    shown = graph(network, ig, "GET", f"{media}/insights", metric="reach")
    assert shown == {"data": []}
    assert graph(network, ig, "GET", path, **asked) == {"data": []}
    assert "like_count" not in graph(network, ig, "GET", media, fields="like_count")


@pytest.mark.parametrize(
    "asked",
    [
        {"metric": "impressions"},
        {"metric": "reach,plays"},
        {"metric": "ig_reels_avg_watch_time"},  # of reels alone
        {},
    ],
)
def test_instagram_refuses_metrics_that_a_post_has_not(network, ig, media, asked):
    path = f"{media}/insights"
    assert graph(network, ig, "GET", path, ok=False, **asked) == (100, None)


def test_a_conversation_on_instagram(network, ig, media):
    first = network.comment("instagram", media, "Lovely")
    made = graph(network, ig, "POST", f"{first}/replies", message="Thanks")["id"]
    fields = "id,text,timestamp,username,from,hidden,replies{id,text,username}"
    (row,) = graph(network, ig, "GET", f"{media}/comments", fields=fields)["data"]
    assert (row["id"], row["username"]) == (first, "riley_reader")
    assert row["replies"]["data"] == [
        {"id": made, "text": "Thanks", "username": "cake"}
    ]
    below = graph(network, ig, "GET", f"{first}/replies")["data"]
    assert [reply["id"] for reply in below] == [made]
    deep = graph(network, ig, "POST", f"{made}/replies", ok=False, message="No")
    assert deep == (100, None)
    done = {"success": True}
    assert graph(network, ig, "POST", first, hide="true") == done
    assert graph(network, ig, "GET", first, fields="hidden")["hidden"] is True
    assert graph(network, ig, "DELETE", first) == done
    assert graph(network, ig, "GET", first, ok=False) == (100, 33)
    assert graph(network, ig, "GET", f"{media}/comments") == {"data": []}


@pytest.mark.parametrize("what", ["insights", "comments"])
def test_instagram_wants_a_permission_for_each(network, ig, media, what):
    word = {"insights": "insights", "comments": "comments"}[what]
    is_own = ig["extra"].get("variant") == "instagram"
    scope = f"instagram_{'business_' if is_own else ''}manage_{word}"
    network.lose(ig, scope)
    path = f"{media}/{what}"
    assert graph(network, ig, "GET", path, ok=False, metric="reach") == (10, None)


# ---------------------------------------------------------------- LinkedIn


def rest(network, account, method, path, ok=True, **kwargs):
    headers = {"Linkedin-Version": "202609", "X-Restli-Protocol-Version": "2.0.0"}
    headers |= kwargs.pop("headers", {})
    return network(account, method, f"api/rest/{path}", ok, headers, **kwargs)


def enc(text):
    return quote(text, safe="")


@pytest.fixture(params=["organization", "member"])
def author(network, request):
    if request.param == "organization":
        return network.account("linkedin", kind="organization")
    return network.account("linkedin", kind="member")


@pytest.fixture
def share(network, author):
    body = {
        "author": author["external_id"],
        "commentary": "Hello",
        "visibility": "PUBLIC",
        "distribution": DISTRIBUTION,
        "lifecycleState": "PUBLISHED",
    }
    rest(network, author, "POST", "posts", json=body)
    return network.posts("linkedin")[0]["id"]


def test_linkedin_tells_figures_of_pages_and_of_members(network, author, share):
    urn = author["external_id"]
    if ":person:" in urn:
        asked = f"memberCreatorPostAnalytics?q=entity&entity=(share:{enc(share)})"
        for metric, count in (("IMPRESSION", 120), ("REACTION", 3), ("COMMENT", 0)):
            path = f"{asked}&queryType={metric}&aggregation=TOTAL"
            (row,) = rest(network, author, "GET", path)["elements"]
            assert row["count"] == count
            assert list(row["metricType"].values()) == [metric]
        network.switch("linkedin", metric_form="text", metric_name="value")
        (row,) = rest(network, author, "GET", path)["elements"]
        assert row == {"value": 0, "metricType": "COMMENT"}
        return
    asked = "organizationalEntityShareStatistics?q=organizationalEntity"
    asked += f"&organizationalEntity={enc(urn)}"
    path = f"{asked}&shares=List({enc(share)})"
    (row,) = rest(network, author, "GET", path)["elements"]
    assert row["share"] == share
    counts = row["totalShareStatistics"]
    assert (counts["impressionCount"], counts["commentCount"]) == (120, 0)
    now = int(network.server.world.now().timestamp() * 1000)
    span = f"start:{now - 2 * 86_400_000},end:{now + 1}"
    span = f"&timeIntervals=(timeRange:({span}),timeGranularityType:DAY)"
    days = rest(network, author, "GET", asked + span)["elements"]
    assert len(days) == 3
    seen = [day["totalShareStatistics"]["impressionCount"] for day in days]
    assert sum(seen) == 120
    network.switch("linkedin", impressions=0)
    assert rest(network, author, "GET", path)["elements"] == []  # no activity: left out
    size = f"networkSizes/{enc(urn)}?edgeType=COMPANY_FOLLOWED_BY_MEMBER"
    assert rest(network, author, "GET", size) == {"firstDegreeSize": 1200}
    followers = "organizationalEntityFollowerStatistics?q=organizationalEntity"
    followers += f"&organizationalEntity={enc(urn)}{span}"
    rows = rest(network, author, "GET", followers)["elements"]
    assert {"organicFollowerGain", "paidFollowerGain"} == rows[0][
        "followerGains"
    ].keys()
    old = f"{asked}&shares[0]={enc(share)}"
    assert rest(network, author, "GET", old, ok=False).status_code == 403


def test_a_conversation_on_linkedin(network, author, share):
    urn = author["external_id"]
    path = f"socialActions/{enc(share)}/comments"
    first = network.comment("linkedin", share, "Lovely")
    found = rest(network, author, "GET", f"{path}?start=0&count=50")
    (row,) = found["elements"]
    assert (row["commentUrn"], row["message"]["text"]) == (first, "Lovely")
    assert row["object"].startswith("urn:li:activity:")
    assert row["actor"].startswith("urn:li:person:")
    assert found["paging"]["total"] == 1
    body = {"actor": urn, "object": share, "message": {"text": "Thanks (all)"}}
    reply = f"socialActions/{enc(first)}/comments"
    refused = rest(network, author, "POST", reply, ok=False, json=body)
    assert refused.status_code == 422
    answer = body | {"parentComment": first}
    made = rest(network, author, "POST", reply, json=answer)
    assert made["parentComment"] == first
    below = rest(network, author, "GET", reply)["elements"]
    assert [row["message"]["text"] for row in below] == ["Thanks (all)"]
    counts = rest(network, author, "GET", f"socialMetadata/{enc(share)}")
    assert counts["commentSummary"] == {"count": 2, "topLevelCount": 1}
    summary = rest(network, author, "GET", f"socialActions/{enc(share)}")
    assert summary["commentsSummary"]["aggregatedTotalComments"] == 2
    gone = f"{path}/{made['id']}?actor={enc(urn)}"
    assert rest(network, author, "DELETE", gone) is None
    assert rest(network, author, "DELETE", gone, ok=False).status_code == 404


def test_linkedin_comments_have_their_own_refusals(network, author, share):
    path = f"socialActions/{enc(share)}/comments"
    body = {"actor": author["external_id"], "object": share, "message": {"text": "A"}}
    network.switch("linkedin", activity_delay_s=60)
    early = rest(network, author, "POST", path, ok=False, json=body)
    assert early.json()["message"] == "Unable to obtain activity"
    network.switch("linkedin", activity_delay_s=0, comments_per_minute=0)
    many = rest(network, author, "POST", path, ok=False, json=body)
    assert many.status_code == 429
    assert "Comment create throttled" in many.json()["message"]
    network.switch("linkedin", comments_per_minute=30)
    off = {"patch": {"$set": {"commentsState": "CLOSED"}}}
    method = {"X-RestLi-Method": "PARTIAL_UPDATE"}
    where = f"socialMetadata/{enc(share)}"
    rest(network, author, "POST", where, json=off, headers=method)
    assert rest(network, author, "GET", where)["commentsState"] == "CLOSED"
    assert rest(network, author, "POST", path, ok=False, json=body).status_code == 403


def test_linkedin_comments_want_the_feed_scopes(network, share, author):
    member = author["extra"].get("member", author["external_id"])
    is_page = ":organization:" in author["external_id"]
    scope = "r_organization_social_feed" if is_page else "w_member_social_feed"
    network.lose(author | {"external_id": member}, scope)
    path = f"socialActions/{enc(share)}/comments"
    refused = rest(network, author, "GET", path, ok=False)
    assert refused.status_code == 403
    assert refused.json()["message"].startswith("Not enough permissions to access")


# ---------------------------------------------------------------- X


@pytest.fixture
def x(network):
    return network.account("x", scopes=X_SCOPES)


@pytest.fixture
def tweet(network, x):
    return network(x, "POST", "2/tweets", json={"text": "Hello"})["data"]["id"]


def replies(network, x, tweet, ok=True, **more):
    fields = "author_id,created_at,in_reply_to_user_id,referenced_tweets"
    asked = {"query": f"conversation_id:{tweet}", "tweet.fields": fields, **more}
    asked["expansions"] = "author_id"
    return network(x, "GET", "2/tweets/search/recent", ok, params=asked)


def test_x_tells_figures_and_analytics(network, x, tweet):
    network.comment("x", tweet)
    fields = {"ids": tweet, "tweet.fields": "public_metrics,non_public_metrics"}
    (row,) = network(x, "GET", "2/tweets", params=fields)["data"]
    assert row["public_metrics"]["impression_count"] == 120
    assert row["public_metrics"]["reply_count"] == 1
    assert row["non_public_metrics"]["url_link_clicks"] == 4
    now = network.server.world.now()
    span = {
        "start_time": (now - timedelta(days=1)).isoformat(),
        "end_time": (now + timedelta(hours=1)).isoformat(),
        "granularity": "total",
        "ids": tweet,
        "analytics.fields": "impressions,replies,engagements",
    }
    (row,) = network(x, "GET", "2/tweets/analytics", params=span)["data"]
    (point,) = row["timestamped_metrics"]
    assert point["metrics"]["impressions"] == 120
    assert point["metrics"].keys() == {"impressions", "replies", "engagements"}
    hours = {**span, "granularity": "hourly"}
    (row,) = network(x, "GET", "2/tweets/analytics", params=hours)["data"]
    points = [point["metrics"]["impressions"] for point in row["timestamped_metrics"]]
    assert sorted(points)[-2:] == [0, 120]
    del span["granularity"]
    refused = network(x, "GET", "2/tweets/analytics", ok=False, params=span)
    assert refused.status_code == 400
    other = network.account("x", "other")
    theirs = {**span, "granularity": "total"}
    answer = network(other, "GET", "2/tweets/analytics", params=theirs)
    assert "data" not in answer
    assert answer["errors"][0]["type"].endswith("not-authorized-for-field")


def test_replies_on_x_are_found_answered_and_hidden(network, x, tweet):
    first = network.comment("x", tweet, "Lovely")
    ours = network(
        x,
        "POST",
        "2/tweets",
        json={"text": "Thanks", "reply": {"in_reply_to_tweet_id": first}},
    )["data"]["id"]
    found = replies(network, x, tweet)
    assert [row["id"] for row in found["data"]] == [ours, first, tweet]
    theirs = found["data"][1]
    assert theirs["referenced_tweets"] == [{"type": "replied_to", "id": tweet}]
    names = {user["id"]: user["username"] for user in found["includes"]["users"]}
    assert names[theirs["author_id"]] == "RileyReader"
    network.switch("x", search_finds_root="no")
    assert replies(network, x, tweet)["meta"]["result_count"] == 2
    hidden = network(x, "PUT", f"2/tweets/{first}/hidden", json={"hidden": True})
    assert hidden == {"data": {"hidden": True}}
    me = x["external_id"]
    (named,) = network(x, "GET", f"2/users/{me}/mentions")["data"]
    assert named["id"] == first
    assert [post["id"] for post in network.posts("x")] == [tweet, ours]
    network.panel("clock", shift_s=8 * 86_400)
    x = network.account("x", scopes=X_SCOPES)  # the access ended meanwhile
    assert replies(network, x, tweet) == {"meta": {"result_count": 0}}


def test_a_search_on_x_comes_in_pages(network, x, tweet):
    for number in range(11):
        network.comment("x", tweet, f"Number {number}")
    first = replies(network, x, tweet, max_results=10)
    token = first["meta"]["next_token"]
    rest_of = replies(network, x, tweet, max_results=10, next_token=token)
    ids = [row["id"] for answer in (first, rest_of) for row in answer["data"]]
    assert len(ids) == len(set(ids)) == 12
    assert "next_token" not in rest_of["meta"]
    assert replies(network, x, tweet, ok=False, max_results=9).status_code == 400


def test_x_lets_nobody_answer_who_was_not_asked(network, x, tweet):
    other = network.account("x", "other")
    body = {"text": "Hi", "reply": {"in_reply_to_tweet_id": tweet}}
    assert network(other, "POST", "2/tweets", ok=False, json=body).status_code == 403
    path = f"2/tweets/{network.comment('x', tweet)}/hidden"
    theirs = network.account("x", "third", scopes=X_SCOPES)
    for account in (other, theirs):  # without the scope, and without the conversation
        refused = network(account, "PUT", path, ok=False, json={"hidden": True})
        assert refused.status_code == 403


# ---------------------------------------------------------------- Mastodon, Bluesky


def test_a_conversation_on_mastodon(network):
    acme = network.account("mastodon")
    post = network(acme, "POST", "api/v1/statuses", json={"status": "Hello"})["id"]
    first = network.comment("mastodon", post, "Lovely")
    body = {"status": "@riley_reader Thanks", "in_reply_to_id": first}
    ours = network(acme, "POST", "api/v1/statuses", json=body)["id"]
    context = network(acme, "GET", f"api/v1/statuses/{post}/context")
    assert [row["id"] for row in context["descendants"]] == [first, ours]
    assert context["descendants"][0]["account"]["display_name"] == "Riley Reader"
    assert context["descendants"][1]["in_reply_to_id"] == first
    above = network(acme, "GET", f"api/v1/statuses/{ours}/context")["ancestors"]
    assert [row["id"] for row in above] == [post, first]
    counts = network(acme, "GET", f"api/v1/statuses/{post}")
    assert (counts["replies_count"], counts["favourites_count"]) == (1, 4)
    many = network(acme, "GET", "api/v1/statuses", params={"id[]": [post, first]})
    assert [row["replies_count"] for row in many] == [1, 1]
    asked = {"types[]": "mention", "limit": 40}
    (notice,) = network(acme, "GET", "api/v1/notifications", params=asked)
    assert (notice["type"], notice["status"]["id"]) == ("mention", first)
    since = {**asked, "since_id": notice["id"]}
    assert network(acme, "GET", "api/v1/notifications", params=since) == []
    assert [row["id"] for row in network.posts("mastodon")] == [post, ours]
    network(acme, "DELETE", f"api/v1/statuses/{ours}")
    assert network(acme, "GET", f"api/v1/statuses/{first}")["replies_count"] == 0


def test_a_conversation_on_bluesky(network):
    acme = network.account("bluesky")
    network.switch("bluesky", public_delay_s=0)
    did = acme["external_id"]
    record = {"$type": FEED, "text": "Hello", "createdAt": "2026-02-03T09:10:11.000Z"}
    body = {"repo": did, "collection": FEED, "record": record}
    made = network(acme, "POST", "xrpc/com.atproto.repo.createRecord", json=body)
    first = network.comment("bluesky", made["uri"], "Lovely")
    network.comment("bluesky", made["uri"], "Deeper", under=first)
    asked = {"uri": made["uri"], "depth": 6, "parentHeight": 0}
    where = "xrpc/app.bsky.feed.getPostThread"
    thread = network(acme, "GET", where, params=asked)["thread"]
    (reply,) = thread["replies"]
    assert reply["post"]["record"]["text"] == "Lovely"
    assert reply["post"]["author"]["displayName"] == "Riley Reader"
    assert [row["post"]["record"]["text"] for row in reply["replies"]] == ["Deeper"]
    shallow = network(acme, "GET", where, params={**asked, "depth": 1})["thread"]
    assert "replies" not in shallow["replies"][0]
    uris = {"uris": [made["uri"], made["uri"] + "x"]}
    (post,) = network(acme, "GET", "xrpc/app.bsky.feed.getPosts", params=uris)["posts"]
    assert (post["replyCount"], post["likeCount"], post["repostCount"]) == (1, 4, 2)
    mine = "xrpc/app.bsky.notification.listNotifications"
    rows = network(acme, "GET", mine, params={"reasons": "reply"})["notifications"]
    assert [row["record"]["text"] for row in rows] == ["Deeper", "Lovely"]
    assert {row["reason"] for row in rows} == {"reply"}
    network.switch("bluesky", blocked_replies=1)
    (blocked,) = network(acme, "GET", where, params=asked)["thread"]["replies"]
    assert blocked["$type"] == "app.bsky.feed.defs#blockedPost"
    assert [row["id"] for row in network.posts("bluesky")] == [made["uri"]]
    gone = {"repo": did, "collection": FEED, "rkey": made["uri"].rsplit("/", 1)[-1]}
    network(acme, "POST", "xrpc/com.atproto.repo.deleteRecord", json=gone)
    answer = network(acme, "GET", where, ok=False, params=asked)
    assert answer.json()["error"] == "NotFound"


# ---------------------------------------------------------------- the panel


def test_the_panel_writes_comments_for_people_too(network, page, page_post):
    url = f"{network.server.url}/panel/facebook"
    shown = network.http.get(url).text
    assert "Comment as a reader" in shown
    token = network.http.cookies["practice_form"]
    form = {"platform": "facebook", "post": page_post, "by": "Riley", "text": "Nice"}
    answer = network.http.post(
        f"{network.server.url}/panel/comments",
        data={**form, "form_token": token, "back": "facebook"},
    )
    assert answer.url.endswith("/panel/facebook?done=comment")
    rows = graph(network, page, "GET", f"{page_post}/comments")["data"]
    assert [row["message"] for row in rows] == ["Nice"]


@pytest.mark.parametrize("slug", SLUGS)
def test_a_comment_needs_a_post_that_is_there(network, slug):
    sent = {"platform": slug, "post": "nothing", "by": "Riley", "text": "Nice"}
    refused = network.panel("comments", status=400, **sent)
    assert refused["error"] == "There is no such post."


def test_a_comment_needs_a_reader_and_a_text(network):
    refused = network.panel("comments", status=400, platform="x", post="1", by="Riley")
    assert "needs the name" in refused["error"]
