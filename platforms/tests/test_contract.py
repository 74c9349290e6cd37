"""What every platform must bring; a new one is finished when this passes."""

from __future__ import annotations

import hashlib
import io
import json
import re
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
from pathlib import Path

import pytest
import responses
from PIL import Image
from pypdf import PdfWriter

from platforms import parts, quotes, registry
from platforms.base import (
    Ability,
    Access,
    After,
    Draft,
    Figure,
    Identity,
    Level,
    Look,
    MediaFile,
    MediaKind,
    Part,
    Platform,
    PlatformClient,
    PublishJob,
    RemotePost,
    Sighting,
    SignIn,
    StepKind,
)
from platforms.errors import Cause, NotFound, PlatformError, TransientError
from platforms.http import Answer
from platforms.linkedin.spec import FULL_SCOPES
from platforms.practice.framework import World
from platforms.practice.server import TWINS, load_twins, start_practice
from platforms.practice.tests.made_video import animation, sound, video

SLUGS = sorted(registry.PLATFORMS)
FOLDER = Path(__file__).resolve().parent.parent
ME = Identity("42", "user", "Acme", "acme", "https://example.com/acme")


@pytest.fixture(params=SLUGS)
def platform(request):
    return registry.platform(request.param)


def client(platform):
    hosts = {
        name: f"https://{platform.spec.slug}.example/{name}"
        for name in platform.spec.practice_paths
    }
    environment = registry.environment(
        platform.spec.slug, client_id="id", client_secret="s3cret-of-app", hosts=hosts
    )
    access = Access(
        token="s3cret-token",
        refresh_token="s3cret-refresh",
        external_id="42",
        extra={"pds": "https://pds.example"},
    )
    return platform.client(environment, access)


def job(draft):
    return PublishJob("a" * 32, datetime.now(UTC), draft, ME)


def hello(platform, text="Hello", **more):
    """A short post, with a file and choices where the platform wants them."""
    files = media_of(platform, int(platform.spec.needs_media))
    return Draft(text, **{"media": files, "options": decided(platform), **more})


def decided(platform, client=None):
    """What a person has to choose: the first of what the account may choose from."""
    limits = client.server_limits() if client else {}
    if client:
        client.http.drain()
    return {
        option.key: next(
            iter(limits.get(option.choices_from) or option.choices), "something"
        )
        for option in platform.spec.options
        if option.required and option.default is None
    }


def pass_time(practice, seconds):
    """Time is the practice network's."""
    world = practice.world
    with world.transaction():
        later = {"shift_s": world.shift_s + seconds}
        world.put("panel", "setting", "clock", later)


def media_of(platform, pictures, shelf="https://hub.example.com"):
    """So many pictures; where each post is a video, that and at most one beside it."""
    if platform.spec.needs_video:
        beside = [picture(1, shelf)] if pictures > 1 else []
        return (clip(platform, MediaKind.VIDEO, shelf), *beside)
    return tuple(picture(number, shelf) for number in range(1, pictures + 1))


def test_its_folder_has_every_part(platform):
    folder = FOLDER / platform.spec.slug
    for name in ("spec.py", "client.py", "publish.py", "twin.py", "tests"):
        assert (folder / name).exists(), name


def test_a_look_at_an_account_is_made_of_calls_with_rows(platform):
    rows = {call.key for call in platform.spec.calls}
    assert client(platform).calls_of_proof().keys() <= rows


#: feature of a post that is out -> the client's method for it
METHODS = {
    After.FIGURES: "figures",
    After.COMMENTS: "comments",
    After.ANSWER: "reply",
    After.DELETE: "delete_post",
    After.HIDE: "set_hidden",
    After.REMOVE: "delete_comment",
    After.RECENT: "recent_posts",
}


@pytest.mark.parametrize("what", After)
def test_what_it_does_not_give_is_said_with_the_reason(platform, what):
    """Whatever its client has no method for, its facts tell, and nothing besides."""
    spec = platform.spec
    own = getattr(platform.client_class, METHODS[what])
    is_missing = own is getattr(PlatformClient, METHODS[what])
    told = [bool(spec.why_not(what, kind)) for kind in spec.account_kinds]
    # Of some kinds only, where its client has the method for the others.
    assert all(told) == is_missing
    for row in spec.absent:
        assert row.why.endswith(".")
        assert set(row.kinds) <= set(spec.account_kinds)


@pytest.mark.parametrize("what", After)
def test_what_is_done_with_a_post_is_made_of_calls_with_rows(platform, what):
    acting = client(platform)
    for kind in platform.spec.account_kinds:
        acting.access = replace(acting.access, kind=kind, extra={"variant": "facebook"})
        calls = acting.calls_of(what)
        assert bool(calls) != bool(platform.spec.why_not(what, kind))
        rows = [platform.spec.call(key) for key in calls]
        if what is After.ANSWER and rows:
            assert sum(row.mutates for row in rows) == 1
        if what is After.FIGURES:
            assert any(row.ability is Ability.FIGURES for row in rows)


