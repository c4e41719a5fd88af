"""The gateways that others make: how each is started, and what could not be.

bench/peers/setup installs them, each into .tools/peers/NAME.
"""
import os
import signal
import time

import gateways as g

HERE = os.path.dirname(os.path.abspath(__file__))
TOOLS = os.path.join(g.ROOT, ".tools", "peers")
LABELS = {"weir": "Weir", "switchyard": "Switchyard", "portkey": "Portkey", "litellm": "LiteLLM",
          "haproxy": "HAProxy", "nginx": "nginx", "direct": "no gateway"}
NAMES = list(LABELS)
MAKERS = ("switchyard", "portkey", "litellm")  # of gateways that know what a chat is

ABSENT = {
    "Bifrost": "the Go module proxy refuses github.com/maximhq/bifrost/transports (its list, and v1.6.4: “403 Forbidden "
               "… This module version is not available”), and the npm package @maximhq/bifrost holds no program: "
               "it downloads one when it is run",
    "GoModel": "the Go module proxy refuses github.com/enterpilot/gomodel (its list, and v0.1.89) with the same words",
    "agentgateway": "it is no package of crates.io, npm or PyPI",
    "Envoy AI Gateway": "it needs an Envoy, which none of them has",
}

LITELLM = """\
model_list:
  - model_name: bench
    litellm_params: {{ model: openai/bench, api_base: 'http://127.0.0.1:{backend}/v1', api_key: unused }}
  - model_name: claude-sonnet-4-6
    litellm_params: {{ model: anthropic/claude-sonnet-4-6, api_base: 'http://127.0.0.1:{backend}', api_key: unused }}
litellm_settings: {{ request_timeout: 600, set_verbose: false, telemetry: false }}
general_settings:
  disable_spend_logs: true
  disable_error_logs: true
  dangerously_permit_weak_or_unset_master_key: true   # nobody asks for a key here
"""

SWITCHYARD = """\
schema_version = 1
[llm_clients.openai]
format = "openai_chat"
base_url = "http://127.0.0.1:{backend}/v1"
api_key_env = "KEY"
[llm_clients.anthropic]
format = "anthropic_messages"
base_url = "http://127.0.0.1:{backend}/v1"
api_key_env = "KEY"
[targets.bench]
id = "bench"
llm_client = "openai"
[targets.claude]
id = "claude-sonnet-4-6"
llm_client = "anthropic"
[routes.bench]
id = "bench"
type = "passthrough"
target = "bench"
[routes.claude]
id = "claude-sonnet-4-6"
type = "passthrough"
target = "claude"
"""

PORTKEY_FIELDS = "x-portkey-provider: {provider}\r\nx-portkey-custom-host: http://127.0.0.1:{backend}/v1\r\n"


class Gateway(g.Gateway):
    """One of ours or of others; it can be held still while another is measured."""
    patience_s = 180

    def _litellm(self, folder, backend, _workers, _tls, _log):
        path = self._write(folder, "litellm.yaml", LITELLM.format(backend=backend))
        self.environment |= {"LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION", "HOME": folder,
                             "LITELLM_LOCAL_MODEL_COST_MAP": "True", "NO_DOCS": "True"}
        return [os.path.join(TOOLS, "litellm", "bin", "litellm"), "--config", path, "--host", "127.0.0.1",
                "--port", str(self.port), "--num_workers", "1", "--telemetry", "False"]

    def _portkey(self, _folder, backend, _workers, _tls, _log):
        self.environment |= {"NODE_ENV": "production"}
        self.fields = {pair: PORTKEY_FIELDS.format(provider=provider, backend=backend)
                       for pair, provider in (("chat", "openai"), ("chat → Claude", "anthropic"))}
        return ["node", "--import", os.path.join(HERE, "loopback.mjs"),
                os.path.join(TOOLS, "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"),
                f"--port={self.port}", "--headless"]

    def _switchyard(self, folder, backend, _workers, _tls, _log):
        path = self._write(folder, "switchyard.toml", SWITCHYARD.format(backend=backend))
        self.environment |= {"KEY": "unused", "RUST_LOG": "warn"}
        return [os.path.join(TOOLS, "switchyard", "bin", "python"),
                os.path.join(HERE, "switchyard.py"), path, str(self.port)]

    def _signal(self, number):
        for pid in self.pids():
            os.kill(pid, number)

    def _ticks(self):
        """Processor time of all its processes, in hundredths of a second."""
        sum_of = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                sum_of += sum(int(field) for field in file.read().rpartition(")")[2].split()[11:13])
        return sum_of

    def settle(self):
        """Waits until it has done with what nobody waits for any more."""
        give_up, before = time.time() + 10, -1
        while before != (before := self._ticks()) and time.time() < give_up:
            time.sleep(0.05)

    def hold(self):
        self._signal(signal.SIGSTOP)

    def release(self):
        self._signal(signal.SIGCONT)

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.release()
        super().stop()
