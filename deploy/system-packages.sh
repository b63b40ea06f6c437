#!/bin/sh
# What the tests need from Debian: a browser, a connection pooler, and the oldest PostgreSQL that we support.
set -eu
needed=""
command -v chromium >/dev/null || needed="$needed chromium"
command -v pgbouncer >/dev/null || needed="$needed pgbouncer"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || needed="$needed postgresql"
[ -z "$needed" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need these programs; please install them:$needed" >&2
    exit 1
fi
echo "Installing Debian packages for the tests:$needed"
# Only the programs are wanted: no cluster of the machine's, no service.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086
RUNLEVEL=1 apt-get install -qq -y --no-install-recommends $needed >/dev/null
