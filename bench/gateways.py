"""The gateways that are compared, their configurations, and the requests.

Everything is written into one temporary folder and listens on loopback only.
"""
import glob
import json
import os
import random
import socket
import subprocess
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
TEXTS = os.path.join(HERE, "texts")
BUILD = os.path.join(ROOT, "build", "release")
CLAUDE = "claude-sonnet-4-6"
STREAMS_MAX = 9000
GOOD = b"hold back floods"  # how the mock's answer ends

# What comes in, for whom, and what the answer must be: texts/NAME.whole, .event
PAIRS = {
    "chat": ("chat", "bench", "openai"),
    "chat → Claude": ("chat", CLAUDE, "chat-claude"),
    "messages": ("messages", CLAUDE, "anthropic"),
    "messages → vLLM": ("messages", "bench", "messages-vllm"),
    "responses → vLLM": ("responses", "bench", "responses-vllm"),
    "responses → Claude": ("responses", CLAUDE, "responses-claude"),
}
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}

HAPROXY = """\
global
    maxconn {streams}
    nbthread {workers}
defaults
    mode http
    timeout connect 5s
    timeout client 10m
    timeout server 10m
    option http-keep-alive
{options}    http-reuse always
frontend door
    bind 127.0.0.1:{port}
    default_backend model
backend model
    server mock 127.0.0.1:{backend}{tls}
"""

NGINX = """\
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/nginx.err;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_max_body_size 64m;
    client_body_buffer_size 16m;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream mock {{ server 127.0.0.1:{backend}; keepalive 512; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {scheme}://mock;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 10m;
            {tls}
        }}
    }}
}}
"""

WEIR = """\
listen: {{ host: 127.0.0.1, port: {port} }}
workers: {workers}
log: {{ level: {log} }}
probe: {{ interval: 1h }}
limits: {{ in_flight: 10000 }}
backends:
  - {{ name: model, tier: local, url: '{scheme}://127.0.0.1:{backend}', models: [{{ name: bench }}]{ca} }}
  - {{ name: claude, tier: cloud, url: 'http://127.0.0.1:{backend}', api_key: unused, models: [{{ name: claude-sonnet-4-6 }}] }}
"""


# What is told beside the requests, part by part: into files of its own, and to
# the mock, which takes all of it.  `share` is how many requests are traced,
# in the spans and in Langfuse.
PARTS = {
    "ledger": lambda folder, backend, share: {"LEDGER_PATH": f"{folder}/ledger.db"},
    "traces": lambda folder, backend, share: {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{backend}",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": str(share)},
    "langfuse": lambda folder, backend, share: {
        "LANGFUSE_BASE_URL": f"http://127.0.0.1:{backend}", "LANGFUSE_PUBLIC_KEY": "bench",
        "LANGFUSE_SECRET_KEY": "bench", "LANGFUSE_SAMPLE_RATE": str(share)},
}


def telemetry(folder, backend, parts, share):
    own = tempfile.mkdtemp(dir=folder)
    found = {"TELEMETRY_SPOOL_DIR": f"{own}/spool"} if parts else {}
    for part in parts:
        found.update(PARTS[part](own, backend, share))
    return found


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def certificate(folder):
    """A self-signed certificate for 127.0.0.1."""
    paths = [os.path.join(folder, name) for name in ("cert.pem", "key.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]],
        check=True, capture_output=True)
    return paths


# --- requests ---------------------------------------------------------------

WORDS = """the weir keeps what a basin below can hold and lets every other drop spill over
its crest while engineers measure flow with a gauge of brass "Überlauf" naïve café
return value; if (count > 0) { queue[count - 1] = item; }""".split()


def prose(size, seed):
    """Text as people send it: lines, quotes, some code, some accents."""
    chance = random.Random(seed)
    lines, length = [], 0
    while length < size:
        line = " ".join(chance.choice(WORDS) for _ in range(12))
        lines.append(line)
        length += len(line) + 2
    return "\n".join(lines)[:size]


def body(pair, size, stream=""):
    """A chat of about `size` bytes; `stream` tells the mock's pace."""
    door, model, _ = PAIRS[pair]
    system = "You are a helpful assistant." + stream
    messages = []
    rest = max(size - 220 - len(stream), 40)
    turns = 1 if size < 1000 else 5 if size < 20000 else 9
    for turn in range(turns):
        messages.append({"role": ("user", "assistant")[turn % 2],
                         "content": prose(int(rest / turns * 0.95), size + turn)})
    members = {
        "chat": {"messages": [{"role": "system", "content": system}] + messages, "max_tokens": 256},
        "messages": {"max_tokens": 256, "system": system, "messages": messages},
        "responses": {"instructions": system, "input": messages, "max_output_tokens": 256},
    }
    asked = {"model": model, **({"stream": True} if stream else {}), **members[door], "temperature": 0.7}
    return json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode()


def request(folder, pair, size, stream="", fields="", name=""):
    """Writes one into a file, with `fields` in its head.  Returns its path."""
    content = body(pair, size, stream)
    path = os.path.join(folder, f"{name}{pair} {size}{stream}")
    with open(path, "wb") as file:
        file.write(b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                   b"User-Agent: OpenAI/Python 2.8.0\r\nAccept: application/json\r\n"
                   b"Authorization: Bearer unused\r\nContent-Type: application/json\r\n"
                   b"X-Stainless-Lang: python\r\nX-Stainless-Runtime: CPython\r\n"
                   b"%sContent-Length: %d\r\n\r\n%s"
                   % (PATHS[PAIRS[pair][0]].encode(), fields.encode(), len(content), content))
    return path


def expectation(folder, name):
    """The text that an answer must have; {digits} stands for a time stamp."""
    path = os.path.join(folder, name)
    with open(os.path.join(TEXTS, name), "rb") as file:
        text = file.read().replace(b"{digits}", b"\1")
    with open(path, "wb") as file:
        file.write(text)
    return path


# --- processes --------------------------------------------------------------

def stop(process):
    if process is not None and process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(port, fields=""):
    """Is a request answered, and with what the mock says?"""
    found = b""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as probe:
            content = body("chat", 200)
            probe.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                          b"Authorization: Bearer unused\r\n"
                          b"Content-Type: application/json\r\nConnection: close\r\n"
                          b"%sContent-Length: %d\r\n\r\n%s" % (fields.encode(), len(content), content))
            probe.settimeout(30)  # some load what they need with the first request
            while GOOD not in found and (piece := probe.recv(65536)):
                found += piece
    except OSError:
        return False
    return found.startswith(b"HTTP/1.1 200") and GOOD in found


