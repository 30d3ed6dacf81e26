"""The page: files that are read once, and addressed by their content so that browsers may keep them for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.rest.answers import is_known

FOLDER = Path(__file__).with_name("page")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: its own files, and nothing of anybody else's."""
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOREVER = "public, max-age=31536000, immutable"


def digest_of(files: Mapping[str, bytes]) -> str:
    """A short name for the files' content."""
    found = hashlib.sha256()
    for name in sorted(files):
        found.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return found.hexdigest()[:16]


def router(folder: Path = FOLDER) -> APIRouter:
    """``/`` and the files that it names. They name each other by relative paths, so the digest is in every address."""
    routes = APIRouter(include_in_schema=False)
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in _TYPES}
    digest = digest_of(files)
    page = (folder / "index.html").read_bytes().replace(b"page/latest/", f"page/{digest}/".encode())
    tag = hashlib.sha256(page).hexdigest()[:16]

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def index(request: Request) -> Response:
        headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
        if is_known(request, tag):
            return Response(status_code=304, headers=headers)
        return Response(page, headers=headers, media_type="text/html; charset=utf-8")

    @routes.api_route("/page/{version}/{name}", methods=["GET", "HEAD"])
    async def asset(version: str, name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "There is no such file.")
        cache = _FOREVER if version == digest else "no-cache"
        return Response(files[name], headers={"Cache-Control": cache}, media_type=_TYPES[Path(name).suffix])

    @routes.get("/favicon.ico")
    async def icon() -> Response:
        return Response(files["icon.svg"], headers={"Cache-Control": "max-age=86400"}, media_type="image/svg+xml")

    return routes
