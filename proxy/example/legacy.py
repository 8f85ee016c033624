"""The legacy REST host: the old way to the data, and what the new API does not have yet.

The URLs are those of `dns.v1` over HTTP, the JSON has a dialect of its own. Beside them it serves
what no RPC is mapped to: `/status`, the list of zones, `purge_cache` and an old URL that redirects.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web
from aiohttp.typedefs import Middleware

from proxy.example import zonefile
from proxy.example.checks import split_record_name
from proxy.example.documents import (
    content_document,
    hosts_document,
    import_document,
    nameserver_document,
    record_document,
    statistics_document,
    verification_document,
    zone_document,
)
from proxy.example.model import ExampleError, Record, Zone
from proxy.example.reading import (
    merged,
    read_content,
    read_document,
    read_filters,
    read_flag,
    read_names,
    read_page,
    read_types,
)
from proxy.example.replies import enveloped, error_body, fault_of, http_fault, page_info
from proxy.example.seed import seeded_store
from proxy.example.serving import LOOPBACK, main
from proxy.example.store import ZoneStore

#: A zone file of some 100,000 records; the host holds a whole body in memory.
MAX_BODY_BYTES: Final = 8 * 1024 * 1024

#: How long a request in flight may take to end when the host stops.
SHUTDOWN_TIMEOUT_S: Final = 1.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class LegacyHost:
    """The host as a server on loopback: `async with LegacyHost(store) as host: host.url`.

    *middlewares* see every request, and its errors as answers.
    """

    def __init__(
        self, store: ZoneStore, port: int = 0, middlewares: Sequence[Middleware] = ()
    ) -> None:
        application = make_application(store)
        application.middlewares[:0] = middlewares
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT_S
        )
        self._port = port

    def __repr__(self) -> str:
        return f"<LegacyHost: {self._runner.addresses or 'not started'}>"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self._port).start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._runner.cleanup()

    @property
    def address(self) -> str:
        """Where it listens, `127.0.0.1:8081`."""
        host, port = self._runner.addresses[0][:2]
        return f"{host}:{port}"

    @property
    def url(self) -> str:
        """The base of its URLs, without a slash at the end."""
        return f"http://{self.address}"


def make_application(store: ZoneStore) -> web.Application:
    """Make the host's application over *store*."""
    application = web.Application(middlewares=[_errors_as_json], client_max_size=MAX_BODY_BYTES)
    handlers = _Handlers(store)
    application.add_routes(
        [
            web.get("/v4/zones", handlers.list_zones),
            web.get("/v4/zones/{zone}:export", handlers.export_zone),
            web.get("/v4/zones/{zone}", handlers.get_zone),
            web.get("/v4/zones/{zone}/nameservers", handlers.list_nameservers),
            web.get("/v4/zones/{zone}/file", handlers.get_zone_file),
            web.post("/v4/zones/{zone}/file", handlers.import_zone_file),
            web.post("/v4/zones/{zone}/purge_cache", handlers.purge_cache),
            web.get("/v4/zones/{zone}/records", handlers.list_records),
            web.post("/v4/zones/{zone}/records", handlers.create_record),
            web.post("/v4/zones/{zone}/records/{id}:verify", handlers.verify_record),
            web.get("/v4/zones/{zone}/records/{id}", handlers.get_record),
            web.patch("/v4/zones/{zone}/records/{id}", handlers.patch_record),
            web.put("/v4/zones/{zone}/records/{id}", handlers.put_record),
            web.delete("/v4/zones/{zone}/records/{id}", handlers.delete_record),
            web.get("/v4/zones/{zone}/statistics", handlers.get_statistics),
            web.get("/v4/zones/{zone}/statistics/hosts", handlers.list_top_hosts),
            web.post("/v4/zones/{zone}/statistics:send", handlers.send_statistics),
            web.get("/hello/{name}", _hello),
            web.post("/hello", _hello),
            web.get("/status", _status),
            web.get("/zones", _moved),
        ]
    )
    return application