class Mock:
    def __init__(self, folder, pin, tls=None):
        self.port = free_port()
        self.process = subprocess.Popen(
            pin + [os.path.join(BUILD, "bench", "bench_mock"), str(self.port), TEXTS] + (tls or []))
        give_up = time.time() + 5
        while tls is None and not answers(self.port) and time.time() < give_up:
            time.sleep(0.01)
        if tls is not None:
            time.sleep(0.2)

    def stop(self):
        stop(self.process)


class Gateway:
    """One gateway in front of the mock; `start_ms` is the time to its first answer."""
    patience_s = 60

    def __init__(self, kind, folder, backend, pin, workers=1, tls=None, log="warn", wrap=None,
                 as_it_comes=False, parts=(), share=1):
        """`parts` of telemetry are on: see PARTS."""
        self.port = free_port()
        self.process = None
        self.fields = {}  # of a request's head, by its pair: where a gateway wants some
        self.environment = {"PATH": os.environ["PATH"], **telemetry(folder, backend, parts, share)}
        self.as_it_comes = as_it_comes
        if kind == "direct":
            self.port, self.start_ms = backend, 0
            return
        command = getattr(self, "_" + kind)(folder, backend, workers, tls, log)
        self.errors = open(os.path.join(folder, kind + ".stderr"), "ab")
        began = time.perf_counter()
        self.process = subprocess.Popen(pin + (wrap or []) + command, stdout=self.errors,
                                        stderr=self.errors, env=self.environment)
        while not answers(self.port, self.fields.get("chat", "")):
            if self.process.poll() is not None or time.perf_counter() - began > self.patience_s:
                stop(self.process)
                raise SystemExit(f"bench: {kind} does not start:\n" + open(self.errors.name).read())
            time.sleep(0.0005)
        self.start_ms = (time.perf_counter() - began) * 1000

    def _write(self, folder, name, text):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def _haproxy(self, folder, backend, workers, tls, _log):
        secure = f" ssl ca-file {tls} verify required verifyhost 127.0.0.1" if tls else ""
        # by default it tells the kernel to hold events back, for up to 200 ms
        options = "" if self.as_it_comes else "    option http-no-delay\n"
        path = self._write(folder, "haproxy.cfg", HAPROXY.format(
            options=options, streams=STREAMS_MAX, workers=workers, port=self.port, backend=backend, tls=secure))
        return ["haproxy", "-db", "-f", path]

    def _nginx(self, folder, backend, workers, tls, _log):
        secure = (f"proxy_ssl_verify on; proxy_ssl_trusted_certificate {tls};"
                  " proxy_ssl_name 127.0.0.1;" if tls else "")
        path = self._write(folder, "nginx.conf", NGINX.format(
            workers=workers, connections=2 * STREAMS_MAX, folder=folder, port=self.port,
            backend=backend, scheme="https" if tls else "http", tls=secure))
        return ["nginx", "-p", folder, "-c", path, "-e", os.path.join(folder, "nginx.err")]

    def _weir(self, folder, backend, workers, tls, log):
        path = self._write(folder, "weir.yaml", WEIR.format(
            port=self.port, backend=backend, workers=workers, log=log,
            scheme="https" if tls else "http", ca=f", ca_file: '{tls}'" if tls else ""))
        return [os.path.join(BUILD, "weir"), "serve", "--config", path]

    def dropped(self):
        """What was lost on the way to the ledger or a receiver, for whatever cause."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as page:
            lines = page.read().decode().splitlines()
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines
                   if line.startswith("weir_export_dropped_total{"))

    def pids(self):
        if self.process is None:
            return []
        found = [self.process.pid]
        for pid in found:  # which grows meanwhile
            for path in glob.glob(f"/proc/{pid}/task/*/children"):
                with open(path, encoding="ascii") as file:
                    found += [int(child) for child in file.read().split()]
        return found

    def rss_mb(self):
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        return total / 1024

    def stop(self):
        stop(self.process)


def load_command(pin, port, request_path, expected, **options):
    """`options` are the load generator's letters, see bench/load.c."""
    command = pin + [os.path.join(BUILD, "bench", "bench_load"), "-p", str(port),
                     "-q", request_path, "-l" if expected.endswith(".lines") else "-e", expected]
    for letter, value in options.items():
        for each in value if isinstance(value, list) else [value]:
            command += ["-" + letter, str(each)]
    return command


def load(*args, **options):
    done = subprocess.run(load_command(*args, **options), capture_output=True, timeout=120)
    if done.returncode != 0:
        raise SystemExit("bench: the load generator failed: " + done.stderr.decode())
    return json.loads(done.stdout)
