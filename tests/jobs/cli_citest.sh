#!/bin/sh
# One test on a table: published and computed answers, variables of several columns, bad tables.
. "$(dirname "$0")/lib.sh"
shared=${UB_SHARED:-${UB_SOURCE:?}/../shared}

# near WHAT VALUE WANTED: to nine digits
near() {
    if awk "BEGIN { d = $2 - ($3); exit !(d * d <= 1e-18 * ($3) * ($3) + 1e-24) }"; then
        echo "ok: $1 = $2"
    else
        fail "$1 = $2, wanted $3"
    fi
}

# Berkeley admissions: G^2 = 21.73551, 6 degrees of freedom, p = .001351993 (Agresti; R's loglin).
awk 'BEGIN {
    split("512 313 89 19 353 207 17 8 120 205 202 391 138 279 131 244 53 138 94 299 22 351 24 317", n)
    print "dept,\"male, admitted\",gender,admitted"
    for (d = 0; d < 6; d++) for (k = 0; k < 4; k++) for (i = 0; i < n[4 * d + k + 1]; i++)
        printf "%d,0,%d,%d\n", d, int(k / 2), k % 2
}' >berkeley.csv
"$UNBRAID" citest berkeley.csv --x gender --y admitted --z dept --test gsq --set ci.correction=none \
    --json >g.json
same "Berkeley" "$(awk "BEGIN { printf \"%.5f\", $(json g.json statistic) }") $(json g.json dof) $(json g.json n) $(json g.json verdict)" \
    "21.73551 6 4526 ok"
same "its p-value" "$(awk "BEGIN { printf \"%.9f\", $(json g.json p_value) }")" 0.001351993
same "its variant" "$(json g.json test): $(json g.json variant)" "gsq: gsq max_levels=64 cell_samples=5 correction=none"
"$UNBRAID" citest berkeley.csv --x gender --y admitted --z dept --test gsq --set ci.max_levels=5 \
    --json >g.json
same "six departments and five levels" "$(json g.json verdict) $(json g.json p_value)" \
    "too_many_levels 1"

# A correlation that awk computes by itself.
awk 'BEGIN {
    print "x,y,v.0,v.1" >"small.csv"
    for (i = 1; i <= 40; i++) {
        x = (i * 37) % 41; y = 0.3 * x + (i * i * 11) % 23
        printf "%.17g,%.17g,%d,%d\r\n", x, y, (i * 7) % 13, (i * i) % 17 >"small.csv"
        sx += x; sy += y; sxx += x * x; syy += y * y; sxy += x * y
    }
    r = (40 * sxy - sx * sy) / sqrt((40 * sxx - sx * sx) * (40 * syy - sy * sy))
    printf "%.17g\n", sqrt(37) * log((1 + r) / (1 - r)) / 2
}' >z.txt
"$UNBRAID" citest small.csv --x x --y=y --json >r.json
near "Fisher z of a small table" "$(json r.json statistic)" "$(cat z.txt)"
"$UNBRAID" citest small.csv --x x --y v --json >r.json
same "a vector" "$(json r.json dof)" 2
"$UNBRAID" citest small.csv --x x --y v.0,v.1 --json >s.json
same "by its name and by its columns" "$(cat r.json)" "$(cat s.json)"
on 3 citest small.csv --x x --y v --json >s.json
same "on three ranks" "$(cat r.json)" "$(cat s.json)"
"$UNBRAID" citest small.csv --x x --y y --z v --test gauss_copula | grep -q '^verdict    ok$' ||
    fail "no text"

"$UNBRAID" citest small.csv --x x --y y --test rcot --set run.seed=7 --json >r.json
same "a variant with its seed" "$(json r.json variant)" "rcot features_xy=5 features_z=100 seed=7"

