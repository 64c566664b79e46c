#!/bin/bash
# slurm.sh PROGRAM - the script of `sbatch` on a real Slurm of one node, made here and ended again: an array and the merge behind it; a task
# that is killed, its part submitted again; a task that is told to stop, says 75 and is back in the queue. Needs root (slurmd), and Debian's
# slurmctld slurmd slurm-client munge.
set -u
program=$(realpath "$1")
for need in slurmctld slurmd munged sbatch squeue scontrol scancel sinfo; do
    command -v $need >/dev/null || PATH=$PATH:/usr/sbin
    command -v $need >/dev/null && continue
    echo "SKIP: Slurm is not installed: no $need (apt-get install slurmctld slurmd slurm-client munge)"
    exit 77
done
[ "$(id -u)" -eq 0 ] || { echo "SKIP: slurmd needs root"; exit 77; }
dir=$(mktemp -d) && chmod 755 "$dir" && cd "$dir" || exit 99
failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
stop() {
    scancel --user=root 2>/dev/null
    local daemon pid
    for daemon in slurmd slurmctld munged; do
        [ -s $daemon.pid ] && pid=$(cat $daemon.pid) && kill "$pid" || continue
        for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep .1; done
    done 2>/dev/null
    rm -rf "$dir"
}
trap stop EXIT

# ---- the cluster ----
node=$(hostname -s) cpus=$(nproc) memory=$(($(sed -n 's/MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024 - 512))
port=$((20000 + $$ % 20000))
mkdir -p state spool log tmp
(umask 077 && dd if=/dev/urandom of=munge.key bs=128 count=1 status=none)
cat >slurm.conf <<END
ClusterName=ci
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.sock
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
SlurmctldParameters=enable_configless
MinJobAge=300
MaxArraySize=10001
InactiveLimit=0
KillWait=5
SlurmctldTimeout=30
SlurmdTimeout=30
MailProg=/bin/true
NodeName=$node NodeAddr=127.0.0.1 CPUs=$cpus SocketsPerBoard=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=$memory State=UNKNOWN
PartitionName=ci Nodes=$node Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
END
export SLURM_CONF=$dir/slurm.conf
munged --force --key-file="$dir/munge.key" --socket="$dir/munge.sock" --pid-file="$dir/munged.pid" --log-file="$dir/log/munged.log" \
    --seed-file="$dir/munge.seed" && slurmctld -f "$SLURM_CONF" -c && slurmd -f "$SLURM_CONF" -c || exit 99
until_true() { for _ in $(seq 600); do if eval "$1"; then return 0; fi; sleep .2; done; return 1; }
until_true '[ "$(sinfo -h -o %T 2>/dev/null)" = idle ]' || { cat log/*.log; exit 99; }

# ---- what is scanned ----
"$program" lab plant -o run --series 8 --retrieval 3.1 --births 30 --every 10 >/dev/null
"$program" cases needle --model run/step000000 --lengths 1500 --depths 0:1:4 -o cases.jsonl >/dev/null 2>&1
"$program" scan run --cases cases.jsonl -o direct >/dev/null 2>&1 || fail "the scan without Slurm"
study() { "$program" merge "$1" -o "$1.h5" --json 2>/dev/null | sed -n 's/.*"content_sha256":[^"]*"\([0-9a-f]*\)".*/\1/p'; }
want=$(study direct)
[ ${#want} -eq 64 ] || fail "no study: '$want'"
cat >program.sh <<END                                    # task 1 is killed the first time, while it holds a checkpoint (a second of work)
#!/bin/bash
if [ "\$1" = scan ] && [ "\${SLURM_ARRAY_TASK_ID:-}" = 1 ] && [ ! -e $dir/killed ]; then
    "$program" "\$@" &
    until grep -qsr --include='*.claim' " pid \$! " scan; do kill -0 \$! || break; done
    touch $dir/killed; kill -9 \$!; wait \$!
else
    exec "$program" "\$@"
fi
END
chmod 755 program.sh
ended() { until_true '[ -z "$(squeue -h)" ]' || { squeue; fail "jobs do not end"; }; }

# ---- an array of three, one of which is killed ----
"$program" sbatch -o scan --tasks 3 --cpus 1 --mem 200M --program "$dir/program.sh" -- run --cases cases.jsonl >scan.sh || fail sbatch
bash -n scan.sh || fail "the script is none: $(cat scan.sh)"
bash scan.sh || fail "the script cannot be submitted"
ended
cat logs/needlescope-merge_*.out >merge.out
grep -Eq '^not there +[1-9]' merge.out && grep -Eq '^run +[0-9]+ +step[0-9]+ +waits' merge.out ||
    fail "the merge behind a lost task does not say what is missing: $(cat merge.out logs/*)"
done_before=$(find scan -name '*.h5' -path '*shards*' | wc -l)
[ "$done_before" -ge 5 ] && [ "$done_before" -lt 8 ] || fail "$done_before of 8 are done behind a lost task: $(cat logs/*)"
NS_TASKS=1 bash scan.sh || fail "the part cannot be submitted"
ended
[ "$(study scan)" = "$want" ] || fail "the study is another one: $(cat logs/*)"
"$program" status scan >status.out || fail "status behind it: $(cat status.out)"
[ -z "$(find scan -name '*.tmp.*' -o -name '*.claim')" ] || fail "left: $(find scan -name '*.tmp.*' -o -name '*.claim')"

# ---- a task that is told to stop: 75, and back in the queue, where it goes on ----
"$program" cases needle --model run/step000000 --lengths 3000 --depths 0:1:12 -o long.jsonl >/dev/null 2>&1
"$program" sbatch -o long --tasks 2 --cpus 1 --time 60 --program "$program" -- run --cases long.jsonl >long.sh || fail sbatch
rm -rf logs && bash long.sh >submitted || fail "the long one cannot be submitted"
job=$(sed -n 's/^scan \([0-9]*\),.*/\1/p' submitted)
log=logs/needlescope-scan_${job}_0.out
until_true '[ -e "$log" ] && [ -n "$(find long -name "*.claim" 2>/dev/null)" ]' || fail "the long one does not begin"
scancel --batch --signal=TERM "${job}_0"
until_true 'grep -q "the same command goes on" "$log"' || fail "it is not stopped: $(cat logs/*)"
grep -Eq '[0-9] of 4 done; the same command goes on' "$log" || fail "how far it is: $(cat logs/*)"
state() { scontrol show job "${job}_0"; }
until_true 'state | grep -q "Restarts=1"' || fail "it is not queued again: $(state; cat logs/*)"
until_true 'state | grep -q "JobState=PENDING\|JobState=RUNNING"' || fail "it is not queued again: $(state)"   # COMPLETING for a moment
scancel "$job" && sleep 1 && scancel --user=root
exit "$failures"