#: What stands between us and a platform answers with: proxies, bot walls, half a page.
NONSENSE = {
    "a page": b"<!doctype html><title>Just a moment</title>",
    "nothing": b"",
    "half of it": b'{"error": {"code": 190, "mess',
    "a list": b"[]",
    "a number": b"401",
    "an empty object": b"{}",
}
STATUSES = (301, 400, 401, 403, 404, 408, 409, 410, 418, 429, 451, 500, 502, 503, 504)


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
def test_an_answer_that_makes_no_sense_ends_no_access(platform, body):
    for status in STATUSES:
        for mutates in (False, True):
            error = client(platform).error_from(Answer(status, {}, body), mutates)
            assert not error.ends_access, (status, error)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_no_limit_and_no_trouble_of_its_own_ends_access(platform, status):
    """Whatever words stand in it."""
    words = b'{"error": "invalid_grant", "message": "revoked", "code": "Unauthorized"}'
    error = client(platform).error_from(Answer(status, {}, words), mutates=False)
    assert not error.ends_access


def test_its_rows_are_unique_and_point_to_what_exists(platform):
    spec = platform.spec
    keys = [call.key for call in spec.calls]
    assert len(keys) == len(set(keys))
    buckets = {bucket.key for bucket in spec.buckets}
    scopes = {scope.name for scope in spec.scopes}
    for call in spec.calls:
        assert set(call.draws) <= buckets, call.key
        assert set(call.scopes) <= scopes, call.key
        # Umbrella scopes and granular ones may stand beside the one that we ask for.
        assert not call.any_scopes or set(call.any_scopes) & scopes, call.key
    assert {bucket.partition for bucket in spec.buckets} <= {
        "app",
        "token",
        "account",
        "ip",
    }
    if spec.oauth:
        assert set(spec.oauth.scopes) <= scopes


def test_every_call_that_its_code_names_has_a_row(platform):
    spec = platform.spec
    source = "".join(
        path.read_text()
        for path in (FOLDER / spec.slug).glob("*.py")
        if "twin" not in path.name and path.name != "spec.py"
    )
    pattern = r"(?<!f)\"((?:GET|POST|PUT|DELETE|PATCH) [^\"\n<]+)\""
    named = set(re.findall(pattern, source))
    assert named, "its client names no call at all"
    assert named <= {call.key for call in spec.calls}


def test_a_call_without_a_row_cannot_be_made(platform):
    with pytest.raises(KeyError, match="no permission row"):
        client(platform).send("POST /never/heard/of", "https://example.com/")


def test_something_can_be_published_and_it_is_said_which_right_it_needs(platform):
    publishing = [c for c in platform.spec.calls if c.mutates]
    assert publishing
    assert any(call.ability == Ability.PUBLISH for call in publishing)


def test_hosts_of_the_real_and_the_practice_side_agree(platform):
    spec = platform.spec
    for address in spec.hosts.values():
        assert address.startswith("https://")
        assert not address.endswith("/")
    assert set(spec.hosts) <= set(spec.practice_paths)
    if spec.sign_in is SignIn.OAUTH_INSTANCE:
        assert "instance" in spec.practice_paths
    if spec.sign_in not in {SignIn.APP_PASSWORD, SignIn.KEY}:
        assert spec.oauth is not None
    # Accounts of another platform that its sign-in brings have addresses there.
    guests = {s.slug for s in registry.all_specs() if spec.slug in s.also_through}
    for path in spec.practice_paths.values():
        assert path.split("/")[1] in {spec.slug, *guests}


def test_an_empty_post_is_refused_before_anything_is_sent(platform):
    findings = platform.check(Draft(""))
    wanted = Cause.MEDIA_MISSING if platform.spec.needs_media else Cause.TEXT_EMPTY
    wanted = Cause.VIDEO_MISSING if platform.spec.needs_video else wanted
    assert wanted in {f.cause for f in findings if f.level is Level.REFUSED}


def test_a_short_post_passes_and_an_endless_one_does_not(platform):
    draft = hello(platform)
    fine = [f for f in platform.check(draft) if f.level is Level.REFUSED]
    assert fine == []
    long = hello(platform, "word " * 20_000)
    if not platform.text_as_sent(long):  # nobody would read it there
        assert Cause.TEXT_NOT_SHOWN in {f.cause for f in platform.check(long)}
        return
    assert Cause.TEXT_TOO_LONG in {f.cause for f in platform.check(long)}
    assert any(count.over for count in platform.counts(long))


def test_counting_never_fails_on_odd_text(platform):
    for text in ("👨‍👩‍👧‍👦", "\x00", "(((", "https://", "@", "#", "a" * 10_000, "‮abc"):
        assert platform.counts(Draft(text))
        platform.check(Draft(text))


def test_its_last_step_is_a_commit_and_planning_sends_nothing(platform, monkeypatch):
    from platforms.http import Http

    def nothing(*args, **kwargs):
        raise AssertionError("planning a step may not send anything")

    monkeypatch.setattr(Http, "request", nothing)
    step = platform.next_step(job(hello(platform)), client(platform))
    assert step.name
    assert step.kind in set(StepKind)


def test_planning_is_the_same_every_time(platform):
    draft = hello(platform, "Hello again")
    first = platform.next_step(job(draft), client(platform))
    again = platform.next_step(job(draft), client(platform))
    assert (first.name, first.kind) == (again.name, again.kind)


def test_looks_are_spaced_and_there_are_at_least_two(platform):
    looks = platform.spec.look_after_s
    assert len(looks) >= 2
    assert list(looks) == sorted(set(looks))


