#!/usr/bin/env bash
# A one-node Apache Kafka for tests and for trying things out: KRaft, broker and controller in one process, loopback only.
# The jars come from Maven Central (kafka-pom.xml); nothing is installed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
scratch=${LACUNA_SCRATCH:-$root/.scratch}

kafka_version=$(sed -n '/<artifactId>kafka_2.13</,/<\/dependency>/s/.*<version>\(.*\)<\/version>.*/\1/p' "$here/kafka-pom.xml")
cluster_id=bGFjdW5hLXRlc3Qta2Fma2  # any 16 bytes in URL-safe base64
start_limit_s=60
stop_limit_s=30
heap=512m
skip=77

usage() {
  cat <<'TEXT'
Usage: kafka.sh start|stop|kill|pause|resume|status [--port P] [--dir D] [--fresh]
       kafka.sh acl [--dir D] -- ARGUMENTS OF kafka-acls
       kafka.sh configs [--dir D] -- ARGUMENTS OF kafka-configs

  start   starts the broker unless it runs already, and waits until it serves
  stop    lets it shut down in order; the data stay
  kill    ends it without warning (tests of recovery)
  pause   stops it where it is (SIGSTOP), connections open; resume lets it go on
  acl     adds or removes permissions; everything is allowed where nothing was said
  configs adds or removes logins (SCRAM-SHA-256), among other things
  status  says where it runs; exit 1 when it does not

  --port P   0: any free one. Default: the one it had before in this folder, or ${LACUNA_KAFKA_PORT:-9092}
  --dir D    data, log and process id. Default: ${LACUNA_SCRATCH:-<repository>/.scratch}/kafka
  --fresh    start: wipes the data first (the broker is stopped if it runs)

D/bootstrap holds host:port while it runs, D/bootstrap-login that of a listener that asks for a login. Exit 77: the jars could not be fetched.
TEXT
}

command=${1:-}
[ $# -eq 0 ] || shift
port= dir=$scratch/kafka fresh=
while [ $# -gt 0 ]; do
  case $1 in
    --port) port=$2; shift 2 ;;
    --dir) dir=$2; shift 2 ;;
    --fresh) fresh=1; shift ;;
    --) shift; break ;;
    *) usage >&2; exit 2 ;;
  esac
done
jars=$scratch/kafka-jars-$kafka_version
pid_file=$dir/pid
log=$dir/broker.log
conf=$dir/server.properties

# The process id, when that process is this folder's broker (ids are used again).
running_pid() {
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) || return 1
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF -- "$conf" || return 1
  echo "$pid"
}

fetch_jars() {
  [ -d "$jars" ] && return 0
  for tool in java mvn; do
    command -v $tool >/dev/null || { echo "kafka.sh: $tool is not installed" >&2; exit $skip; }
  done
  mkdir -p "$scratch"
  exec 9>"$scratch/kafka-jars.lock"
  flock 9
  if [ ! -d "$jars" ]; then
    echo "Fetching Apache Kafka $kafka_version from Maven Central"
    rm -rf "$jars.part"
    if ! mvn -q -B -f "$here/kafka-pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
      -DoutputDirectory="$jars.part" >"$scratch/kafka-fetch.log" 2>&1; then
      tail -5 "$scratch/kafka-fetch.log" >&2
      echo "kafka.sh: Apache Kafka cannot be fetched from Maven Central: the tests against a broker are skipped" >&2
      exit $skip
    fi
    mv "$jars.part" "$jars"
  fi
  exec 9>&-
}