class _Handlers:
    """One method for each URL that needs the store."""

    def __init__(self, store: ZoneStore) -> None:
        self._store = store

    async def list_zones(self, _: web.Request) -> web.Response:
        response = _json(enveloped([self._zone(zone) for zone in self._store.zones()]))
        response.enable_compression()
        return response

    async def get_zone(self, request: web.Request) -> web.Response:
        zone = self._store.zone(request.match_info["zone"])
        return self._answer(request, self._zone(zone))

    async def list_nameservers(self, request: web.Request) -> web.Response:
        found = self._store.nameservers(request.match_info["zone"])
        return self._answer(request, [nameserver_document(one) for one in found])

    async def list_records(self, request: web.Request) -> web.Response:
        domain, filters = request.match_info["zone"], read_filters(request.query)
        number, size = read_page(request.query)
        page = self._store.page(domain, filters, size, skip=(number - 1) * size)
        info = page_info(number, size, len(page.records), page.total_size)
        records = [record_document(record) for record in page.records]
        response = _json(enveloped(records, result_info=info), headers=self._headers(domain))
        response.enable_compression()
        return response

    async def get_record(self, request: web.Request) -> web.Response:
        return self._answer(request, record_document(self._store.record(_name(request))))

    async def create_record(self, request: web.Request) -> web.Response:
        domain, label = request.match_info["zone"], request.query.get("label", "")
        content = read_content(read_document(await request.read()))
        document = record_document(self._store.create(domain, content, label))
        response = self._answer(request, document, status=201)
        response.headers["location"] = document["href"]
        return response

    async def patch_record(self, request: web.Request) -> web.Response:
        changes = read_document(await request.read())
        record = self._store.record(_name(request))
        content = read_content(merged(content_document(record.content), changes))
        return self._answer(request, record_document(self._store.update(record, content)))

    async def put_record(self, request: web.Request) -> web.Response:
        content = read_content(read_document(await request.read()))
        record = self._store.update(self._store.record(_name(request)), content)
        return self._answer(request, record_document(record))

    async def delete_record(self, request: web.Request) -> web.Response:
        self._store.delete(_name(request))
        return web.Response(status=204, headers=self._headers(request.match_info["zone"]))

    async def verify_record(self, request: web.Request) -> web.Response:
        document = read_document(await request.read())
        zone, record_id = request.match_info["zone"], request.match_info["id"]
        found = self._store.verify(zone, record_id, read_names(document, "name_servers"))
        return self._answer(request, verification_document(*found))

    async def export_zone(self, request: web.Request) -> web.StreamResponse:
        domain = request.match_info["zone"]
        records = self._store.export(domain, read_types(request.query))
        framing = _FRAMINGS.get(_accepted(request), _as_array)
        content_type = _accepted(request)
        response = web.StreamResponse(headers=self._headers(domain))
        response.content_type = content_type if content_type in _FRAMINGS else "application/json"
        if request.method == "HEAD":
            return web.Response(headers=response.headers)
        await response.prepare(request)
        async for chunk in framing(request, records):
            await response.write(chunk)
        return response

    async def get_zone_file(self, request: web.Request) -> web.Response:
        domain = request.match_info["zone"]
        headers = self._headers(domain) | {"content-type": zonefile.CONTENT_TYPE}
        return web.Response(body=self._store.zone_file(domain).encode(), headers=headers)

    async def import_zone_file(self, request: web.Request) -> web.Response:
        domain = request.match_info["zone"]
        dry_run, data = read_flag(request.query, "dry_run"), await request.read()
        result = self._store.import_zone_file(domain, data, validate_only=dry_run)
        return self._answer(request, import_document(result))

    async def get_statistics(self, request: web.Request) -> web.Response:
        domain = request.match_info["zone"]
        return self._answer(request, statistics_document(domain, self._store.statistics(domain)))

    async def list_top_hosts(self, request: web.Request) -> web.Response:
        found = self._store.statistics(request.match_info["zone"])
        return self._answer(request, hosts_document(found))

    async def send_statistics(self, request: web.Request) -> web.Response:
        to = read_document(await request.read()).get("to", "")
        self._store.send_statistics(request.match_info["zone"], str(to))
        return self._answer(request, {}, status=202)

    async def purge_cache(self, request: web.Request) -> web.Response:
        zone = self._store.zone(request.match_info["zone"])
        return _json(enveloped({"purged": zone.domain}), status=202)

    def _zone(self, zone: Zone) -> dict[str, Any]:
        return zone_document(zone, self._store.record_count(zone.domain))

    def _headers(self, domain: str) -> dict[str, str]:
        return {"x-zone-serial": str(self._store.zone(domain).serial)}

    def _answer(self, request: web.Request, result: object, status: int = 200) -> web.Response:
        return _json(enveloped(result), status, self._headers(request.match_info["zone"]))


async def _hello(request: web.Request) -> web.Response:
    if request.method == "POST":
        read_document(await request.read())
    return _json(enveloped({}))


async def _status(_: web.Request) -> web.Response:
    response = _json({"status": "ok", "version": "4.11.2"})
    response.set_cookie("session", "legacy-1", httponly=True, samesite="Lax")
    response.set_cookie("theme", "dark")
    return response


async def _moved(_: web.Request) -> web.Response:
    return web.Response(status=301, headers={"location": "/v4/zones"})


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ExampleError as error:
        fault = fault_of(error)
        return _json(error_body(fault, error.violations), fault.status)
    except web.HTTPError as error:
        allow = {name: value for name, value in error.headers.items() if name == "Allow"}
        return _json(error_body(http_fault(error.status)), error.status, allow)


def _json(
    document: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    body = _dumps(document).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def _dumps(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _name(request: web.Request) -> str:
    name = "zones/{zone}/records/{id}".format_map(request.match_info)
    split_record_name(name, "name")
    return name


def _accepted(request: web.Request) -> str:
    return request.headers.get("accept", "").partition(";")[0].strip()


async def _as_array(request: web.Request, records: Iterable[Record]) -> AsyncIterator[bytes]:
    opener = b"["
    try:
        for record in records:
            yield opener + _dumps(record_document(record)).encode()
            opener = b","
    except ExampleError:
        # An array that has begun has no place for an error: it must not look whole.
        if request.transport is not None:
            request.transport.abort()
        return
    yield b"[]" if opener == b"[" else b"]"


async def _as_lines(_: web.Request, records: Iterable[Record]) -> AsyncIterator[bytes]:
    try:
        for record in records:
            yield f"{_dumps(record_document(record))}\n".encode()
    except ExampleError as error:
        yield f"{_dumps({'error': error_body(fault_of(error))})}\n".encode()


async def _as_events(_: web.Request, records: Iterable[Record]) -> AsyncIterator[bytes]:
    try:
        for record in records:
            yield f"data: {_dumps(record_document(record))}\n\n".encode()
    except ExampleError as error:
        yield f"event: error\ndata: {_dumps(error_body(fault_of(error)))}\n\n".encode()


Framing = Callable[[web.Request, Iterable[Record]], AsyncIterator[bytes]]

_FRAMINGS: Final[Mapping[str, Framing]] = {
    "application/x-ndjson": _as_lines,
    "text/event-stream": _as_events,
}


if __name__ == "__main__":
    main("The example's legacy REST host.", lambda port: LegacyHost(seeded_store(), port))
