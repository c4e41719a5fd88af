#!/bin/sh
# Copies a model's folder from S3 and lets vLLM have it only if every file is
# what SHA256SUMS says and no file is there that it does not name.
#
#   SOURCE           s3://bucket/folder
#   TARGET           the folder to fill
#   MANIFEST_SHA256  the sum of SHA256SUMS itself; may be empty
#   ENDPOINT_URL     another server that speaks S3; may be empty
set -eu

say() { printf 'fetch-weights: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }

began=$(date +%s)
say "$SOURCE -> $TARGET"
mkdir -p "$TARGET" "$HOME"
# the CRT client takes many parts at a time: a NIC's speed, not one stream's
aws configure set default.s3.preferred_transfer_client crt
# what a killed copy left behind is copied anew, not taken for whole
set -- s3 sync --exact-timestamps --delete --no-progress --only-show-errors
[ -z "$ENDPOINT_URL" ] || set -- "$@" --endpoint-url "$ENDPOINT_URL"
aws "$@" "$SOURCE" "$TARGET" || die "the copy failed: may the role list and read $SOURCE?"

cd "$TARGET"
[ -s SHA256SUMS ] || die "$SOURCE/SHA256SUMS is missing or empty: run 'sha256sum' over the folder and upload it"
if [ -n "$MANIFEST_SHA256" ]; then
    printf '%s  SHA256SUMS\n' "$MANIFEST_SHA256" | sha256sum --check --status - ||
        die "SHA256SUMS is not the one that was pinned: $(sha256sum SHA256SUMS)"
fi
sha256sum --check --strict --quiet SHA256SUMS || die "a file is not what SHA256SUMS says"
find . -type f ! -name SHA256SUMS | sed 's|^\./||' | LC_ALL=C sort >"$HOME/found"
sed 's|^[0-9a-f]* [ *]||; s|^\./||' SHA256SUMS | LC_ALL=C sort >"$HOME/named"
cmp -s "$HOME/found" "$HOME/named" ||
    die "files that SHA256SUMS does not name: $(LC_ALL=C comm -23 "$HOME/found" "$HOME/named" | tr '\n' ' ')"
say "$(wc -l <SHA256SUMS) files, $(du -sm . | cut -f1) MiB, checked, after $(($(date +%s) - began)) s"