def test_no_secret_stands_in_what_it_shows(platform):
    acting = client(platform)
    for shown in (repr(acting.access), repr(acting), repr(acting.environment)):
        assert "s3cret" not in shown


def test_its_twin_offers_what_the_panel_needs(platform, tmp_path):
    slug = platform.spec.slug
    world = World(tmp_path / "world.sqlite3")
    try:
        twin = load_twins({slug: TWINS[slug]})[slug](world, "http://127.0.0.1:1")
        with world.transaction():
            twin.seed()
            twin.seed()
            people = twin.people()
            made = twin.add_account("contract", "Contract")
        assert people
        assert made["access_token"]
        assert any(route.commit for route in twin.routes())
        assert twin.slug in TWINS
    finally:
        world.close()


@pytest.fixture
def practice(platform, tmp_path):
    """A practice network with the platform's twin alone."""
    slug = platform.spec.slug
    server = start_practice(tmp_path, twins={slug: TWINS[slug]})
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def connected(platform, practice):
    """A client of an account of its own on the platform's twin, and its identity."""
    return connect(platform, practice)


def connect(platform, practice, **options):
    slug = platform.spec.slug
    with practice.world.transaction():
        twin = practice.twins[slug]
        twin.seed()
        made = twin.add_account("contract", "Contract", **options)
        id, secret = twin.app_credentials()
    environment = registry.environment(
        slug,
        practice_url=practice.url,
        client_id=id,
        client_secret=secret,
        instance_url=made["extra"].get("instance", ""),
    )
    access = Access(
        token=made["access_token"],
        external_id=made["external_id"],
        kind=made["kind"],
        handle=made["handle"],
        scopes=tuple(made["scopes"]),
        issued_at=datetime.now(UTC),
        extra=made["extra"],
    )
    me = Identity(
        made["external_id"],
        made["kind"],
        made["name"],
        made["handle"].lstrip("@"),
        made["url"],
    )
    return platform.client(environment, access), me


def _jpeg():
    out = io.BytesIO()
    Image.new("RGB", (400, 400), "teal").save(out, "JPEG")
    return out.getvalue()


JPEG = _jpeg()


