#!/bin/sh
# Asks the router at $URL as a caller would: with $KEY where callers need one
# ($NEEDS_KEY); $MODEL, if it is not empty, is asked for an answer.
ask() {
  curl --silent --show-error --max-time 60 --retry 5 --retry-connrefused \
    ${KEY:+--header "Authorization: Bearer $KEY"} "$@"
}
expect() {
  case $2 in
  *"$1"*) echo "ok: $3" ;;
  *) echo "$3: $1 is not in: $2" && exit 1 ;;
  esac
}
expect '"status":"ok"' "$(ask "$URL/health")" 'GET /health'
if [ -n "$NEEDS_KEY" ] && [ -z "${KEY:-}" ]; then
  expect 401 "$(ask --output /dev/null --write-out '%{http_code}' "$URL/v1/models")" \
    'GET /v1/models without a key is refused; test.secretKey names one to go on with'
  exit 0
fi
expect '"object":"list"' "$(ask "$URL/v1/models")" 'GET /v1/models'
if [ -n "$MODEL" ]; then
  answer=$(ask "$URL/v1/chat/completions" \
    --header 'Content-Type: application/json' \
    --data "{\"model\":\"$MODEL\",\"max_tokens\":8,\"messages\":[{\"role\":\"user\",\"content\":\"Say hello.\"}]}")
  expect '"choices"' "$answer" "POST /v1/chat/completions, model $MODEL"
fi