# Neighbours of raw columns, counted by awk: psi(k) + <psi(n_z) - psi(n_xz) - psi(n_yz)>.
for k in 3 7; do
    awk -F, -v k=$k '
        function psi(n, sum, i) { for (i = 1; i < n; i++) sum += 1 / i; return sum - 0.57721566490153286 }
        function far(i, j, c, d) { d = col[c, i] - col[c, j]; return d < 0 ? -d : d }
        function most(a, b) { return a > b ? a : b }
        NR > 1 { for (c = 1; c <= 4; c++) col[c, NR - 1] = $c + 0; n = NR - 1 }
        END {
            for (i = 1; i <= n; i++) {
                for (j = 1; j <= n; j++) {
                    z[j] = most(far(i, j, 3), far(i, j, 4)); xz[j] = most(z[j], far(i, j, 1))
                    yz[j] = most(z[j], far(i, j, 2)); all[j] = most(xz[j], yz[j])
                }
                for (j = 1; j <= n; j++) { # the point itself is one of those not farther
                    near = farther = 0
                    for (m = 1; m <= n; m++) { near += all[m] <= all[j]; farther += all[m] < all[j] }
                    if (near > k && farther <= k) eps = all[j]
                }
                nz = nxz = nyz = 0
                for (j = 1; j <= n; j++) { nz += z[j] < eps; nxz += xz[j] < eps; nyz += yz[j] < eps }
                sum += psi(nz) - psi(nxz) - psi(nyz)
            }
            printf "%.17g\n", psi(k) + sum / n
        }' small.csv >cmi.txt
    "$UNBRAID" citest small.csv --x x --y y --z v --test cmi_knn --set ci.k=$k --set ci.scaling=raw \
        --set ci.permutations=99 --set ci.stop_after=0 --json >r.json
    near "cmi_knn with k = $k" "$(json r.json statistic)" "$(cat cmi.txt)"
    same "its variant" "$(json r.json variant)" \
        "cmi_knn k=$k estimator=ksg1 scaling=raw permutation=local k_perm=5 permutations=99 stop_after=0 seed=1"
done
"$UNBRAID" citest small.csv --x x --y y --z v --test cmi_knn --set ci.permutations=99 --set ci.stop_after=0 \
    --json >s.json
awk "BEGIN { p = 100 * $(json s.json p_value); d = p - int(p + 0.5); exit !(p > 0.5 && p < 100.5 && d * d < 1e-18) }" ||
    fail "p of 99 surrogates: $(cat s.json)"

# HDF5: the steps and tasks of a corpus.
"$UNBRAID" synth --set synth.samples=300 --set synth.steps=4 --set synth.tasks=2 --out c.h5 >/dev/null
"$UNBRAID" citest c.h5 --x states.1 --y tasks/task0 --z states.0,states.2.0 --json >h.json
same "columns of an HDF5 file" "$(json h.json n) $(json h.json dof)" "300 1"

# A moderator: what a study asks of a pair of steps and a task.
"$UNBRAID" structure --set corpus.path=c.h5 --set structure.test=gcm_poly --set structure.representatives=last \
    --out study >/dev/null 2>&1
"$UNBRAID" citest c.h5 --x states.1 --y states.3 --z states.0,states.2 --moderator tasks/task0 \
    --test gcm_poly --json >m.json
pair=$(sed -n 's/^0,1,task0,//p' study/pairs.csv)
near "a study's statistic" "$(json m.json statistic)" "$(echo "$pair" | cut -d, -f1)"
near "a study's p-value" "$(json m.json p_value)" "$(echo "$pair" | cut -d, -f2)"
same "products along a moderator" "$(json m.json dof)" 3
"$UNBRAID" citest c.h5 --x states.1 --y states.3 --z states.0,states.2,tasks/task0 --test gcm_poly \
    --json >z.json
same "products without one" "$(json z.json dof)" 4
for side in "--z states.0,states.2,tasks/task0" "--z states.0,states.2 --moderator tasks/task0"; do
    # shellcheck disable=SC2086 # words
    "$UNBRAID" citest c.h5 --x states.1 --y states.3 $side --json >>both.json
done
same "a moderator is conditioned on" "$(sort -u both.json | wc -l)" 1
# The sign of the dependence is that of g: nothing without looking along g.
awk 'BEGIN {
    srand(1)
    print "x,y,g"
    for (i = 0; i < 500; i++) { x = rand() - 0.5; g = i % 2 ? 1 : -1; print x "," g * x + rand() - 0.5 "," g }
}' >sign.csv
"$UNBRAID" citest sign.csv --x x --y y --z g --test gcm_poly --set ci.form=product --json >z.json
"$UNBRAID" citest sign.csv --x x --y y --moderator g --test gcm_poly --json >m.json
at_least "p without a moderator" "$(json z.json p_value)" 0.001
at_most "p along the moderator" "$(json m.json p_value)" 1e-10