class Shelf(BaseHTTPRequestHandler):
    """Hands files out, to platforms that fetch them themselves; else the picture."""

    files = {}

    def do_GET(self):
        data = self.files.get(self.path, JPEG)
        kind = "video/mp4" if self.path.endswith(".mp4") else "image/jpeg"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def shelf():
    """The address of a server that has the files."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Shelf) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def picture(number, shelf="https://hub.example.com"):
    return MediaFile(
        key=f"asset-{number}",
        mime_type="image/jpeg",
        size_bytes=len(JPEG),
        width=400,
        height=400,
        alt_text=f"Picture {number}",
        sha256=f"{number:064x}",
        file_name=f"{number}.jpg",
        open=lambda: io.BytesIO(JPEG),
        public_url=f"{shelf}/{number}.jpg",
    )


@pytest.mark.parametrize("pictures", [0, 2])
def test_every_call_of_a_publish_is_foretold_from_its_witness_on(
    platform, connected, practice, pictures, shelf
):
    """Up to its end, or to a wait: it is foretold anew when it is claimed again."""
    client, me = connected
    pictures = pictures or int(platform.spec.needs_media)
    draft = Draft(
        "Hello @contract.practice.example",
        "" if pictures else "https://example.com/a",
        media=media_of(platform, pictures, shelf),
        options=decided(platform, client),
    )
    now = replace(job(draft), account=me)
    foretold, made, waits = [], [], []
    for _ in range(30):
        foretold.append(Counter(platform.calls_ahead(now, looking=False)))
        result = platform.next_step(now, client).run()
        made.append(Counter(log.call for log in client.http.drain()))
        waits.append(result.wait_s)
        if result.remote:
            break
        now = replace(now, witness={**now.witness, **result.witness})
        pass_time(practice, result.wait_s or 0)
    else:
        raise AssertionError("no end")
    for number, ahead in enumerate(foretold):
        ends = [at for at in range(number, len(made)) if waits[at]] or [len(made)]
        rest = sum(made[number : ends[0] + 1], Counter())
        assert rest <= ahead, f"from step {number}"
    assert foretold[-1].total() == made[-1].total() == 1

    sent = replace(now, first_sent_at=datetime.now(UTC))
    looks = Counter(platform.calls_ahead(sent, looking=True))
    platform.look(sent, client)
    assert Counter(log.call for log in client.http.drain()) <= looks


NAMES = {
    MediaKind.GIF: ("clip.gif", "image/gif"),
    MediaKind.VIDEO: ("clip.mp4", "video/mp4"),
    MediaKind.AUDIO: ("clip.mp3", "audio/mpeg"),
    MediaKind.DOCUMENT: ("clip.pdf", "application/pdf"),
}


@cache
def _clip(kind, size, seconds):
    """Some seconds of moving pictures."""
    if kind is MediaKind.GIF:
        return animation(2, size)
    if kind is MediaKind.AUDIO:
        return sound("mp3", seconds)
    if kind is MediaKind.DOCUMENT:
        out, pdf = io.BytesIO(), PdfWriter()
        pdf.add_blank_page(72, 72)
        pdf.write(out)
        return out.getvalue()
    return video(seconds * 30, size=size, rate=30, index_first=True)


def clip(platform, kind, shelf, where=""):
    """As short and small as the platform takes. where: placement, "" for the usual."""
    rule, size, seconds = platform.spec.videos, (64, 48), 1
    if kind is MediaKind.VIDEO and rule:
        width = max(64, rule.min_width or 0)
        size = (width, max(width * 3 // 4, rule.min_height or 0))
        seconds = max(1, ceil(rule.min_s or 0))
    if where:
        size, seconds = (540, 960), 3
    data = _clip(kind, size, seconds)
    if kind is MediaKind.VIDEO and rule and (short := rule.min_bytes - len(data)) > 0:
        # A box that nobody reads.
        data += (short + 8).to_bytes(4, "big") + b"free" + bytes(short)
    name, mime_type = NAMES[kind]
    Shelf.files[f"/{name}"] = data
    return MediaFile(
        key="clip",
        mime_type=mime_type,
        size_bytes=len(data),
        width=size[0],
        height=size[1],
        alt_text="Colours",
        sha256="c" * 64,
        file_name=name,
        open=lambda: io.BytesIO(data),
        public_url=f"{shelf}/{name}",
        kind=kind,
        duration_s=None if kind is MediaKind.DOCUMENT else float(seconds),
        frame_rate=30.0 if kind is MediaKind.VIDEO else None,
        frames=2 if kind is MediaKind.GIF else None,
        pages=1 if kind is MediaKind.DOCUMENT else None,
        video_codec="h264" if kind is MediaKind.VIDEO else "",
    )


def found_by_looking(platform, now, client, practice):
    """What the looks after a lost answer come to: a sighting, or None to go on.

    Where the platform cannot be read, a person tells: here, that it is there.
    """
    for after_s in platform.spec.look_after_s:
        pass_time(practice, after_s)
        look = platform.look(now, client)
        if look.sighting is Sighting.FOUND:
            return look
    if look.sighting is Sighting.CANNOT_TELL:
        return Look(Sighting.FOUND, RemotePost("told by a person", ""))
    return None


class Broken:
    """The first call of each step breaks: before it is sent, or after its answer.

    It breaks once for each step; the commit never does.
    """

    def __init__(self, http, manner):
        self.http, self.manner = http, manner
        self.whole, self.broken, self.is_due = http.request, set(), False
        http.request = self.request

    def run(self, step):
        """What the engine does with trouble: the step comes again, without what the
        error says is not sure any more. None: it broke."""
        commits = step.kind is StepKind.COMMIT
        self.is_due = not commits and step.name not in self.broken
        self.broken.add(step.name)
        return step.run()

    def request(self, method, url, **more):
        is_due, self.is_due = self.is_due, False
        if not is_due:
            return self.whole(method, url, **more)
        if self.manner == "each answer is lost":
            self.whole(method, url, **more)
        raise TransientError("broken", cause=Cause.UNREACHABLE)


def go_out(platform, now, client, practice, ended):
    """Publish with nothing but the stored witness; the process ends where it is told."""
    broken = Broken(client.http, ended) if ended in BREAKS else None
    for _ in range(120):
        step = platform.next_step(now, client)
        commits = step.kind is StepKind.COMMIT
        try:
            result = broken.run(step) if broken else step.run()
        except TransientError as error:
            if broken is None:
                raise
            gone = error.extra.get("forget", "").split(",")
            left = {k: v for k, v in now.witness.items() if k not in gone}
            now = replace(now, witness=left)
            continue
        if ended == "before a step is stored" and not commits:
            result = platform.next_step(now, client).run()
        if ended == "after the send" and commits:
            assert now.first_sent_at is None, "sent twice"
            now = replace(now, first_sent_at=datetime.now(UTC))
            if look := found_by_looking(platform, now, client, practice):
                if not look.witness:
                    return look.remote
                now = replace(now, witness={**now.witness, **look.witness})
                assert platform.is_out(now.witness)
            continue
        if result.remote:
            return result.remote
        witness = json.loads(json.dumps({**now.witness, **result.witness}))
        # What is worked on there must not be sent again when somebody edits it here.
        assert not commits or platform.is_out(witness)
        now = replace(now, witness=witness)
        pass_time(practice, result.wait_s or 0)
    raise AssertionError("no end")


BREAKS = ["each call is lost", "each answer is lost"]
ENDS = ["between steps", "before a step is stored", "after the send", *BREAKS]
PLACED = [
    (slug, where)
    for slug in SLUGS
    for where in ("reel", "story")
    if (option := registry.spec(slug).options_by_key.get("placement"))
    and where in option.choices
]


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("ended", ENDS)
def test_other_files_than_images_go_out_once_wherever_the_process_ends(
    platform, connected, practice, kind, ended, shelf
):
    client, me = connected
    options = decided(platform, client)
    draft = Draft("Hello", media=(clip(platform, kind, shelf),), options=options)
    spec = platform.spec
    rules = {MediaKind.GIF: spec.gifs, MediaKind.VIDEO: spec.videos}
    rules[MediaKind.AUDIO] = spec.audios
    if rules.get(kind, spec.documents) is None:
        findings = platform.check(draft, me)
        assert Cause.MEDIA_KIND in {f.cause for f in findings}
        return
    assert [f for f in platform.check(draft, me) if f.level is Level.REFUSED] == []
    now = replace(job(draft), account=me)
    remote = go_out(platform, now, client, practice, ended)
    assert remote.external_id
    assert not remote.extra.get("media_missing")
    assert len(posts_of(platform, practice)) == 1
    # Of Snapchat's usual stories no id is told.
    if ended == "between steps" and spec.slug != "snapchat":
        is_found_later(platform, client, me, practice, remote.external_id)
        if not spec.why_not(After.RECENT, me.kind):
            assert remote.external_id in recent(client)


def is_found_later(platform, client, me, practice, number):
    """By its id its figures and comments are told: it is not taken for deleted."""
    pass_time(practice, 900)
    for what, ask in (
        (After.FIGURES, client.figures),
        (After.COMMENTS, client.comments),
    ):
        if not platform.spec.why_not(what, me.kind, client.access.extra):
            ask(number)


@pytest.mark.parametrize(("platform", "where"), PLACED, indirect=["platform"])
@pytest.mark.parametrize("ended", ENDS)
def test_a_video_goes_once_to_the_place_that_was_chosen(
    platform, practice, where, ended, shelf
):
    behind = {"network": "instagram"}
    # Each account there is one of a network.
    of_account = behind if platform.spec.slug == "outstand" else {}
    client, me = connect(platform, practice, **of_account)
    film = clip(platform, MediaKind.VIDEO, shelf, where)
    chosen = behind if "network" in platform.spec.options_by_key else {}
    draft = Draft("", media=(film,), options={**chosen, "placement": where})
    assert platform.check(draft, me) == []
    now = replace(job(draft), account=me)
    remote = go_out(platform, now, client, practice, ended)
    (post,) = posts_of(platform, practice)
    assert post["media_kinds"] == ["video"]
    assert where in post["url"] or f"{where[:-1]}ies" in post["url"]
    if ended == "between steps":
        is_found_later(platform, client, me, practice, remote.external_id)
    if where == "reel" and not platform.spec.why_not(After.RECENT, me.kind):
        # By the id that it is known by here, so that nobody takes it for another.
        pass_time(practice, 900)
        assert remote.external_id in recent(client)
    # Nobody waits for a link that could not be read: what is out is out.
    links = {post["url"], ""} if ended in BREAKS else {post["url"]}
    assert remote.permalink in links


STILLS = [s for s in SLUGS if registry.spec(s).has_stills]
CAPTIONED = [s for s in SLUGS if registry.spec(s).captions]


PLAYED = [(s, MediaKind.VIDEO) for s in STILLS]
PLAYED += [(s, MediaKind.AUDIO) for s in STILLS if registry.spec(s).audios]


@pytest.mark.parametrize(("platform", "kind"), PLAYED, indirect=["platform"])
@pytest.mark.parametrize("ended", ENDS)
def test_the_image_beside_what_is_played_stands_for_it(
    platform, connected, practice, ended, shelf, kind
):
    client, me = connected
    still = picture(1, shelf)
    film = clip(platform, kind, shelf)
    options = decided(platform, client)
    draft = Draft("Hello", media=(still, film), options=options)
    assert {f.level for f in platform.check(draft, me)} <= {Level.WARNING}
    go_out(platform, replace(job(draft), account=me), client, practice, ended)
    (post,) = posts_of(platform, practice)
    with still.open() as stream:
        laid = hashlib.sha256(stream.read()).hexdigest()
    assert (post["media_kinds"], post["thumbnail"]) == ([kind], laid)


@pytest.mark.parametrize("platform", CAPTIONED, indirect=True)
@pytest.mark.parametrize("ended", ENDS)
def test_captions_go_out_with_their_video(platform, connected, practice, ended, shelf):
    client, me = connected
    said = tuple(words(language) for language in ("de", "pt-BR"))
    film = clip(platform, MediaKind.VIDEO, shelf)
    options = decided(platform, client)
    draft = Draft("Hello", media=(film,), captions=said, options=options)
    assert {f.level for f in platform.check(draft, me)} <= {Level.WARNING}
    now = replace(job(draft), account=me)
    remote = go_out(platform, now, client, practice, ended)
    assert not remote.extra.get("notes")
    (post,) = posts_of(platform, practice)
    limit = platform.spec.captions.max_count
    assert [one[:2] for one in post["captions"]] == ["de", "pt"][:limit]


def words(language):
    data = b"1\n00:00:00,000 --> 00:00:00,900\nHallo\n"
    return MediaFile(
        key=f"said-{language}",
        mime_type="application/x-subrip",
        size_bytes=len(data),
        width=0,
        height=0,
        alt_text="",
        sha256=hashlib.sha256(data + language.encode()).hexdigest(),
        file_name="said.srt",
        open=lambda: io.BytesIO(data),
        kind=MediaKind.CAPTIONS,
        language=language,
    )


DISCARDING = [s for s in SLUGS if registry.spec(s).discard_call]


def test_uploads_are_deleted_where_there_is_a_call_for_it(platform):
    for own, base in (
        (platform.client_class.discard_upload, PlatformClient.discard_upload),
        (type(platform).unused_uploads, Platform.unused_uploads),
    ):
        assert (own is not base) == bool(platform.spec.discard_call)
    if platform.spec.discard_call:
        assert not platform.spec.call(platform.spec.discard_call).mutates


@pytest.mark.parametrize("platform", DISCARDING, indirect=True)
def test_uploads_that_no_post_shows_are_gone_after_they_are_discarded(
    platform, connected, practice, shelf
):
    """By the call that its facts name, and as often as anybody likes."""
    client, me = connected
    limits = client.server_limits()
    draft = hello(platform, media=media_of(platform, 2, shelf))
    now = replace(job(draft), account=me, server_limits=limits)
    while (step := platform.next_step(now, client)).kind is not StepKind.COMMIT:
        result = step.run()
        now = replace(now, witness={**now.witness, **result.witness})
        pass_time(practice, result.wait_s or 0)
    found = platform.unused_uploads(now.witness, limits)
    assert len(found) == 2
    client.http.drain()
    for number in (*found, *found):
        client.discard_upload(number)
    called = [log.call for log in client.http.drain()]
    assert called == [platform.spec.discard_call] * 4
    with pytest.raises(PlatformError):
        step.run()
    assert posts_of(platform, practice) == []


#: Accounts that differ in what may be done with their posts: options of the twins'.
WAYS = {
    "instagram": [{"variant": "facebook"}, {"variant": "instagram"}],
    "linkedin": [
        {"kind": kind, "scopes": FULL_SCOPES} for kind in ("member", "organization")
    ],
}
ACCOUNTS = [(slug, way) for slug in SLUGS for way in WAYS.get(slug, [{}])]


@pytest.mark.parametrize(
    ("platform", "way"), ACCOUNTS, indirect=["platform"], ids=lambda v: str(v)[:40]
)
def test_a_post_is_counted_answered_and_deleted_as_its_facts_say(
    platform, practice, way, shelf
):
    """Over real HTTP: the client and the twin were written without each other."""
    client, me = connect(platform, practice, **way)
    spec, twin = platform.spec, practice.twins[platform.spec.slug]
    extra = client.access.extra
    can = {what for what in After if not spec.why_not(what, me.kind, extra)}
    draft = hello(platform, media=media_of(platform, int(spec.needs_media), shelf))
    # Of Snapchat's usual stories no id is told.
    chosen = {"place": "saved_stories"} if "place" in spec.options_by_key else {}
    draft = replace(draft, options=decided(platform, client) | chosen)
    now = replace(job(draft), account=me)
    number = go_out(platform, now, client, practice, "").external_id
    pass_time(practice, 900)

    def made(what, work):
        """What it brought; nothing left that was not foretold."""
        client.http.drain()
        found = work()
        left = Counter(log.call for log in client.http.drain())
        assert left <= Counter(client.calls_of(what)), what
        return found

    # No page says that TikTok's lists have photos; of videos the test above tells.
    if spec.slug == "tiktok":
        can.discard(After.RECENT)
    if After.RECENT in can:
        assert number in made(After.RECENT, lambda: recent(client))
    if After.FIGURES in can:
        figures = made(After.FIGURES, lambda: client.figures(number))
        assert all(count >= 0 for count in figures.values.values())
        assert figures.values or not twin.has_readers
    if After.COMMENTS in can:
        page = made(After.COMMENTS, lambda: client.comments(number))
        assert (page.comments, page.after) == ((), "")
    if twin.has_readers:
        assert {After.COMMENTS, After.ANSWER} <= can
        with practice.world.transaction():
            twin.comment_as_reader(number, "Riley Reader", "Lovely")
        pass_time(practice, 60)
        (theirs,) = made(After.COMMENTS, lambda: client.comments(number)).comments
        assert theirs.text.endswith("Lovely")  # readers may have to name us
        assert theirs.parent_id == ""
        assert theirs.published_at is not None
        ours = made(After.ANSWER, lambda: client.reply(theirs.external_id, "Thanks"))
        pass_time(practice, 60)
        where = theirs.external_id if spec.answers_apart else number
        rows = client.comments(where).comments
        (answer,) = [row for row in rows if row.external_id == ours]
        assert answer.text.endswith("Thanks")
        assert answer.parent_id == theirs.external_id
        assert client.figures(number).values[Figure.COMMENTS] >= 1
    if twin.has_readers and client.calls_of(After.HIDE):
        for hidden in (True, True, False):
            made(After.HIDE, partial(client.set_hidden, theirs.external_id, hidden))
            rows = client.comments(number).comments
            told = {row.external_id: row.hidden for row in rows}
            if not spec.hides_silently:
                assert told[theirs.external_id] is hidden
        assert theirs.external_id in told
    if twin.has_readers and client.calls_of(After.REMOVE):
        assert not spec.why_not(After.REMOVE)
        made(After.REMOVE, lambda: client.delete_comment(theirs.external_id))
        made(After.REMOVE, lambda: client.delete_comment(theirs.external_id))
        pass_time(practice, 60)
        rows = client.comments(number).comments
        assert theirs.external_id not in [row.external_id for row in rows]
    if After.DELETE in can:
        made(After.DELETE, lambda: client.delete_post(number))
        made(After.DELETE, lambda: client.delete_post(number))
        assert number not in [post["id"] for post in posts_of(platform, practice)]
        if After.RECENT in can:
            assert number not in made(After.RECENT, lambda: recent(client))
        if After.FIGURES in can and twin.has_readers:
            with pytest.raises(NotFound):
                made(After.FIGURES, lambda: client.figures(number))
    elif way:
        with pytest.raises(NotImplementedError):
            client.delete_post(number)


def recent(client):
    """The account's newest posts by id, as a list told them."""
    told = client.recent_posts(datetime.now(UTC) - timedelta(days=2))
    return {post.external_id: post for post in told.posts}


