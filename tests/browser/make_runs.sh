#!/usr/bin/env bash
# make_runs.sh POMONA FOLDER: four runs, each in FOLDER/<name>/results: pictures that Pomona draws; odd labels and
# rejects; a single component; pictures that are all the same.
set -euo pipefail
pomona=$1
folder=$2

"$pomona" --quiet demo "$folder/demo" --untrained
mapfile -t pictures < <(find "$folder/demo/images" -name '*.png' | sort)

labels=(
    '<script>alert(1)<' '"><img src=x onerror=alert(2)>' "it's \"quoted\" & more" $'line\nbreak\ttab' 'عنب أسود' '梨' 'Äpfel'
    'a very long name that somebody once made up and_then_went_on_without_any_blank_for_the_rest_of_its_considerable_length'
)
index=0
for label in "${labels[@]}"; do
    mkdir -p "$folder/odd/images/$label"
    for _ in 1 2 3 4; do
        cp "${pictures[index * 11]}" "$folder/odd/images/$label/$((index += 1)) <i>&amp;.png"
    done
done
cp "${pictures[350]}" "$folder/odd/images/no label.png"
: > "$folder/odd/images/empty.jpg"
echo 'no picture' > "$folder/odd/images/text.png"
"$pomona" --quiet run "$folder/odd/images" "$folder/odd/results" --max-reject-share 0.1 --untrained

"$pomona" --quiet run "$folder/demo/images" "$folder/one-component/results" --limit 60 --components 1 --untrained

mkdir -p "$folder/no-variance/images"
for copy in 1 2 3; do
    cp "${pictures[0]}" "$folder/no-variance/images/$copy.png"
done
"$pomona" --quiet run "$folder/no-variance/images" "$folder/no-variance/results" --untrained
