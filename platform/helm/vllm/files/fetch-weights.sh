#!/bin/sh
# Copies what SHA256SUMS names of a model's folder in S3, and nothing else, and
# lets vLLM have it only if every file is what it says.
#
#   SOURCE           s3://bucket/folder
#   TARGET           the folder to fill
#   MANIFEST_SHA256  the sum of SHA256SUMS itself; may be empty
#   ENDPOINT_URL     another server that speaks S3; may be empty
#
# The image has coreutils: neither find nor cmp.
set -eu

say() { printf 'fetch-weights: %s\n' "$*"; }
die() { say "$*" >&2; exit 1; }
s3() { aws s3 "$@" --only-show-errors ${ENDPOINT_URL:+--endpoint-url "$ENDPOINT_URL"}; }

began=$(date +%s)
say "$SOURCE -> $TARGET"
mkdir -p "$TARGET" "$HOME"
# the CRT client takes many parts at a time: a NIC's speed, not one stream's
aws configure set default.s3.preferred_transfer_client crt

sums=$HOME/SHA256SUMS
s3 cp "$SOURCE/SHA256SUMS" "$sums" ||
    die "no SHA256SUMS: is it in $SOURCE, and may the role list and read there?"
if [ -n "$MANIFEST_SHA256" ]; then
    printf '%s  %s\n' "$MANIFEST_SHA256" "$sums" | sha256sum --check --status - ||
        die "SHA256SUMS is not the one that was pinned: $(sha256sum "$sums")"
fi

set --
while read -r sum name; do
    name=${name#\*}
    [ -n "$name" ] || die "a line of SHA256SUMS is none of sha256sum's: $sum"
    case /$name/ in
    */../* | //* | *[*?[]*) die "SHA256SUMS names what is no plain file of the folder: $name" ;;
    esac
    set -- "$@" --include "${name#./}"
done <"$sums"
[ $# -gt 0 ] || die "SHA256SUMS is empty"
s3 sync "$SOURCE" "$TARGET" --exact-timestamps --no-progress --exclude '*' "$@" ||
    die "the copy failed"

cd "$TARGET"
sha256sum --check --strict --quiet "$sums" || die "a file is not what SHA256SUMS says"
say "$(($# / 2)) files, $(du -sm . | cut -f1) MiB, checked, after $(($(date +%s) - began)) s"
