"""The one guarded door to an app: credentials, quota, one send, and what its answer means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from connector import finding
from connector.apps.answers import moment_of
from connector.codec import decode
from connector.connections.addresses import is_built_in
from connector.errors import (
    ApiError,
    Missing,
    NotSent,
    Refused,
    StoreBusy,
    StoreError,
    Throttled,
    Unauthorized,
    Unclear,
    Uncounted,
)
from connector.model import (
    Action,
    Answer,
    App,
    Connection,
    Encoding,
    HttpRequest,
    Json,
    Method,
    Operation,
    Request,
    Search,
)
from connector.redaction import Scrubber, redact, redact_url
from connector.rendering import build_request, render_request

if TYPE_CHECKING:
    from connector.connections.keyring import Headers
    from connector.connections.oauth import Tokens
    from connector.http import HttpClient
    from connector.quota import Limiter, Priority

__all__ = ["AppCaller", "Signer", "redact", "render_request"]

TIMEOUT = 30.0
MOST_DOWNLOADED = 10 * 1024 * 1024
"""The most bytes of a file that is read, unless less is asked for."""
ELSEWHERE = "@"
"""Between an account and the server that it is at, when that is not the app's own."""
MOST_READS = 20
"""So many reads of a step are kept for whoever looks at its run."""
MOST_REFUSED = 2_000
"""So much of an answer that said no is kept with them."""


@dataclass(slots=True)
class Tally:
    """What one step has asked of apps: how many `calls`, and its first `reads`, as they were."""

    calls: int = 0
    reads: list[dict[str, Any]] = field(default_factory=list)

    def note(self, asked: HttpRequest, answer: Answer | None) -> None:
        """Keep a read as it may be shown; without an answer, none came."""
        if len(self.reads) == MOST_READS:
            return
        told: dict[str, Any] = {"method": asked.method, "url": redact_url(asked.url)}
        if asked.body:
            told["body"] = redact(asked)["body"][:MOST_REFUSED]
        told["status"] = answer.status if answer else None
        if answer and answer.status >= 400:
            told["answer"] = redact(answer)["body"][:MOST_REFUSED]
        self.reads.append(told)


_COUNTED: ContextVar[Tally | None] = ContextVar("counted", default=None)


@contextmanager
def counting_calls(counted: Tally) -> Iterator[None]:
    """Count the calls that this task makes at any app's cost, and keep its reads."""
    before = _COUNTED.set(counted)
    try:
        yield
    finally:
        _COUNTED.reset(before)


class Signer(Protocol):
    """What gives and renews the credentials of one connection (`connections.Credentials`)."""

    async def get(self) -> Tokens: ...

    async def replace(self, used: Tokens) -> Tokens: ...

    async def give_up(self) -> None: ...

    def headers(self, tokens: Tokens) -> Headers: ...


