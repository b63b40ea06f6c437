"""The URLs, hosts and origins of this server. A loopback address has several names, and clients use any of them."""

from urllib.parse import urlsplit

from mcp_server.settings import Settings, origin_of

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


def addresses(settings: Settings) -> list[str]:
    """The URLs of this server, the canonical one first; others only if it listens on this machine alone."""
    return aliases(settings.address) if settings.loopback else [settings.address]


def address_for(settings: Settings, host: str) -> str:
    """The URL that a client used, by its Host header; the canonical URL if that header is not one of ours."""
    ours = addresses(settings)
    return next((url for url in ours if urlsplit(url).netloc == host.lower()), ours[0])


def known_hosts(settings: Settings) -> set[str]:
    """Every Host header that names this server, in lower case.

    The loopback names are always included, because health checks use them. A web page cannot abuse that (DNS
    rebinding): its browser sends the name that the page was loaded from.
    """
    local = [f"http://[{name}]" if ":" in name else f"http://{name}" for name in LOOPBACK_NAMES]
    urls = [*addresses(settings), *(f"{url}:{settings.port}" for url in local)]
    return {host for url in urls for host in _spellings(url)}


def known_origins(settings: Settings, dashboard_url: str | None) -> set[str]:
    """The origins whose pages may call this server: its own, the issuer's, and TASKDECK_ALLOWED_ORIGINS."""
    issuer = settings.issuer or dashboard_url
    urls = [*addresses(settings), *(aliases(issuer) if issuer else [])]
    return {origin_of(url) for url in urls} | set(settings.allowed_origins)


def aliases(url: str) -> list[str]:
    """The URL and, if its host is a loopback name, the same URL with the other loopback names."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK_NAMES:
        return [url]
    port = f":{parts.port}" if parts.port else ""
    others = (parts._replace(netloc=name + port).geturl() for name in ("localhost", "127.0.0.1"))
    return list(dict.fromkeys([url, *others]))


def _spellings(url: str) -> set[str]:
    """The Host headers for a URL: with and without the port, if it is the default port of the scheme."""
    parts = urlsplit(url.lower())
    usual = {"http": 80, "https": 443}[parts.scheme]
    bare = parts.netloc.removesuffix(f":{usual}")
    return {bare, f"{bare}:{usual}"} if (parts.port or usual) == usual else {parts.netloc}