free_port() {
  python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

write_configuration() {
  local controller login
  if [ -z "$port" ]; then port=$(cat "$dir/port" 2>/dev/null || echo "${LACUNA_KAFKA_PORT:-9092}"); fi
  if [ "$port" = 0 ]; then port=$(free_port); fi
  if taken "$port"; then
    echo "kafka.sh: port $port is in use by something else; choose one with --port or LACUNA_KAFKA_PORT" >&2
    exit 1
  fi
  controller=$(free_port)
  login=$(cat "$dir/login_port" 2>/dev/null || free_port)
  echo "$port" >"$dir/port"
  echo "$login" >"$dir/login_port"
  echo "127.0.0.1:$login" >"$dir/bootstrap-login"
  cat >"$conf" <<TEXT
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,SASL_PLAINTEXT://127.0.0.1:$login,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port,SASL_PLAINTEXT://127.0.0.1:$login
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs=$dir/data
num.partitions=4
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
group.initial.rebalance.delay.ms=0
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
num.network.threads=2
num.io.threads=4
TEXT
}

java_with() { java -cp "$jars/*" "$@"; }

failed() {
  echo "kafka.sh: $1; its log is $log:" >&2
  tail -20 "$log" >&2
  exit 1
}

start() {
  if [ -n "$fresh" ]; then
    stop
    rm -rf "$dir/data" "$dir/port" "$dir/login_port"
  fi
  if running_pid >/dev/null; then
    echo "Kafka runs already on $(cat "$dir/bootstrap")"
    return 0
  fi
  fetch_jars
  mkdir -p "$dir"
  write_configuration
  [ ! -f "$log" ] || mv "$log" "$log.1"
  java_with -Xmx128m -Dorg.slf4j.simpleLogger.defaultLogLevel=error kafka.tools.StorageTool \
    format -t "$cluster_id" -c "$conf" --ignore-formatted >"$log" 2>&1 || failed "the data folder could not be prepared"
  # A session of its own: it outlives the terminal and the test run's signals.
  setsid nohup java -cp "$jars/*" -Xmx$heap -Xms128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
    -Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info \
    kafka.Kafka "$conf" >>"$log" 2>&1 </dev/null 9>&- &
  echo $! >"$pid_file"
  local waited
  for ((waited = 0; waited < 10 * start_limit_s; ++waited)); do
    if grep -q 'Kafka Server started' "$log"; then
      echo "127.0.0.1:$port" >"$dir/bootstrap"
      echo "Kafka $kafka_version runs on 127.0.0.1:$port, data in $dir"
      return 0
    fi
    kill -0 "$(cat "$pid_file")" 2>/dev/null || failed "the broker ended at once"
    sleep 0.1
  done
  kill -9 "$(cat "$pid_file")" 2>/dev/null || true
  failed "the broker did not start within $start_limit_s s"
}

# $1: the signal to end it with.
end_with() {
  local pid waited
  rm -f "$dir/bootstrap"
  pid=$(running_pid) || { rm -f "$pid_file"; echo "Kafka does not run"; return 0; }
  kill "-$1" "$pid"
  for ((waited = 0; waited < 10 * stop_limit_s; ++waited)); do
    if ! kill -0 "$pid" 2>/dev/null; then
      rm -f "$pid_file"
      echo "Kafka ended"
      return 0
    fi
    sleep 0.1
  done
  echo "Kafka did not shut down within $stop_limit_s s: ending it" >&2
  kill -KILL "$pid" 2>/dev/null || true
  rm -f "$pid_file"
}

stop() { end_with TERM; }

# $1: the signal.
signal() {
  local pid
  pid=$(running_pid) || { echo "Kafka does not run" >&2; exit 1; }
  kill "-$1" "$pid"
}

# $1: the class; the rest: its arguments.
administer() {
  java_with -Xmx128m -Dorg.slf4j.simpleLogger.defaultLogLevel=error "$1" --bootstrap-server "$(cat "$dir/bootstrap")" "${@:2}"
}

case $command in
  start) start ;;
  stop) stop ;;
  kill) end_with KILL ;;
  pause) signal STOP ;;
  resume) signal CONT ;;
  acl) administer kafka.admin.AclCommand --force "$@" ;;
  configs) administer kafka.admin.ConfigCommand "$@" ;;
  status)
    if running_pid >/dev/null; then echo "Kafka runs on $(cat "$dir/bootstrap" 2>/dev/null || echo "(starting)")"; else echo "Kafka does not run"; exit 1; fi
    ;;
  help | -h | --help) usage ;;
  *) usage >&2; exit 2 ;;
esac
