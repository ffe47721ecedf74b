# Runs each test program that /tests.list names, and reports how it ended.
export NLB_BIN=/bin/nlb NLB_HISTORIES=20 NLB_PACKETS=12500 RUST_BACKTRACE=1 RUST_TEST_THREADS=1
while read -r test; do
    echo "-- $test"
    # What flows remember is in seconds since the start, and these tests tell of a minute before now.
    while [ "$test" = packets_flows ] && [ "$(cut -d. -f1 /proc/uptime)" -lt 70 ]; do sleep 1; done
    start=$(cut -d. -f1 /proc/uptime)
    # The exit status of the test, not of what keeps its output.
    { /tests/"$test" 2>&1; echo $? >/tmp/code; } | tee /tmp/output
    end=$(cut -d. -f1 /proc/uptime)
    summary=$(sed -n 's/^test result: //p' /tmp/output | tail -n 1)
    echo "ran $test $(cat /tmp/code) $((end - start)) $summary" >/dev/ttyS2
done </tests.list
