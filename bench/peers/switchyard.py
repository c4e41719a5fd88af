"""NVIDIA Switchyard's server as its package on PyPI has it: Rust in a library.

usage: switchyard.py ROUTES PORT
"""
import signal
import sys

from switchyard_rust.server import Server

# the library's threads inherit this, and only sigwait() gets to see them
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
with Server(sys.argv[1], int(sys.argv[2])):
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
