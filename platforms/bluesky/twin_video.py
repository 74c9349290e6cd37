"""Bluesky's video service: it takes a file, works on it, and stores a blob for the account.

It knows an account by a token that the account's own server signed for one purpose. The
newer upload in parts is not played.
Sources: https://docs.bsky.app/docs/tutorials/video and the lexicons app.bsky.video.* .
"""

from __future__ import annotations

import hashlib
import secrets
from typing import IO, Any

from werkzeug.wrappers import Request, Response

from platforms.practice.framework import Doc, Twin, body_of, json_response, route
from platforms.practice.moving import KEPT_BYTES, animation, measured

from . import twin_repo as repo
from .twin_repo import VIDEO_BYTES, Invalid

MAX_S = 180
DAY_S = 86_400
#: how the work goes on, one look after the other
STATES = ("ENCODING", "ENCODED", "SCANNING", "SCANNED", "UPLOADING", "UPLOADED")
UPLOAD, LIMITS = "com.atproto.repo.uploadBlob", "app.bsky.video.getUploadLimits"


class Refused(Exception):
    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.answer = json_response({"error": name, "message": message}, status)


class VideoService(Twin):
    """The host below this twin's address `/video`."""

    # what the account's server knows
    def _is(self, name: str) -> str:
        raise NotImplementedError

    @property
    def _key(self) -> bytes:
        raise NotImplementedError

    def _server_did(self) -> str:
        raise NotImplementedError

    def service_token(self, did: str, audience: str, method: str, until: int) -> str:
        """What the account's server signs for another service."""
        claims = {"iss": did, "aud": audience, "lxm": method, "exp": until}
        return repo.jwt("JWT", claims, self._key)

    def _account_behind(self, request: Request, method: str) -> str:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            claims = repo.read_jwt(token.strip(), self._key)
        except Invalid:
            claims = {}
        fits = scheme.lower() == "bearer" and claims.get("lxm") == method
        # The host of the practice network is that of all its servers.
        fits = fits and claims.get("aud") == self._server_did()
        if not fits or claims.get("exp", 0) <= self.world.now().timestamp():
            raise Refused(401, "BadJwt", "The service token is not valid")
        return str(claims["iss"])

    # ------------------------------------------------------------ the three calls

    @route(
        "POST",
        "/video/xrpc/app.bsky.video.uploadVideo",
        call="app.bsky.video.uploadVideo",
        large=True,
    )
    def upload_video(self, request: Request) -> Response:
        try:
            did = self._account_behind(request, UPLOAD)
            if did != request.args.get("did") or not request.args.get("name"):
                raise Refused(400, "InvalidRequest", "did and name are needed")
            allowed, why = self._allowance(did)
            if not allowed["canUpload"]:
                raise Refused(403, why, str(allowed["message"]))
            if (request.content_length or 0) > VIDEO_BYTES:
                raise Refused(400, "VideoTooLarge", "The video is too large")
        except Refused as refused:
            return refused.answer
        file = body_of(request)
        seen = hashlib.sha256()
        while block := file.read(1 << 20):
            seen.update(block)
        sha256 = seen.hexdigest()
        known = self.get("video_of", f"{did} {sha256}") or {"job": ""}
        earlier = self.get("video_job", known["job"])
        if earlier and earlier["state"] != "FAILED":
            return self._told(earlier, 409 if earlier["state"] == "COMPLETED" else 200)
        job = self._new_job(did, sha256, file, request.mimetype)
        self.put("video_of", f"{did} {sha256}", {"job": job["jobId"]})
        return self._told(job)

    @route(
        "GET",
        "/video/xrpc/app.bsky.video.getJobStatus",
        call="app.bsky.video.getJobStatus",
    )
    def job_status(self, request: Request) -> Response:
        job = self.get("video_job", request.args.get("jobId", ""))
        if job is None:
            return json_response(
                {"error": "JobNotFound", "message": "No such job"}, 404
            )
        if job["state"] not in ("COMPLETED", "FAILED"):
            job = self._work(job)
            self.put("video_job", job["jobId"], job)
        return json_response({"jobStatus": self._job(job)})

    @route(
        "GET",
        "/video/xrpc/app.bsky.video.getUploadLimits",
        call="app.bsky.video.getUploadLimits",
    )
    def upload_limits(self, request: Request) -> Response:
        try:
            did = self._account_behind(request, LIMITS)
        except Refused as refused:
            return refused.answer
        return json_response(self._allowance(did)[0])

    # ------------------------------------------------------------ the work

    def _allowance(self, did: str) -> tuple[Doc, str]:
        """(what getUploadLimits says, the name of a refusal)."""
        if self._is("email_confirmed") == "off":
            message = "Confirm your e-mail address to upload videos"
            error = "unconfirmed_email"
            return {"canUpload": False, "error": error, "message": message}, error
        since = self.world.now().timestamp() - DAY_S
        jobs = [job for _, job in self.all("video_job", did=did) if job["at"] > since]
        left = int(self._is("video_limit")) - len(jobs)
        if left <= 0:
            message, error = "Daily upload limit exceeded", "DailyLimitExceeded"
            return {"canUpload": False, "error": error, "message": message}, error
        allowed = {"canUpload": True, "remainingDailyVideos": left}
        return allowed | {"remainingDailyBytes": 9_800_000_000}, ""

    def _new_job(self, did: str, sha256: str, file: IO[bytes], mime: str) -> Doc:
        file.seek(0, 2)
        size = file.tell()
        job: Doc = {
            "jobId": secrets.token_hex(8),
            "did": did,
            "sha256": sha256,
            "size": size,
            "state": "CREATED",
            "looks": 0,
            "failure": self._wrong_with(file, mime),
            "at": self.world.now().timestamp(),
        }
        if size <= KEPT_BYTES:
            file.seek(0)
            cid = repo.blob_cid_of(bytes.fromhex(sha256))
            self.world.put_blob(self.slug, cid, "video/mp4", file.read())
        self.put("video_job", job["jobId"], job)
        return job

    def _wrong_with(self, file: IO[bytes], mime: str) -> str:
        forced = self._is("video_failure")
        if forced != "none":
            return forced
        file.seek(0)
        if mime == "image/gif":
            image = animation(file)
            return "" if image and image.frames > 1 else "validation_failure"
        found = measured(file)
        if found is None or not found.video:
            return "encoding_failure"
        return "validation_failure" if found.duration_s > MAX_S else ""

    def _work(self, job: Doc) -> Doc:
        """One look further."""
        looks = job["looks"] + 1
        if looks <= int(self._is("video_polls")):
            state = STATES[min(looks, len(STATES)) - 1]
            return {**job, "looks": looks, "state": state}
        if job["failure"]:
            return {**job, "state": "FAILED"}
        self.put(
            f"blob:{job['did']}",
            self._cid(job),
            {
                "mime": "video/mp4",
                "size": job["size"],
                "sha256": job["sha256"],
                "at": self.world.now().timestamp(),
                "used": False,
            },
        )
        return {**job, "state": "COMPLETED"}

    def _cid(self, job: Doc) -> str:
        return repo.blob_cid_of(bytes.fromhex(job["sha256"]))

    def _told(self, job: Doc, status: int = 200) -> Response:
        """The answer to an upload: documented in a wrapper, seen without it."""
        shown = self._job(job)
        if status == 409:
            shown["error"] = "already_exists"
        wrapped = self._is("job_wrapped") == "on"
        return json_response({"jobStatus": shown} if wrapped else shown, status)

    def _job(self, job: Doc) -> Doc:
        shown: dict[str, Any] = {
            "jobId": job["jobId"],
            "did": job["did"],
            "state": f"JOB_STATE_{job['state']}",
            "progress": 100 if job["state"] == "COMPLETED" else 10 * job["looks"],
        }
        if job["state"] == "COMPLETED":
            shown["blob"] = {
                "$type": "blob",
                "ref": {"$link": self._cid(job)},
                "mimeType": "video/mp4",
                "size": job["size"],
            }
        if job["state"] == "FAILED":
            shown |= {"error": "failed", "failureCode": job["failure"]}
            shown["message"] = "The video could not be processed"
        return shown