def posts_of(platform, practice):
    with practice.world.transaction():
        return practice.twins[platform.spec.slug].posts()


def test_of_a_post_that_is_still_being_written_calls_are_foretold_as_well(platform):
    now = job(Draft("Hello"))
    assert sum(platform.calls_ahead(now, looking=False).values())
    assert platform.calls_ahead(now, looking=True)
    assert not platform.is_out({})


def test_what_it_draws_is_the_sum_of_what_its_calls_cost(platform):
    draft = Draft("Hello", media=(picture(1), picture(2)))
    ahead = platform.calls_ahead(job(draft), looking=False)
    each = [key for key, count in ahead.items() for _ in range(count)]
    draws = platform.draws(job(draft), looking=False)
    assert draws == platform.draws_of_calls(each, job(draft))
    assert set(draws) <= set(platform.spec.rules)


def test_its_usage_headers_are_about_buckets_of_the_call(
    platform, connected, practice, shelf
):
    client, me = connected
    media = media_of(platform, int(platform.spec.needs_media), shelf)
    draft = Draft("Hello", media=media, options=decided(platform, client))
    now = replace(job(draft), account=me)
    for _ in range(10):
        result = platform.next_step(now, client).run()
        if result.remote:
            break
        now = replace(now, witness={**now.witness, **result.witness})
        pass_time(practice, result.wait_s or 0)
    at = datetime.now(UTC)
    for call, headers in client.http.usage.items():
        seen = platform.observe(call, headers, at)
        assert seen or platform.spec.tells_percent, headers
        for told in seen:
            assert told.bucket_key in platform.spec.call(call).draws
            assert 0 <= told.remaining < told.limit
            assert told.resets_at is None or told.resets_at > at


