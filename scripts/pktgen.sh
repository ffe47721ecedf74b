#!/usr/bin/env bash
# Sends UDP packets to an edge with the kernel's generator, pktgen, and says what the edge made of them. For a second host with
# a network card that is as fast as the edge's: benches/README.md, "On real hardware".
#   scripts/pktgen.sh --device DEV --mac MAC --vip ADDRESS [OPTIONS]      see --help
set -euo pipefail

folder=/proc/net/pktgen
device='' mac='' vip='' port=80 flows=1024 size=64 rate=0 threads=1 first_cpu=0 burst=1 count=0 seconds=0 stats='' dry=false

usage() {
    cat <<'END'
usage: scripts/pktgen.sh --device DEV --mac MAC --vip ADDRESS [OPTIONS]
  --device DEV       interface to send by
  --mac MAC          MAC address of the edge, or of the router before it
  --vip ADDRESS      address of a UDP listener, IPv4 or IPv6
  --port PORT        its port (80)
  --flows N          flows (1024): clients from 100.64.0.0 on; for IPv6 source ports, 60000 at most
  --size BYTES       of a frame with its checksum, 64 to 9018 (64)
  --rate PPS         packets a second of all threads; 0: as many as go (0)
  --threads N        threads, each with a CPU and a queue of the card for itself (1)
  --first-cpu N      CPU of the first thread (0)
  --burst N          send each packet N times in a row, which costs the sender less (1; veth can't do more)
  --count N          stop after N packets of all threads
  --seconds N        stop after so long (10, if there is no --count)
  --stats COMMAND    says what the edge counts: 'ssh edge nlb stats --json'; needs jq here
  --dry-run          print what pktgen would be told, and do nothing
END
}

fail() { printf 'pktgen.sh: %s\n' "$*" >&2; exit 1; }
wrong() { printf 'pktgen.sh: %s; see --help\n' "$*" >&2; exit 2; }

# number NAME VALUE LEAST MOST
number() {
    [[ "$2" =~ ^(0|[1-9][0-9]{0,11})$ ]] && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] ||
        wrong "$1 must be a number from $3 to $4, not '$2'"
}

while [ $# -gt 0 ]; do
    case "$1" in
        --help) usage; exit 0 ;;
        --dry-run) dry=true; shift; continue ;;
        --device | --mac | --vip | --port | --flows | --size | --rate | --threads | --first-cpu | --burst | --count | --seconds | --stats) ;;
        *) wrong "there is no option '$1'" ;;
    esac
    [ $# -gt 1 ] || wrong "$1 needs a value"
    name="${1#--}"
    printf -v "${name//-/_}" '%s' "$2"
    shift 2
done

[ -n "$device" ] || wrong '--device is missing'
[ -n "$vip" ] || wrong '--vip is missing'
[[ "$mac" =~ ^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$ ]] || wrong "--mac must be like 02:00:00:00:00:01, not '$mac'"
case "$vip" in
    *:*) v6=true; least=84 most_flows=60000 ;;
    *.*.*.*) v6=false; least=64 most_flows=4194304 ;;
    *) wrong "--vip must be an IPv4 or IPv6 address, not '$vip'" ;;
esac
number --port "$port" 1 65535
number --flows "$flows" 1 "$most_flows"
number --size "$size" "$least" 9018
number --rate "$rate" 0 1000000000
number --threads "$threads" 1 1024
number --first-cpu "$first_cpu" 0 8191
number --burst "$burst" 1 1024
number --count "$count" 0 999999999999
number --seconds "$seconds" 0 86400
[ "$count" = 0 ] || [ "$seconds" = 0 ] || wrong '--count and --seconds exclude each other'
[ "$threads" -le "$flows" ] || wrong "--flows must be at least --threads, which is $threads"
[ "$count" = 0 ] || [ "$count" -ge "$threads" ] || wrong "--count must be at least --threads, which is $threads"
if [ "$count" = 0 ] && [ "$seconds" = 0 ]; then seconds=10; fi

# tell FILE LINE
tell() {
    if $dry; then
        printf 'pgset %s "%s"\n' "$1" "$2"
    else
        printf '%s\n' "$2" >"$folder/$1" 2>/dev/null || fail "pktgen refuses '$2' in $folder/$1"
    fi
}

# share WHOLE THREAD: what a thread gets of it. The first ones get what does not divide.
share() { echo $(($1 / threads + ($2 < $1 % threads ? 1 : 0))); }

# client NUMBER: the nth address from 100.64.0.0 on.
client() { echo "100.$((64 + $1 / 65536)).$(($1 / 256 % 256)).$(($1 % 256))"; }

