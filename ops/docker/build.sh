#!/usr/bin/env bash
# Builds local images of Postgres and Kafka from Debian packages and Maven's jars, for machines that reach no image
# registry. They understand those variables of the official images that the tests use. Needs root, debootstrap, Maven,
# and a Docker daemon. DEBIAN_MIRROR names another mirror than debootstrap's own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

debootstrap --variant=minbase --include=postgresql,openjdk-17-jre-headless bookworm "$work/tree" \
  ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
rm -rf "$work"/tree/var/cache/apt/archives "$work"/tree/var/lib/apt/lists/* "$work"/tree/usr/share/{doc,man,locale}
tar -C "$work/tree" -c . | docker import - oncegate-debian:local
rm -rf "$work/tree"

docker build --tag oncegate-postgres:local "$here/postgres"

cp -r "$here/kafka" "$work/kafka"
mvn -q -B -f "$here/../kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
  -DoutputDirectory="$work/kafka/libs"
docker build --tag oncegate-kafka:local "$work/kafka"