def test_every_platform_can_be_practised():
    assert set(SLUGS) <= set(TWINS)


#: choices about people and covers -> what the practice network tells of them
PEOPLED = [s for s in SLUGS if "user_tags" in registry.spec(s).options_by_key]


@pytest.mark.parametrize("platform", PEOPLED, indirect=True)
@pytest.mark.parametrize("kind", ["image", "carousel", "reel", "second"])
@pytest.mark.parametrize("ended", ENDS)
def test_people_and_covers_arrive(platform, connected, practice, ended, kind, shelf):
    client, me = connected
    options = {"collaborators": ("anna", "ben"), "user_tags": ("@carla 25 75",)}
    film = clip(platform, MediaKind.VIDEO, shelf)
    cover = picture(2, shelf)
    media = {
        "image": (picture(1, shelf),),
        "carousel": (picture(1, shelf), picture(2, shelf)),
        "reel": (film, cover),
        "second": (film,),
    }[kind]
    options |= {"reel": {"placement": "reel"}, "second": {"cover_at": "0"}}.get(
        kind, {}
    )
    draft = Draft("Hello", media=media, options=options)
    assert {f.level for f in platform.check(draft, me)} <= {Level.WARNING}
    go_out(platform, replace(job(draft), account=me), client, practice, ended)
    (post,) = posts_of(platform, practice)
    assert post["collaborators"] == ["anna", "ben"]
    assert post["user_tags"] == [["carla"], *[[]] * (kind == "carousel")]
    with cover.open() as stream:
        laid = hashlib.sha256(stream.read()).hexdigest()
    assert post["cover"] == (laid if kind == "reel" else "")
    assert post["thumb_ms"] == ("0" if kind == "second" else "")


