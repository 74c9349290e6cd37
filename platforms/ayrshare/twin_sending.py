"""How a post goes out from Ayrshare, network by network, and what each refuses.

Sources: https://www.ayrshare.com/docs/apis/post/post,
https://www.ayrshare.com/docs/errors/errors-ayrshare.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from ..practice.framework import Doc
from ..practice.pulled import may_be_pulled
from ..practice.switches import Switch
from .twin_calls import DAY_S, NETWORKS
from .twin_profiles import Profiles

META = ("facebook", "instagram", "threads")
#: not asked whether they had the same text before
NO_FILTER = ("pinterest", "reddit", "telegram")
OPTIONS = {
    "facebook": "faceBookOptions",
    "instagram": "instagramOptions",
    "linkedin": "linkedInOptions",
    "tiktok": "tikTokOptions",
    "youtube": "youTubeOptions",
    "pinterest": "pinterestOptions",
    "threads": "threadsOptions",
    "gmb": "gmbOptions",
    "reddit": "redditOptions",
    "snapchat": "snapChatOptions",
    "twitter": "twitterOptions",
    "bluesky": "blueskyOptions",
}
#: of a network's options: what a post is told to be
SAID = (
    "title",
    "link",
    "tags",
    "shorts",
    "visibility",
    "thumbNail",
    "collaborators",
    "shareReelsFeed",
    "disableComments",
    "isAIGenerated",
)
#: network -> what people choose there: name of the option, and what holds without it
CHOSEN: dict[str, dict[str, tuple[str, Any]]] = {
    "instagram": {"collaborators": ("collaborators", [])},
    "youtube": {
        "tags": ("tags", []),
        "shorts": ("shorts", False),
        "visibility": ("visibility", "private"),
    },
    "tiktok": {
        "no_comments": ("disableComments", False),
        "ai_generated": ("isAIGenerated", False),
    },
}
LISTS = ("tags", "collaborators", "altText")
FLAGS = ("shorts", "shareReelsFeed", "disableComments", "isAIGenerated")
MAX_COLLABORATORS = 3
MAX_LINK = 2_048
#: what may go well a second time
MAY_RETRY = (108, 288, 436, 479)
#: after these the network may have the post even so
UNCERTAIN = (108, 436)
TEXTS = {
    107: "The post is the same as your last status.",
    108: "The reel could not be verified.",
    110: "X does not allow a duplicate post.",
    132: "The post is longer than the limit of X.",
    138: "Instagram: there is an issue with the media or format.",
    156: "The social network is not linked.",
    161: "The Facebook authorization is no longer valid.",
    272: "There is an authorization problem with X.",
    288: "TikTok is still processing the post.",
    435: "Instagram: the limit of 50 posts in 24 hours is reached.",
    436: "Instagram: processing took too long.",
    479: "The media could not be downloaded.",
}
POST_SWITCHES = (
    Switch("network_errors", 'Networks that fail, as {"facebook": 108}', {}),
    Switch("uncertain_is_published", "After 108 and 436 the post is there", True),
    Switch("idempotency_code", "Code for a key that was seen before", 149),
    Switch("duplicate_window_s", "Same text counts as duplicate for", 2 * DAY_S),
    Switch("tiktok_id_after_s", "TikTok tells the post's id after (seconds)", 90),
    Switch("comments_cache_s", "Lists of comments are kept for (seconds)", 600),
    Switch("history_lag_s", "The history shows a post after (seconds)", 0),
    Switch("history_cache_s", "Long histories are kept for (seconds)", 60),
    Switch(
        "schedule_date_as", "scheduleDate in history is", "object", ("object", "text")
    ),
    Switch("past_date_is_now", "A scheduleDate in the past means now", True),
)


def plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


class Sending(Profiles):
    def due(self) -> list[Doc]:
        now = self.time()
        self._tell_tiktok_ids(now)
        rows = self.all("post", status="pending", paused=False)
        return [post for _, post in rows if post["due"] <= now]

    def addresses(self, post: Doc) -> list[str]:
        return list(post["urls"])

    def carry_out(self, id: str, looks: Mapping[str, Doc]) -> None:
        post = self.get("post", id)
        if not post or post["status"] != "pending":
            return
        profile = self.get("profile", post["profile"]) or {}
        self._send_out(profile, post, looks)
        facts = {name: post[name] for name in ("status", "id", "errors")}
        results = list(post["results"].values())
        self.tell_hook(profile, "scheduled", {**facts, "postIds": results})

    def _send_out(self, profile: Doc, post: Doc, looks: Mapping[str, Doc]) -> None:
        """To each network that has not got it yet."""
        self.count_post(profile["id"])
        files = [looks.get(url, {"url": url, "kind": ""}) for url in post["urls"]]
        post["errors"] = self._errors(profile, post, files)
        failed = {error["platform"]: error["code"] for error in post["errors"]}
        for network in post["platforms"]:
            code = failed.get(network)
            is_there = code in UNCERTAIN and self.setting("uncertain_is_published")
            if network in post["results"] or (code is not None and not is_there):
                continue
            result = self._publish(profile, post, network, files)
            if code is None:
                post["results"][network] = result
        post["status"] = "error" if failed else "success"
        post["sent_at"] = self.time()
        self.put("post", post["id"], post)

    def _publish(self, profile: Doc, post: Doc, network: str, files: list[Doc]) -> Doc:
        options = post["options"].get(network, {})
        hidden = ""
        if network == "youtube":
            seen = options.get("visibility", "private")
            hidden = "" if seen == "public" else f"On YouTube this video is {seen}."
        native = self.publish_native(
            network,
            profile["id"],
            self._text(post, network),
            files,
            alts=options.get("altText") or [],
            at=post["due"],
            arrived=post["arrived_at"],
            note=hidden,
            place=next((p for p in ("stories", "reels") if options.get(p)), ""),
            said={name: options[name] for name in SAID if name in options},
        )
        first = post["first_comment"].get("comment")
        if first:
            self._add_comment(native, first)
        result = {
            "status": "success",
            "id": native["id"],
            "postUrl": native["url"],
            "platform": network,
        }
        if network == "instagram":
            result["usedQuota"] = self.within_day(
                network, profile["id"], self.time() + 1
            )
        if network == "tiktok":
            self.put("tiktok", native["id"], {"post": post["id"], "at": self.time()})
            del result["postUrl"]
            result |= {
                "id": "pending",
                "idShare": f"v_pub_{native['id']}",
                "isVideo": any(file["kind"] == "video" for file in files),
            }
        return result

    def choices_of(self, native: Doc) -> Doc:
        said = native.get("said", {})
        known = CHOSEN.get(native["network"], {})
        found = {key: said.get(*option) for key, option in known.items()}
        if native["network"] == "instagram":
            found["keep_off_feed"] = said.get("shareReelsFeed") is False
        return found

    def _add_comment(self, native: Doc, text: str, by: str = "") -> str:
        id = secrets.token_hex(8)
        row = {"id": id, "text": text, "at": self.time(), "by": by}
        native["comments"].append(row)
        self.put("native", native["id"], native)
        return id

    def _tell_tiktok_ids(self, now: float) -> None:
        """Some time after the post, TikTok says its id; never of a private one."""
        for id, row in self.all("tiktok"):
            post, native = self.get("post", row["post"]), self.get("native", id)
            if row["at"] + self.setting("tiktok_id_after_s") > now:
                continue
            self.drop("tiktok", id)
            options = post["options"]["tiktok"] if post else {}
            if not post or not native or options.get("visibility") == "private":
                continue
            post["results"]["tiktok"] |= {"id": id, "postUrl": native["url"]}
            self.put("post", post["id"], post)
            facts = {"subAction": "tikTokPublished", "status": "success"}
            told = [post["results"]["tiktok"]]
            profile = self.get("profile", post["profile"]) or {}
            more = {"id": post["id"], "errors": [], "postIds": told}
            self.tell_hook(profile, "scheduled", {**facts, **more})

    def _text(self, post: Doc, network: str) -> str:
        text = post["text"]
        return str(
            text.get(network, text.get("default", ""))
            if isinstance(text, dict)
            else text
        )

    # ------------------------------------------------------------ what is refused

    def _errors(self, profile: Doc, post: Doc, files: list[Doc] | None) -> list[Doc]:
        """One error for each network that will not take it. files: what was fetched,
        or None while they are not looked at."""
        found = []
        for network in post["platforms"]:
            if network in post["results"]:
                continue
            code, text = self._error(profile, post, network, files)
            if code:
                error: Doc = {
                    "action": "post",
                    "status": "error",
                    "code": code,
                    "message": text or TEXTS.get(code, "The network refused the post."),
                    "platform": network,
                }
                if code in MAY_RETRY:
                    error["retryAvailable"] = True
                if code == 435:
                    error["details"] = 3600
                if code == 108:
                    error["detailsData"] = {
                        "verifyReelsUrl": f"{self.url}/web/{network}/reels",
                        "verifyReelsIn": 60,
                    }
                found.append(error)
        return found

    def _error(
        self, profile: Doc, post: Doc, network: str, files: list[Doc] | None
    ) -> tuple[int, str]:
        """(code, words) or (0, "")."""
        rule, text = NETWORKS[network], self._text(post, network)
        options = post["options"].get(network, {})
        if network not in self.linked(profile):
            return 156, f"{rule.label} is not linked."
        if network in profile["lost"]:
            return {"facebook": 161, "twitter": 272}.get(network, 156), ""
        for name in {"youtube": ["title"], "reddit": ["title", "subreddit"]}.get(
            network, []
        ):
            if not options.get(name):
                return 101, f"{OPTIONS[network]}.{name} is required."
        if wrong := self._wrong_option(options):
            return 101, f"{OPTIONS.get(network, network)}.{wrong}"
        if len(str(options.get("title", ""))) > 100 and network != "reddit":
            return 101, f"{OPTIONS[network]}.title has at most 100 characters."
        seen = files
        if seen is None:
            seen = [
                {"kind": rule.wants.replace("media", "image")} for _ in post["urls"]
            ]
        if files is None and not rule.wants:
            seen = []
        if wrong := self.wrong_with(network, text, seen):
            return self._code_of(wrong, network, len(text) - rule.text)
        if network == "pinterest" and not options.get("thumbNail"):
            if any(file["kind"] == "video" for file in seen):
                return 101, "pinterestOptions.thumbNail is required for a video."
        if earlier := self._same_before(post, network, text):
            return 137, (
                "Duplicate or similar content: this was posted within the last two"
                f" days, post id {earlier}."
            )
        if rule.most and files is not None:
            used = self.within_day(network, profile["id"], self.time())
            if used >= rule.most:
                return (435, "") if network == "instagram" else (429, "")
        return self.setting("network_errors").get(network, 0), ""

    def _wrong_option(self, options: Mapping[str, Any]) -> str:
        """The first that is not what it should be, "": none."""
        for name in LISTS:
            rows = options.get(name, [])
            if not isinstance(rows, list) or not all(isinstance(r, str) for r in rows):
                return f"{name} is a list of strings."
        for name in FLAGS:
            if not isinstance(options.get(name, False), bool):
                return f"{name} is true or false."
        if len(options.get("collaborators", [])) > MAX_COLLABORATORS:
            return f"collaborators has at most {MAX_COLLABORATORS} names."
        if len(str(options.get("link", ""))) > MAX_LINK:
            return f"link has at most {MAX_LINK} characters."
        cover = options.get("thumbNail")
        if cover is not None and not (isinstance(cover, str) and may_be_pulled(cover)):
            return "thumbNail is an https address."
        return ""

    def _code_of(self, wrong: str, network: str, over: int) -> tuple[int, str]:
        label = NETWORKS[network].label
        if wrong == "fetch":
            is_meta = network in META
            return (479, "") if is_meta else (101, "The media could not be fetched.")
        if wrong == "long" and network == "twitter":
            return 132, f"{TEXTS[132]} It is {over} characters over."
        if wrong == "media" and network == "instagram":
            return 138, ""
        words = "text is too long" if wrong == "long" else "needs other media"
        return 101, f"{label}: {words}."

    def _same_before(self, post: Doc, network: str, text: str) -> str:
        """The id of another post with nearly the same text near the same time."""
        if network in NO_FILTER or not plain(text):
            return ""
        window = self.setting("duplicate_window_s")
        for id, other in self.all("post", profile=post["profile"]):
            is_out = network in other["results"] or other["status"] == "pending"
            is_near = abs(other["due"] - post["due"]) < window
            if id == post["id"] or not is_out or not is_near:
                continue
            if network in other["platforms"] and plain(
                self._text(other, network)
            ) == plain(text):
                return id
        return ""
