"""Database addresses in the form that asyncpg accepts."""

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# asyncpg sends parameters that it does not know to PostgreSQL as settings, and PostgreSQL refuses a connection with an
# unknown setting. These are for other clients: libpq (its manual, section 34.1.2), node-postgres, Prisma, SQLAlchemy,
# pgx, Supabase.
_FOR_OTHERS = frozenset(
    """
    channel_binding connect_timeout fallback_application_name gssdelegation gssencmode hostaddr keepalives
    keepalives_count keepalives_idle keepalives_interval load_balance_hosts max_protocol_version min_protocol_version
    require_auth requirepeer requiressl scram_client_key scram_server_key sslcertmode sslcompression sslkeylogfile
    sslsni tcp_user_timeout uselibpqcompat
    connection_limit pgbouncer pool_timeout schema socket_timeout sslaccept sslidentity statement_cache_size
    async_fallback prepared_statement_cache_size prepared_statement_name_func
    binary_parameters default_query_exec_mode description_cache_capacity pool_health_check_period
    pool_max_conn_idle_time pool_max_conn_lifetime pool_max_conns pool_min_conns statement_cache_capacity
    pool pool_mode supa workaround
    """.split()  # noqa: SIM905 - one name on each line would be a page
)
_QUOTING = "in a password write / as %2F, ? as %3F, # as %23"
_HOST = re.compile(r"(?:\[[^\[\]]+\]|[^:\[\]]*)(?::(.*))?")


def cleaned(url: str) -> str:
    """The same address without the parameters that only other clients know; settings of PostgreSQL stay.

    Cleaning twice changes nothing more. Callers set timeouts themselves, so `connect_timeout` is removed as well.

    Raises:
        ValueError: the address cannot be used; the text says why and repeats no password.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        # "from None", because the message of urlsplit may quote the address with its password.
        raise ValueError("is not an address such as postgresql://user:password@host/database") from None
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("must start with postgresql://")
    if parts.fragment:
        raise ValueError(f"has a # in it: {_QUOTING}")
    # The last @, because a password may contain an unencoded one; the others are encoded below.
    login, at, hosts = parts.netloc.rpartition("@")
    for host in hosts.split(","):
        if (match := _HOST.fullmatch(host)) is None:
            raise ValueError("has a host that is none: write host, host:port or [IPv6 address]:port")
        _check_ports(match[1] or "")
    kept = [pair for pair in map(_translated, parse_qsl(parts.query)) if pair[0] not in _FOR_OTHERS]
    for name, value in kept:
        if name == "port":
            _check_ports(value)
        elif name == "sslmode" and value not in SSL_MODES:
            raise ValueError(f"has sslmode={value}: choose from {', '.join(SSL_MODES)}")
    query = f"?{urlencode(kept, quote_via=quote)}" if kept else ""
    # urlunsplit would drop the two slashes of an address without a host, the form of socket addresses.
    return f"{parts.scheme}://{login.replace('@', '%40')}{at}{hosts}{parts.path}{query}"


def _translated(pair: tuple[str, str]) -> tuple[str, str]:
    """A parameter of node-postgres as the one of libpq that means the same."""
    match pair:
        case ("ssl", value):
            return ("sslmode", "require" if value in ("true", "1") else "prefer")
        case ("sslmode", "no-verify"):
            return ("sslmode", "require")
        case _:
            return pair


def _check_ports(text: str) -> None:
    for port in text.split(","):
        if port and not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535):
            raise ValueError(f"has a port that is no number from 1 to 65535: {_QUOTING}")
