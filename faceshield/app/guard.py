"""Who may talk to the app: this machine's browser, on the page that it was opened with."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN_HEADER = "x-faceshield-token"
STATIC = "/static/"
"""The page's parts lie below /static/TOKEN/, so that one may name another by a relative address."""

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:;"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), clipboard-read=()",
    "cache-control": "no-store",
}


class Guard:
    """Refuses a request with 403 before anything reads it, and gives every response :data:`HEADERS`.

    A foreign Host is a name that was made to point here (DNS rebinding); a foreign Origin or Sec-Fetch-Site is another
    page in the same browser; a request without the token is another program or another user of this machine.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        reason = "refused" if scope["type"] != "http" else self._find_fault(scope)
        if reason is None:
            await self.app(scope, receive, send_guarded)
        elif scope["type"] == "http":
            await JSONResponse({"error": reason}, 403)(scope, receive, send_guarded)

    def _find_fault(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return "host"
        if any(origin != f"http://{hosts[0]}" for origin in headers.getlist("origin")):
            return "origin"
        if any(site not in ("same-origin", "none") for site in headers.getlist("sec-fetch-site")):
            return "origin"
        given = [*headers.getlist(TOKEN_HEADER), *parse_qs(scope["query_string"].decode("latin-1")).get("token", [])]
        if scope["path"].startswith(STATIC):
            given.append(scope["path"].removeprefix(STATIC).split("/", 1)[0])
        right = [secrets.compare_digest(token.encode(), self.token.encode()) for token in given]
        return None if right and all(right) else "token"