QUOTING = [s for s in SLUGS if quotes.QUOTE in registry.spec(s).options_by_key]
#: what the practice network wants for quotes to be taken
QUOTES_NEED = {"x": ("plan", "enterprise")}


@pytest.fixture
def quoted(platform, connected, practice):
    """A post that is out, as the practice network has it."""
    client, me = connected
    if switch := QUOTES_NEED.get(platform.spec.slug):
        with practice.world.transaction():
            practice.twins[platform.spec.slug].set_setting(*switch)
    draft = Draft("The first word", options=decided(platform, client))
    now = replace(job(draft), account=me)
    go_out(platform, now, client, practice, "between steps")
    pass_time(practice, 900)
    (post,) = posts_of(platform, practice)
    return post


@pytest.mark.parametrize("platform", QUOTING, indirect=True)
@pytest.mark.parametrize("ended", ENDS)
def test_a_post_quotes_another_by_its_address(
    platform, connected, practice, quoted, ended
):
    client, me = connected
    options = {**decided(platform, client), "quote": quoted["url"]}
    if platform.spec.slug == "linkedin":
        options["quote"] = f"https://www.linkedin.com/feed/update/{quoted['id']}/"
    draft = Draft("Well said", options=options)
    limits = client.server_limits()
    client.http.drain()
    assert {f.level for f in platform.check(draft, me, limits)} <= {Level.WARNING}
    fresh = replace(
        job(draft), account=me, marker="b" * 32, created_at=datetime.now(UTC)
    )
    now = replace(fresh, taken=frozenset({quoted["id"]}))
    ahead = platform.calls_ahead(now, looking=False)
    assert ahead.keys() <= {row.key for row in platform.spec.calls}
    remote = go_out(platform, now, client, practice, ended)
    found = [post for post in posts_of(platform, practice) if post["quotes"]]
    assert [post["quotes"] for post in found] == [quoted["id"]]
    if remote.permalink:  # else a person told that it is out
        assert [post["id"] for post in found] == [remote.external_id]
    assert "Well said" in found[0]["text"]


