"""Other videos of a video: cut, scaled, trimmed, encoded anew. The original stays.

`recode` makes them piece by piece, as long work of the cluster: what a killed worker has
finished is not made again. Any length of video is some seconds of work at a time, and
the worker itself reads none of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.fixed_query import SAMPLE_KEY, SAMPLE_TIME, FixedQuery, Reader

from . import incoming, jobs, leftovers, media, recode
from .crash_points import crash_point
from .job_models import Job
from .jobs import Turn
from .measuring import UploadRefused, told_by
from .models import MediaAsset
from .waking import stop_wanted

KIND = "recode"
MP4 = "video/mp4"
#: Read and written in one piece, about ten seconds of work: more pictures where they
#: are small.
PIECE_PIXELS = 1_500_000_000
MIN_PIECE = 30
#: A piece that needs longer is made in halves; below the cluster's own limit.
PIECE_S = 140.0
#: How often the worker looks whether it should go on.
LOOK_S = 1.0
SOUND = "sound.mp4"
#: How long the file's page says why nothing was made of it.
TOLD_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class Recipe:
    """What to make of a video, worked out to the pixel; fields as in `recode`.

    copy: the same pictures in an MP4 that starts at once; the rest does not count then.
    """

    size: tuple[int, int] = (0, 0)
    rate: tuple[int, int] = (30, 1)
    start_s: float = 0.0
    length_s: float = 0.0
    ratio: float | None = None
    focus: tuple[float, float] = (0.5, 0.5)
    bitrate: int = 0
    sound: bool = False
    copy: bool = False

    @property
    def pictures(self) -> int:
        return max(1, int(self.length_s * Fraction(*self.rate)))

    @classmethod
    def read(cls, doc: dict[str, Any]) -> Recipe:
        pairs = {name: tuple(doc[name]) for name in ("size", "rate", "focus")}
        return cls(**{**doc, **pairs})


def start(asset: MediaAsset, recipe: Recipe, person: Any) -> Job:
    """Have it made; who asks twice gets the work that goes on already."""
    asked = {"asset": asset.pk, "recipe": json.loads(json.dumps(asdict(recipe)))}
    for job in Job.objects.live().filter(kind=KIND, person=person):
        if job.asked == asked and job.cancel_asked_at is None:
            return job
    leftovers.keep([asset.pk])
    return jobs.start(KIND, person, asset.brand, **asked)


_live = FixedQuery(
    lambda brand: (
        Job.objects.live().filter(kind=KIND, brand=brand).select_related("brand")
    ),
    SAMPLE_KEY,
)
_broken = FixedQuery(
    lambda person, since: (
        Job.objects.of(Reader(person))
        .filter(kind=KIND, state=Job.State.FAILED, ended_at__gt=since)
        .select_related("brand")
    ),
    SAMPLE_KEY,
    SAMPLE_TIME,
)


def going_on(asset: MediaAsset) -> list[Job]:
    """What is made of it just now, for anybody."""
    return _of(asset, _live.objects(asset.brand_id))


def to_show(asset: MediaAsset, person: Any) -> list[Job]:
    """What is made of it just now, and what a person asked for and did not get lately."""
    broken = _broken.objects(person.pk, timezone.now() - TOLD_FOR)
    return going_on(asset) + _of(asset, broken)


def _of(asset: MediaAsset, found: list[Job]) -> list[Job]:
    return [job for job in found if job.asked["asset"] == asset.pk]


# ---------------------------------------------------------------- the work


class _Stopped(Exception):
    """The cluster ends: another worker goes on."""


class _TooSlow(Exception):
    """The piece was not made in its time."""


def _work(job: Job, turn: Turn) -> bool:
    assert job.brand is not None
    rows = MediaAsset.objects.visible_to(job.person).filter(brand=job.brand)
    asset = rows.filter(pk=job.asked["asset"]).first()
    if asset is None:
        raise jobs.Refused(_("The video was deleted meanwhile."))
    recipe = Recipe.read(job.asked["recipe"])
    job.folder.mkdir(parents=True, exist_ok=True)
    try:
        source = _source(asset, job.folder, turn)
        _check_size(source, asset)
        work = _copied if recipe.copy else _encoded
        made = work(asset, recipe, source, job, turn)
        if made is None:
            return True
        # Of one that was cut meanwhile, what was made is cut as well.
        _check_size(source, asset)
        new = _take_in(made, recipe, asset, job.person)
    except UploadRefused as refused:
        raise jobs.Refused(str(refused)) from None
    except _Stopped:
        return True
    except OSError as error:
        if error.errno not in incoming.NO_ROOM:
            raise
        raise jobs.Refused(incoming.no_room(asset.name)) from None
    turn.store(result={"media": new.pk}, done=job.total)
    return False


def _source(asset: MediaAsset, folder: Path, turn: Turn) -> Path:
    """Where the video can be read from place to place."""
    try:
        return Path(asset.file.path)
    except NotImplementedError:
        pass  # on no disk of ours
    copy = folder / "source"
    if not copy.exists() or copy.stat().st_size != asset.size_bytes:
        with (
            asset.file.storage.open(str(asset.file.name), "rb") as stored,
            copy.open("wb") as written,
        ):
            while block := stored.read(incoming.BLOCK):
                written.write(block)
                turn.beat()
                if stop_wanted():
                    raise _Stopped
    return copy


def _check_size(source: Path, asset: MediaAsset) -> None:
    size = source.stat().st_size if source.exists() else 0
    if size != asset.size_bytes:
        words = _(
            "%(name)s was damaged in the storage: it has no longer the size with which it "
            "was added. Add it again."
        )
        raise jobs.Refused(words % {"name": asset.name})


def _copied(
    asset: MediaAsset, recipe: Recipe, source: Path, job: Job, turn: Turn
) -> Path:
    return _piece(asset, source, job.folder, turn, do="copy", made="made")[0]


def _encoded(
    asset: MediaAsset, recipe: Recipe, source: Path, job: Job, turn: Turn
) -> Path | None:
    """The whole new video; None: there is more to do, in another turn."""
    wanted = {
        "rate": recipe.rate,
        "start_s": recipe.start_s,
        "size": recipe.size,
        "ratio": recipe.ratio,
        "focus": recipe.focus,
        "bitrate": recipe.bitrate,
    }
    pixels = asset.width * asset.height + recipe.size[0] * recipe.size[1]
    most = job.at.get("most") or max(MIN_PIECE, PIECE_PIXELS // max(1, pixels))
    parts: list[list[Any]] = list(_whole_parts(job))
    done = sum(count for _name, count in parts)
    ended = bool(job.at.get("ended"))
    total = done if ended else recipe.pictures
    # Sound and the joining count as a piece.
    bar = total + total // 20 + 1
    while done < total:
        if turn.is_over:
            return None
        asked, name = min(most, total - done), f"part-{done}.mp4"
        ask = {**wanted, "do": "pictures", "first": done, "count": asked, "made": name}
        try:
            _path, count = _piece(asset, source, job.folder, turn, **ask)
        except _TooSlow:
            most //= 2
            if most < MIN_PIECE:
                raise jobs.Refused(_too_slow(asset)) from None
            turn.store(at={**job.at, "most": most})
            continue
        done += count
        if count:
            parts.append([name, count])
        ended = count < asked
        total = done if ended else total
        at = {"parts": parts, "ended": ended, "most": most}
        turn.store(at=at, done=done, total=bar)
        crash_point("recode_piece")
        if not parts:
            raise jobs.Refused(
                _("%(name)s has no pictures there. Choose another part of it.")
                % {"name": asset.name}
            )
    if turn.is_over:
        return None
    length_s = float(done / Fraction(*recipe.rate))
    sound, heard = "", 0
    try:
        if recipe.sound:
            ask = {"start_s": recipe.start_s, "length_s": length_s, "made": SOUND}
            _path, heard = _piece(asset, source, job.folder, turn, do="sound", **ask)
        sound = SOUND if heard else ""
        names = [name for name, _count in parts]
        join = {"parts": names, "sound": sound, "rate": recipe.rate}
        return _piece(asset, source, job.folder, turn, do="join", made="made", **join)[
            0
        ]
    except _TooSlow:
        raise jobs.Refused(_too_slow(asset)) from None


def _too_slow(asset: MediaAsset) -> str:
    words = _("%(name)s takes this machine too long. Choose a shorter part of it.")
    return words % {"name": asset.name}


def _whole_parts(job: Job) -> Iterator[list[Any]]:
    """Those that lie here: the last worker may have been on another machine."""
    for name, count in job.at.get("parts", ()):
        if not (job.folder / name).exists():
            # It ends elsewhere, perhaps: what comes after is made anew as well.
            job.at = {key: value for key, value in job.at.items() if key == "most"}
            return
        yield [name, count]


def _piece(
    asset: MediaAsset, source: Path, folder: Path, turn: Turn, **piece: Any
) -> tuple[Path, int]:
    """Make one piece, in a process of its own: its path, and how many pictures it has.

    Cancelled and StaleState as `Turn.beat`.
    """
    # Files that belong to no piece: of a worker that was killed in one.
    for torn in folder.glob(f"{piece['made']}-*"):
        torn.unlink(missing_ok=True)
    program = [sys.executable, "-IB", str(recode.__file__)]
    # Our own program; the paths are ours, the name is not among them.
    process = subprocess.Popen(  # noqa: S603
        [*program, str(source), str(folder), json.dumps(piece)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + PIECE_S
    try:
        while True:
            try:
                stdout, stderr = process.communicate(timeout=LOOK_S)
                break
            except subprocess.TimeoutExpired:
                turn.beat()
                if stop_wanted():
                    raise _Stopped from None
                if time.monotonic() > until:
                    raise _TooSlow from None
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    facts = told_by(process.returncode, stdout, stderr, name=asset.name)
    return folder / str(piece["made"]), int(facts["pictures"])


def _take_in(made: Path, recipe: Recipe, asset: MediaAsset, person: Any) -> MediaAsset:
    words = f"{asset.width}x{asset.height}"
    if not recipe.copy:
        words = f"{recipe.size[0]}x{recipe.size[1]}"
    name = f"{PurePath(asset.name).stem[:150]} {words}.mp4"
    new = media.keep_made(made, name, asset, person)
    leftovers.keep([new.pk])
    return new


# ---------------------------------------------------------------- its row


def _title(job: Job) -> str:
    asset = MediaAsset.objects.filter(pk=job.asked["asset"]).first()
    return _("Another video of %(name)s") % {"name": asset.name if asset else "–"}


def _address(job: Job) -> str:
    pk = job.result.get("media") or job.asked["asset"]
    if not MediaAsset.objects.visible_to(job.person).filter(pk=pk).exists():
        return ""
    return reverse("media_details", args=[pk])


def _ended(job: Job) -> None:
    """Pieces are of no use any more."""
    if job.folder.is_dir():
        for path in job.folder.iterdir():
            path.unlink(missing_ok=True)


def register() -> None:
    note = gettext_lazy("The original stays as it is.")
    jobs.register(KIND, jobs.Kind(_title, _work, _ended, _address, note))