class AppCaller:
    """Sends requests of one connection; fits `model.Caller`, and the engine's door.

    `account` is whose quota a call takes (Fatture in Cloud: the company), by default the
    connection's own. `priority` is that of reads; writes have their own. `hidden` are secrets
    beside the tokens that the app was told, and no answer may repeat.
    """

    def __init__(
        self,
        app: App,
        connection: Connection,
        *,
        http: HttpClient,
        signer: Signer,
        limiter: Limiter,
        account: str = "",
        priority: Priority = "read",
        timeout: float = TIMEOUT,
        hidden: Sequence[str] = (),
    ) -> None:
        self.app = app
        self.connection = connection
        self._http = http
        self._signer = signer
        self._limiter = limiter
        self._quota_key = _quota_key(app, connection, account)
        self._priority: Priority = priority
        self._timeout = timeout
        self._hidden = tuple(hidden)
        self._scrubbed: tuple[Tokens, Scrubber] | None = None

    def render(self, node: Action | Search | Operation, inputs: Mapping[str, Any]) -> HttpRequest:
        """The exact request of a node, without credentials. Raises MappingError."""
        if node.request is None:
            raise NotSent(f"{node.name} runs its own code: it has no request.", who="developer")
        return render_request(self.app, self.connection, node.request, inputs)

    def read_error(self, answer: Answer) -> ApiError | None:
        """What an answer means to this app; None for a success."""
        return self.app.read_error(answer)

    async def read(self, request: Request, inputs: Mapping[str, Any]) -> Json:
        """Render, send, judge and decode in one go, for reads. Raises ApiError."""
        prepared = render_request(self.app, self.connection, request, inputs)
        return self._result(await self.send(prepared, write=False), write=False)

    async def request(
        self,
        method: Method,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json = None,
        encoding: Encoding = "json",
        not_after: float | None = None,
    ) -> Json:
        """Send one request of a node's own code; gives its JSON, None when it has none.

        After the moment `not_after` of the monotonic clock it does not leave (NotSent).
        """
        prepared = build_request(
            self.app, self.connection, method, path, query or {}, body, encoding
        )
        write = method != "GET"
        return self._result(
            await self.send(prepared, write=write, not_after=not_after), write=write
        )

    async def download(
        self, where: str, *, query: Mapping[str, str] | None = None, most: int = 0
    ) -> Answer:
        """Read what is no JSON: a path of the app, or an address elsewhere, where no token goes."""
        most = most or MOST_DOWNLOADED
        if where.startswith("/"):
            asked = build_request(self.app, self.connection, "GET", where, query or {}, None)
            asked = replace(asked, headers=(*asked.headers, ("accept", "*/*")))
            answer = await self.send(asked, write=False)
            error = self.app.read_error(answer)
        else:
            # Whoever gave the address: it leads only where the addresses of users may lead.
            asked = HttpRequest(method="GET", url=where, headers=(("accept", "*/*"),))
            answer = await self._http.send(asked, timeout=self._timeout, max_body=most)
            error = _not_given(answer)
        if error is None and len(answer.body) > most:
            error = Refused(f"The file has more than {most} bytes.", who="user")
        if error is not None:
            raise error
        return answer

    async def check(self) -> None:
        """Prove that the connection works. Raises ApiError when it does not."""
        try:
            await self.read(self.app.check, {})
        except Missing as error:
            if self.app.check_may_miss:
                return
            raise NotSent(
                f"{self.app.title} was not found at {self.connection.base_url}.",
                field="address",
                remedy="Check the address: something else answers there.",
                who="connection_owner",
            ) from error

    async def send(
        self, prepared: HttpRequest, *, write: bool, not_after: float | None = None
    ) -> Answer:
        """Send these bytes, once: again only when the app refused the token and gave a new one.

        After the moment `not_after` of the monotonic clock nothing leaves (NotSent). The answer
        may be an error: `read_error` tells. Raises NotSent, Unclear, Throttled (by our own count,
        before anything is sent), and Unauthorized when the owner must reconnect.
        """
        tokens = await self._tokens()
        answer = await self._exchange(prepared, tokens, write, not_after)
        if not self._is_unauthorized(answer):
            return answer
        # It was refused at the door, so nothing was applied and the same bytes may go again.
        tokens = await self._replaced(tokens)
        answer = await self._exchange(prepared, tokens, write, not_after)
        if self._is_unauthorized(answer):
            await self._signer.give_up()
        return answer

    async def _exchange(
        self, prepared: HttpRequest, tokens: Tokens, write: bool, not_after: float | None
    ) -> Answer:
        self._check_target(prepared)
        await self._reserve("write" if write else self._priority)
        signed = HttpRequest(
            method=prepared.method,
            url=prepared.url,
            headers=(*prepared.headers, *self._signer.headers(tokens)),
            body=prepared.body,
        )
        scrubber, tally = self._scrubber(tokens), _COUNTED.get()
        try:
            answer = await self._http.send(
                signed,
                timeout=self._timeout,
                fresh=write,
                trusted=is_built_in(self.app, self.connection.base_url),
                not_after=not_after,
            )
        except ApiError as raised:
            if tally is not None and not write:
                tally.note(prepared, None)
            # Not `from`: the words of what broke may hold the header that carries the token.
            raise scrubber.error(raised) from None
        # Here and nowhere else, so that whatever is made of the answer is clean: an error, a
        # note beside a write, the output of a step.
        answer = scrubber.answer(answer)
        if tally is not None and not write:
            tally.note(prepared, answer)
        self._hear(answer)
        return answer

    def spacing(self) -> float:
        """How many seconds apart reads that can wait should be, as far as the quota is known."""
        return self._limiter.spacing(self._quota_key, self.app.quotas)

    async def _reserve(self, priority: Priority) -> None:
        """Count this call before it is made. Raises Throttled; Uncounted or NotSent uncounted.

        A call that was then not sent keeps its place: what an answer has told meanwhile may have
        taken the place of our count already, and giving one back would make it one too few.
        """
        try:
            wait = await self._limiter.reserve(self._quota_key, self.app.quotas, priority)
        except StoreError as error:
            # A database that is away comes back in a moment; one that refuses may never.
            kind = Uncounted if isinstance(error, StoreBusy) else NotSent
            raise kind(
                f"The quota of {self.app.title} cannot be counted: {error.message}",
                remedy="Nothing was sent; it is tried again.",
            ) from error
        if wait > 0:
            raise Throttled(
                f"The quota of {self.app.title} has no room for this call now.",
                retry_after=wait,
                remedy="It goes on by itself.",
            )
        counted = _COUNTED.get()
        if counted is not None:
            counted.calls += 1

    def _hear(self, answer: Answer) -> None:
        error = self.app.read_error(answer) if answer.status in (403, 429) else None
        self._limiter.hear(
            self._quota_key,
            self.app.quotas,
            answer.headers,
            dated=moment_of(answer) if self.app.quotas else None,
            retry_after=error.retry_after if isinstance(error, Throttled) else None,
            # Who is only refused learns nothing of an account that may be another tenant's.
            tenant=self.connection.tenant if answer.status < 300 else "",
        )

    def _scrubber(self, tokens: Tokens) -> Scrubber:
        if self._scrubbed is None or self._scrubbed[0] is not tokens:
            held = (tokens.access_token, tokens.refresh_token)
            secrets = [one.get_secret_value() for one in held if one is not None]
            self._scrubbed = (tokens, Scrubber([*secrets, *self._hidden]))
        return self._scrubbed[1]

    def _check_target(self, prepared: HttpRequest) -> None:
        """Stored bytes of another connection must not carry off this one's token."""
        base = self.connection.base_url.rstrip("/") + "/"
        if not prepared.url.startswith(base):
            raise NotSent(
                f"The request does not go to the address of {self.connection.name!r}.",
                remedy="The address of the connection was changed: replay the run.",
                who="user",
            )

    async def _tokens(self) -> Tokens:
        try:
            return await self._signer.get()
        except Unclear as error:
            raise self._not_renewed(error) from error

    async def _replaced(self, used: Tokens) -> Tokens:
        try:
            return await self._signer.replace(used)
        except Unclear as error:
            raise self._not_renewed(error) from error

    def _not_renewed(self, error: Unclear) -> NotSent:
        """What is unclear is the renewal of the token; the request itself was not sent."""
        return NotSent(
            f"The access to {self.app.title} could not be renewed: {error.message}",
            remedy="Nothing was sent; it is tried again.",
        )

    def _is_unauthorized(self, answer: Answer) -> bool:
        if answer.status < 400:
            return False
        return isinstance(self.app.read_error(answer), Unauthorized)

    def _result(self, answer: Answer, *, write: bool) -> Json:
        error = self.app.read_error(answer)
        if error is not None:
            raise error
        try:
            told = decode(answer.body)
        except ValueError:
            told = None
        if not write and not isinstance(told, dict | list):
            # A write may be confirmed by nothing at all; a question is not answered by it.
            raise finding.strange(told)
        return told


def _quota_key(app: App, connection: Connection, account: str) -> str:
    """Where calls are counted: what another server says of an account is no word of the app's."""
    if not account:
        return f"{app.key}/{connection.id}"
    if is_built_in(app, connection.base_url):
        return f"{app.key}/{account}"
    return f"{app.key}/{account}{ELSEWHERE}{urlsplit(connection.base_url).netloc.lower()}"


def _not_given(answer: Answer) -> Refused | None:
    """Why an address elsewhere gives no file; a redirect could lead to where none may."""
    if answer.status == 200:
        return None
    leads_on = 300 <= answer.status < 400
    return Refused(
        f"The address of the file answers {answer.status}"
        f"{': it leads somewhere else' if leads_on else ''}.",
        remedy="Give the address of the file itself." if leads_on else "Open it in a browser.",
        who="user",
    )