@pytest.mark.parametrize("platform", QUOTING, indirect=True)
def test_a_quote_of_what_is_gone_is_refused_in_words(
    platform, connected, practice, quoted
):
    client, me = connected
    client.delete_post(quoted["id"])
    address = quoted["url"]
    if platform.spec.slug == "linkedin":
        address = f"https://www.linkedin.com/feed/update/{quoted['id']}/"
    options = {**decided(platform, client), "quote": address}
    fresh = replace(job(Draft("Well said", options=options)), account=me)
    with pytest.raises(PlatformError) as caught:
        go_out(platform, fresh, client, practice, "between steps")
    assert caught.value.cause is Cause.QUOTE_GONE
    assert caught.value.permanent


@pytest.mark.parametrize("platform", QUOTING, indirect=True)
@pytest.mark.parametrize(
    "address", ["hello", "https://example.com/", "https://example.com/a/b"]
)
def test_an_address_that_names_no_post_is_refused_before(platform, address):
    draft = Draft("Well said", options={"quote": address})
    found = [(f.cause, f.field) for f in platform.check(draft)]
    assert (Cause.QUOTE_UNREADABLE, "option:quote") in found


@pytest.mark.parametrize("platform", QUOTING, indirect=True)
def test_only_the_first_part_of_a_thread_quotes(platform):
    draft = Draft("One", options={"quote": "x"}, parts=(Part("Two"),))
    assert parts.piece(draft, 1).options == {"quote": "x"}
    assert parts.piece(draft, 2).options == {}


@pytest.mark.parametrize("platform", QUOTING, indirect=True)
def test_a_quote_stands_beside_files_where_the_network_lets_it(
    platform, connected, practice, quoted, shelf
):
    client, me = connected
    address = quoted["url"]
    if platform.spec.slug == "linkedin":
        address = f"https://www.linkedin.com/feed/update/{quoted['id']}/"
    options = {**decided(platform, client), "quote": address}
    draft = Draft("Well said", options=options, media=(picture(1, shelf),))
    refused = {f.cause for f in platform.check(draft, me) if f.level is Level.REFUSED}
    if platform.spec.slug in ("x", "linkedin"):
        assert refused == {Cause.QUOTE_ALONE}
        return
    assert refused == set()
    fresh = replace(job(draft), account=me, marker="b" * 32)
    go_out(platform, fresh, client, practice, "between steps")
    (post,) = [post for post in posts_of(platform, practice) if post["quotes"]]
    assert (post["quotes"], post["media"]) == (quoted["id"], 1)


def test_every_choice_that_its_code_reads_is_offered_to_people(platform):
    """One that no form shows can be chosen by nobody."""
    spec = platform.spec
    source = "".join(
        path.read_text()
        for path in (FOLDER / spec.slug).glob("*.py")
        if "twin" not in path.name
    )
    read = set(re.findall(r"options\.get\(\s*\"(\w+)\"", source))
    assert read <= spec.options_by_key.keys()


#: Those that renew by one call whose answer has a token and its life.
RENEWED = [slug for slug in SLUGS if registry.spec(slug).oauth and slug != "facebook"]


@pytest.mark.parametrize("slug", RENEWED)
@pytest.mark.parametrize(
    "odd", ["7200.0", "soon", -5, 10**12, 10**30, [3600], {}, None], ids=str
)
def test_what_makes_no_sense_beside_a_renewed_token_does_not_lose_it(slug, odd):
    """The one that it was made with may be over by then."""
    beside = ("expires_in", "refresh_token_expires_in", "refresh_expires_in")
    odds = dict.fromkeys((*beside, "scope", "permissions", "created_at"), odd)
    body = {"access_token": "new", "refresh_token": "next", **odds}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as api:
        for method in ("GET", "POST"):
            api.add(method, re.compile("https://.*"), json=body)
        tokens = client(registry.platform(slug)).refresh()
    assert tokens.access_token == "new"
    assert tokens.refresh_token in {"new", "next"}
    now = datetime.now(UTC)
    for end in (tokens.expires_at, tokens.refresh_expires_at):
        assert end is None or now < end < now + timedelta(days=3660)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 407, 410, 451])
def test_a_page_of_something_in_between_ends_no_access(platform, status):
    with responses.RequestsMock(assert_all_requests_are_fired=False) as api:
        for method in ("GET", "POST", "HEAD"):
            api.add(
                method,
                re.compile("https://.*"),
                body="<!doctype html><title>Sign in to the hotel's network</title>",
                status=status,
                content_type="text/html",
            )
        with pytest.raises(PlatformError) as refused:
            client(platform).prove()
    assert not refused.value.ends_access
