#!/bin/bash
# As in the official image, KAFKA_SOME_NAME is the broker's property some.name, and CLUSTER_ID formats the data folder.
set -euo pipefail
properties=/etc/kafka/server.properties
java=(java -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/opt/kafka/libs/*')

while IFS='=' read -r name value; do
  case $name in
    KAFKA_HEAP_OPTS | KAFKA_JVM_PERFORMANCE_OPTS) ;;
    KAFKA_*) name=${name#KAFKA_} && name=${name,,} && echo "${name//_/.}=$value" ;;
  esac
done < <(env) > "$properties"

echo "formatting the data folder, if it is not yet"
"${java[@]}" kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER_ID" -c "$properties"
# Unquoted on purpose: each holds several options.
# shellcheck disable=SC2086
exec "${java[@]}" ${KAFKA_HEAP_OPTS:-} ${KAFKA_JVM_PERFORMANCE_OPTS:-} kafka.Kafka "$properties"
