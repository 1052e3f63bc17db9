"""Home Assistant's REST and websocket API, as a person's browser uses it."""

import asyncio
import itertools
import json
import secrets
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

_TIMEOUT = 30.0
Json = Any  # whatever Home Assistant answers


class HassError(Exception):
    """Home Assistant refused, or is not ready."""


@dataclass
class HassClient:
    """A logged-in user. `tokens` is what the login returned."""

    url: str
    tokens: dict[str, Any]

    @classmethod
    def onboard(cls, url: str, username: str, password: str) -> Self:
        """Create the owner of a fresh instance and log in."""
        created = _request(
            f"{url}/api/onboarding/users",
            {
                "client_id": f"{url}/",
                "name": username.title(),
                "username": username,
                "password": password,
                "language": "en",
            },
        )
        return cls(url, _token(url, {"grant_type": "authorization_code", "code": created["auth_code"]}))

    def guest(self, username: str) -> Self:
        """Create a user who may change nothing, and log in as them."""
        password = secrets.token_urlsafe(8)
        user = self.command("config/auth/create", name=username.title(), group_ids=["system-read-only"])[
            "user"
        ]
        self.command(
            "config/auth_provider/homeassistant/create",
            user_id=user["id"], username=username, password=password,
        )  # fmt: skip
        handler = {
            "client_id": f"{self.url}/",
            "handler": ["homeassistant", None],
            "redirect_uri": f"{self.url}/",
        }
        flow = _request(f"{self.url}/auth/login_flow", handler)
        answer = {"client_id": f"{self.url}/", "username": username, "password": password}
        done = _request(f"{self.url}/auth/login_flow/{flow['flow_id']}", answer)
        return type(self)(
            self.url, _token(self.url, {"grant_type": "authorization_code", "code": done["result"]})
        )

    def renew(self) -> None:
        """Get a new access token, for instance after a restart."""
        refresh = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        self.tokens |= _token(self.url, refresh)

    def request(self, path: str, body: dict[str, Any] | None = None) -> Json:
        """GET, or POST a JSON body; raise HassError or OSError."""
        return _request(f"{self.url}{path}", body, self.tokens["access_token"])

    def expect_running(self) -> None:
        """Raise HassError unless every integration is set up."""
        state = self.request("/api/config")["state"]
        if state != "RUNNING":
            raise HassError(f"state is {state}")

    def states(self) -> dict[str, dict[str, Any]]:
        """Return every entity's state by entity id."""
        return {state["entity_id"]: state for state in self.request("/api/states")}

    def state(self, entity_id: str) -> str:
        """Return one entity's state."""
        return str(self.request(f"/api/states/{entity_id}")["state"])

    def call(self, action: str, *, response: bool = False, **data: Json) -> Json:
        """Perform an action like "switch.turn_on"; raise HassError with its message where it fails."""
        path = f"/api/services/{action.replace('.', '/')}{'?return_response' if response else ''}"
        return self.request(path, data)

    def configure(self, domain: str, *steps: dict[str, Any]) -> dict[str, Any]:
        """Go through a config flow from the user's step; return its result."""
        flow = self.request("/api/config/config_entries/flow", {"handler": domain})
        for step in steps:
            flow = self.request(f"/api/config/config_entries/flow/{flow['flow_id']}", step)
        return _created(flow)

    def confirm(self, flow_id: str) -> dict[str, Any]:
        """Submit the empty form of a flow that is under way; return its entry."""
        return _created(self.request(f"/api/config/config_entries/flow/{flow_id}", {}))

    def command(self, kind: str, **data: Json) -> Json:
        """Send one websocket command and return its result."""
        return self.commands([{"type": kind, **data}])[0]

    def commands(self, commands: list[dict[str, Any]]) -> list[Any]:
        """Send websocket commands one after the other and return their results.

        In a thread of its own: the caller's may have an event loop that runs, as Playwright's has.
        """
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, self._converse(commands)).result()

    async def _converse(self, commands: list[dict[str, Any]]) -> list[Any]:
        results = []
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.ws_connect(f"{self.url}/api/websocket", max_msg_size=0) as socket,
        ):
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": self.tokens["access_token"]})
            greeting = await socket.receive_json()
            if greeting["type"] != "auth_ok":
                raise HassError(str(greeting))
            for number, command in zip(itertools.count(1), commands, strict=False):
                await socket.send_json({"id": number, **command})
                answer = await socket.receive_json()
                if not answer.get("success"):
                    raise HassError(f"{command['type']}: {answer.get('error')}")
                results.append(answer["result"])
        return results


def _created(flow: dict[str, Any]) -> dict[str, Any]:
    if flow.get("type") != "create_entry":
        raise HassError(f"the flow did not end with an entry: {flow}")
    entry: dict[str, Any] = flow["result"]
    return entry


def _token(url: str, form: dict[str, str]) -> dict[str, Any]:
    encoded = urllib.parse.urlencode({"client_id": f"{url}/", **form}).encode()
    request = urllib.request.Request(f"{url}/auth/token", data=encoded)  # noqa: S310 (own URL)
    tokens: dict[str, Any] = _open(request)
    return tokens


def _request(url: str, body: dict[str, Any] | None, token: str | None = None) -> Json:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    return _open(urllib.request.Request(url, data=data, headers=headers))  # noqa: S310 (own URL)


def _open(request: urllib.request.Request) -> Json:
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 (own URL)
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise HassError(f"{error.code}: {error.read().decode(errors='replace')[:500]}") from error
