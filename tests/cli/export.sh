#!/bin/sh
# export.sh PROGRAM JSON_OK - a study and a score file as CSV and LaTeX; the same bytes twice; what is refused leaves nothing behind.
. "$(dirname "$0")/common.sh"

run lab plant runs --series 4 --every 10 --births 10 --retrieval 3.1 --seed 3
run cases needle --model runs/step000010 --lengths 60 --count 4 -o cases.jsonl
run scan runs --cases cases.jsonl --probe retrieval_find,previous_token -o scan
run merge scan -o study.h5
run score runs/step000030 --cases cases.jsonl --probe retrieval_find --resamples 50 -o scores.h5

run export csv study.h5 --score retrieval_find,previous_token -o a.csv
run export csv study.h5 --score retrieval_find,previous_token -o b.csv
cmp -s a.csv b.csv || fail "csv: other bytes the second time"
[ "$(head -n 1 a.csv | tr -d '\r')" = run,arm,seed,window,step,tokens,layer,head,layer_kind,score,value,n ] ||
    fail "columns: $(head -n 1 a.csv)"
heads=$(awk -F, '$5 == 0 && $10 == "retrieval_find"' a.csv | wc -l)
[ "$heads" -gt 0 ] && [ "$(wc -l <a.csv)" -eq $((1 + 4 * 2 * heads)) ] || fail "rows: $(wc -l <a.csv) lines for $heads heads"
[ "$(awk -F, '$7 == 3 && $8 == 1 && $10 == "retrieval_find" {printf "%s:%s ", $5, $11}' a.csv)" = '0:0 10:1 20:1 30:1 ' ] ||
    fail "the planted head is not born at 10"
run export csv scores.h5 -o s.csv
[ "$(awk -F, '$4 == 3 && $5 == 1 && $7 == "retrieval_find" {print $8}' s.csv)" = 1 ] || fail "csv of scores: $(head -n 3 s.csv)"

run export latex study.h5 --top 2 -o a.tex
grep -q '^runs & retrieval\\_find & 3.1 & 30 & full & 1.000' a.tex && grep -q 'Step & Layer kind & Value' a.tex ||
    fail "latex: $(cat a.tex)"
run export latex scores.h5 --top 2 --standalone -o s.tex
grep -q '^retrieval\\_find & 3.1 & full & 1.000 & \[0.839, 1.000\]' s.tex && grep -q 'end{document}' s.tex ||
    fail "latex of scores: $(cat s.tex)"
"$NEEDLESCOPE" export csv study.h5 -s retrieval_find -o j.csv --json >out 2>err
[ "$("$JSON_OK" needlescope.export/1 rows <out)" -eq $((4 * heads)) ] || fail "--json: $(cat out err)"

mkdir paper
run export notebook study.h5 --score retrieval_find,previous_token --top 2 -o paper/a.ipynb
run export notebook study.h5 --score retrieval_find,previous_token --top 2 -o paper/b.ipynb
for name in a b; do grep -Ev '^[[:space:]]*"command_line":' paper/$name.ipynb >$name.kept; done
[ "$(wc -l <a.kept)" -eq $(($(grep -c "" paper/a.ipynb) - 1)) ] && cmp -s a.kept b.kept ||
    fail "notebook: other bytes the second time, beside by which command"
grep -q '"nbformat_minor":.*5' paper/a.ipynb && grep -q 'path = \\"../study.h5\\"' paper/a.ipynb ||
    fail "notebook: no nbformat 4.5, or no way to the study"
grep -q '"id":.*"births"' paper/a.ipynb && grep -q '"id":.*"top-1"' paper/a.ipynb || fail "notebook: cells are missing"
grep -q '<td>runs</td><td>3.1</td><td>0</td><td>' paper/a.ipynb ||
    fail "notebook: the birth is not in its table: $(grep '<td>' paper/a.ipynb)"
run export notebook study.h5 --no-births -o c.ipynb
no_line '"births"' c.ipynb "--no-births has births"
run export notebook scores.h5 -o s.ipynb
grep -q '95 % from' s.ipynb || fail "notebook of scores: no interval"
case $("$NEEDLESCOPE" figure heads scores.h5 --score retrieval_find -o f.png 2>&1) in
*'draws no figures'*) grep -q image/png s.ipynb && fail "a figure without cairo" ;;
*) grep -q image/png s.ipynb || fail "notebook of scores: no figure" ;;
esac
expect 2 'the output is also the input' export csv study.h5 -o study.h5
run export notebook study.h5 --persist 9 -o few.ipynb
grep -q '9 scored checkpoints' err && ! grep -q '"births"' few.ipynb || fail "births of too few checkpoints: $(cat err)"
run export notebook study.h5 --persist 1 -o one.ipynb
expect 2 '--theta 0' export notebook study.h5 --theta 0 -o kept.ipynb
expect 2 "no .*'nothing'" export notebook study.h5 --score nothing -o kept.ipynb
expect 73 no/such export notebook study.h5 -o no/such/x.ipynb
[ ! -e kept.ipynb ] || fail "a failed export leaves a notebook"

printf precious >kept.csv
expect 2 '-o FILE is missing' export csv study.h5
expect 2 "no score 'retrieval_fnd' .did you mean retrieval_find\?.; it has .*retrieval_find" export csv study.h5 --score retrieval_fnd \
    -o kept.csv
expect 2 "no run 'walks'; it has runs" export latex study.h5 --run walks -o kept.csv
run record runs/step000030 --cases cases.jsonl --maps stats -o rec.h5
expect 2 'rec.h5: is a recording, not a study' export csv rec.h5 -o kept.csv
printf junk >junk.h5
expect 65 junk.h5 export latex junk.h5 -o kept.csv
expect 66 none.h5 export csv none.h5 -o kept.csv
expect 73 no/such export csv study.h5 -o no/such/x.csv
[ "$(cat kept.csv)" = precious ] || fail "a failed export changed the file that was there"
(ulimit -f 2; "$NEEDLESCOPE" export csv study.h5 -o big.csv >out 2>err; echo $? >code)
[ "$(cat code)" -eq 74 ] || fail "disk full: exit $(cat code): $(cat err)"
[ -z "$(find . -name 'big.csv*')" ] || fail "disk full: leaves $(find . -name 'big.csv*')"
finish