configure() {
    local thread queue first=0 own own_rate
    for ((thread = 0; thread < threads; thread++)); do
        queue="$device@$thread" own="$(share "$flows" "$thread")"
        tell "kpktgend_$((first_cpu + thread))" "add_device $queue"
        tell "$queue" "count $(share "$count" "$thread")"
        tell "$queue" 'delay 0'
        tell "$queue" 'clone_skb 0'
        [ "$burst" = 1 ] || tell "$queue" "burst $burst"
        tell "$queue" "pkt_size $((size - 4))"
        tell "$queue" 'flag NO_TIMESTAMP'
        tell "$queue" "queue_map_min $thread"
        tell "$queue" "queue_map_max $thread"
        tell "$queue" "dst_mac $mac"
        tell "$queue" "udp_dst_min $port"
        tell "$queue" "udp_dst_max $port"
        if $v6; then
            # Without a checksum it would be no packet (RFC 8200, section 8.1).
            tell "$queue" 'flag UDPCSUM'
            tell "$queue" "dst6 $vip"
            tell "$queue" 'src6 2001:2:0:1::1'
            tell "$queue" "udp_src_min $((4000 + first))"
            # Random ports and addresses are below the greatest.
            tell "$queue" "udp_src_max $((4000 + first + own))"
            tell "$queue" 'flag UDPSRC_RND'
        else
            tell "$queue" "dst $vip"
            tell "$queue" 'udp_src_min 4000'
            tell "$queue" 'udp_src_max 4000'
            tell "$queue" "src_min $(client "$first")"
            tell "$queue" "src_max $(client $((first + own)))"
            tell "$queue" 'flag IPSRC_RND'
        fi
        own_rate="$(share "$rate" "$thread")"
        [ "$rate" = 0 ] || tell "$queue" "ratep $((own_rate > 0 ? own_rate : 1))"
        first=$((first + own))
    done
}

if $dry; then
    configure
    tell pgctrl start
    exit 0
fi

[ "$(id -u)" = 0 ] || fail 'run this as root: pktgen is told by files of the kernel'
[ -z "$stats" ] || command -v jq >/dev/null || fail 'jq is missing, which reads what --stats says'
loaded=false
if [ ! -d "$folder" ]; then
    modprobe pktgen 2>/dev/null || fail 'this kernel has no pktgen (module pktgen, CONFIG_NET_PKTGEN)'
    loaded=true
fi
last_cpu=$((first_cpu + threads - 1))
[ -e "$folder/kpktgend_$last_cpu" ] || fail "there is no CPU $last_cpu for a thread of pktgen"
if grep -qE '^(Running|Stopped): +[^ ]' "$folder"/kpktgend_*; then
    fail "pktgen is in use; 'echo reset >$folder/pgctrl' ends that"
fi

sender=''
cleanup() {
    local thread
    # Whoever waits for the end of what is sent has the file of all threads open.
    if [ -n "$sender" ]; then
        echo stop >"$folder/pgctrl" 2>/dev/null || true
        kill "$sender" 2>/dev/null || true
        wait "$sender" 2>/dev/null || true
    fi
    for ((thread = 0; thread < threads; thread++)); do
        echo rem_device_all >"$folder/kpktgend_$((first_cpu + thread))" 2>/dev/null || true
    done
    if $loaded; then rmmod pktgen 2>/dev/null || true; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# What the edge's listener has forwarded, and what the edge has dropped.
edge_counts() {
    local said
    [ -n "$stats" ] || { echo '0 0'; return; }
    said="$(bash -c "$stats")" || fail "\`$stats\` failed"
    jq -er --arg vip "$vip" --argjson port "$port" '
        [.listeners[] | select(.address == $vip and .port == $port and .protocol == "udp")] as $ours
        | if ($ours | length) == 0 then error("no such listener") else . end
        | "\([$ours[].traffic.packets] | add) \([.drops[].packets] | add // 0)"' <<<"$said" ||
        fail "\`$stats\` tells of no UDP listener $vip port $port"
}

# row WHAT PACKETS MICROSECONDS
row() { awk -v what="$1" -v packets="$2" -v time="$3" 'BEGIN { printf "%-10s %14d packets %10.4f Mpps\n", what, packets, packets / time }'; }

configure
before="$(edge_counts)"
tell pgctrl start &
sender=$!
if [ "$seconds" != 0 ]; then
    sleep "$seconds"
    echo stop >"$folder/pgctrl"
fi
wait "$sender" || fail 'pktgen did not start'
sender=''
sleep 0.2
after="$(edge_counts)"

# Each device says `Result: OK: 1000(c990+d10) usec, 5000 (60byte,0frags)`; the slowest thread's time is the run's.
results="$(for ((thread = 0; thread < threads; thread++)); do cat "$folder/$device@$thread"; done)"
read -r sent time <<<"$(sed -n 's/.*Result: OK: \([0-9]*\)(.*usec, \([0-9]*\) .*/\1 \2/p' <<<"$results" |
    awk '{ sent += $2; if ($1 > time) time = $1 } END { printf "%d %d\n", sent, time }')"
[ "$time" -gt 0 ] || fail "pktgen sent nothing: $results"
row sent "$sent" "$time"
if [ -n "$stats" ]; then
    read -r forwarded_before dropped_before forwarded dropped <<<"$before $after"
    forwarded=$((forwarded - forwarded_before)) dropped=$((dropped - dropped_before))
    row forwarded "$forwarded" "$time"
    row dropped "$dropped" "$time"
    row missing "$((sent - forwarded - dropped))" "$time"
fi