golden=$shared/golden/lin_n1000.csv
if [ -e "$golden" ]; then
    "$UNBRAID" citest "$golden" --x x --y y --z z1,z2,z3,z4,z5 --json >a.json
    near "golden z, dependent" "$(json a.json statistic)" 10.99259232878347
    near "golden p, dependent" "$(json a.json p_value)" 4.148370391565676e-28
    "$UNBRAID" citest "$golden" --x x --y y0 --z z1,z2,z3,z4,z5 --test fisher_z --json >b.json
    near "golden z, null" "$(json b.json statistic)" -0.21004570203369358
    near "golden p, null" "$(json b.json p_value)" 0.8336320035114212
    near "golden partial r" "$(awk "BEGIN { e = exp(2 * $(json a.json statistic) / sqrt(992))
        printf \"%.17g\", (e - 1) / (e + 1) }")" 0.3355018443255637
    "$UNBRAID" citest "$golden" --x x --y y --z z1,z2,z3,z4,z5 --test gauss_copula --json >c.json
    near "golden z of normal scores" "$(json c.json statistic)" 11.00822791410188 # by scipy
    for of_k in 3:0.03604589964758553 5:0.0462092839013446 10:0.03792379084001318; do
        "$UNBRAID" citest "$golden" --x x --y y --z z1,z2,z3,z4,z5 --test cmi_knn --set ci.k="${of_k%:*}" \
            --set ci.permutations=1 --json >k.json
        near "golden CMI, k = ${of_k%:*}" "$(json k.json statistic)" "${of_k#*:}"
    done
else
    echo "skipped: no $golden"
fi

refuses 2 "did you mean 'states.3.0'?" citest c.h5 --x states.30 --y tasks/task0
refuses 2 "'truth/membership.0' has 4 rows, 'states.0.0' has 300" citest c.h5 --x states.0 \
    --y truth/membership.0
refuses 2 "there is no column 'yy'; did you mean 'y'?" citest small.csv --x x --y yy
refuses 2 "there are: x, y, v.0, v.1" citest small.csv --x x --y nothing_like_it
refuses 2 "did you mean 'fisher_z'" citest small.csv --x x --y y --test fisher_y
refuses 2 "asked for twice" citest small.csv --x x --y y --z v,x
refuses 2 "wants --x and --y" citest small.csv --x x
refuses 2 "--y wants a value" citest small.csv --x x --y
refuses 2 "asked for twice" citest small.csv --x x --y y --z v --moderator v.0
refuses 2 "ci.k" citest small.csv --x x --y y --test cmi_knn --set ci.k=0
refuses 2 "did you mean" citest small.csv --x x --y y --test cmi_knn --set ci.kk=3
refuses 2 "--x is given twice" citest small.csv --x x --x y --y y
refuses 2 "unknown option '--w'" citest small.csv --x x --y y --w v
refuses 2 "unknown option '--x'" list ci --x x
refuses 2 "usage: unbraid citest" citest --x x --y y
printf 'x,y,note\n1,2,good\n2,high,bad\n' >text.csv
refuses 2 "text.csv: line 3, column 2 ('y'): 'high' is not a number" citest text.csv --x x --y y
printf 'x,y\n1,2\n\n2\n' >short.csv
refuses 2 "short.csv: line 4 has 1 cells, the line of names has 2" citest short.csv --x x --y y
printf 'x,"y\n1,2\n' >quote.csv
refuses 2 "line 1 is not closed" citest quote.csv --x x --y y
: >empty.csv
refuses 2 "empty.csv is empty" citest empty.csv --x x --y y
printf 'x,y\n' >names.csv
refuses 2 "no line of numbers" citest names.csv --x x --y y
printf 'x,y\n1,2\n' >one.csv
refuses 2 "one line of numbers" citest one.csv --x x --y y
refuses 2 "absent.csv" citest absent.csv --x x --y y
printf 'x,y\n1,2\nnan,3\n4,5\n9,1\n2,2\n7,6\n8,0\n' >nan.csv
"$UNBRAID" citest nan.csv --x x --y y --json >n.json
same "not a number" "$(json n.json verdict) $(json n.json p_value)" "nonfinite 1"
finish
