"""Releases: list them, read one or its artefact, and bring back an earlier one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from actors import Swarm
from gateway.problems import documented
from gateway.rest.answers import Limit, answer, example, is_known, tagged

RELEASE: dict[str, Any] = {
    "run": "swarm",
    "kind": "gradients",
    "version": 12,
    "round": 12,
    "parent": "09ab...",
    "artefact": "77de...",
    "artefact_bytes": 4096,
    "rule": "Median()",
    "agents": 67,
    "fault_bound": 33,
    "accepted": 66,
    "clipped": 1,
    "rejected": 33,
    "measures": {"kl_divergence": 0.0213, "accuracy": 0.93},
    "restores": None,
    "digest": "5f1c...",
    "signature": "e04d...",
    "created": 1795000000.0,
}
Version = Annotated[int, Path(ge=0, description="0 is the genesis; each release and each rollback adds 1.")]


def router(swarm: Swarm) -> APIRouter:
    """The operations on releases."""
    routes = APIRouter(prefix="/v1/releases", tags=["releases"])

    @routes.get(
        "",
        summary="List releases",
        responses=example({"releases": [RELEASE]}, "The newest, newest first. The first is in force."),
    )
    async def listed(limit: Limit = 50) -> Response:
        """The newest releases, newest first, without artefacts."""
        return answer({"releases": await swarm.releases(limit)})

    @routes.get(
        "/{version}",
        summary="Read a release",
        responses={
            **example({"release": RELEASE, "public_key": "c2aa..."}, "The release, and the key to verify it with."),
            **documented("release.unknown"),
        },
    )
    async def one(request: Request, version: Version) -> Response:
        """A release as it was signed. Its digest is the entity tag: ask again with If-None-Match."""
        found = await swarm.release(version)
        document = {"release": found["release"], "public_key": found["public_key"]}
        return tagged(request, document, found["release"]["digest"])

    @routes.get(
        "/{version}/artefact",
        summary="Read an artefact",
        responses={
            200: {"description": "The workload's packed value.", "content": {"application/octet-stream": {}}},
            **documented("release.unknown"),
        },
        response_class=Response,
    )
    async def artefact(request: Request, version: Version) -> Response:
        """The bytes whose SHA-256 the release names as `artefact`; that is the entity tag too. They never change."""
        found = await swarm.release(version)
        tag = found["release"]["artefact"]
        headers = {"ETag": f'"{tag}"', "Cache-Control": "private, max-age=31536000, immutable"}
        if is_known(request, tag):
            return Response(status_code=304, headers=headers)
        return Response(found["artefact"], headers=headers, media_type="application/octet-stream")

    @routes.post(
        "/{version}/rollback",
        summary="Roll back",
        status_code=201,
        responses={
            201: {
                "description": "The new release; `Location` is its address.",
                "content": {"application/json": {"example": {"version": 13, "restores": 7, "hosts_applied": 2}}},
            },
            **documented("release.unknown", "swarm.silent"),
        },
    )
    async def rollback(version: Version) -> Response:
        """Brings back the value of an earlier release, as a new release. Waits for the round that is under way."""
        done = await swarm.rollback(version)
        return answer(done, 201, {"Location": f"/v1/releases/{done['version']}"})

    return routes
