"""Tables of nftables that live as long as the process that made them: libnftables, by ctypes.

A table with the flag `owner` is its socket's alone (nft(8)): nobody else changes or flushes it,
and the kernel takes it away when the socket closes, however the process ends. The `nft` program
closes its own with every command, so the library is called.
"""

from __future__ import annotations

import ctypes

LIBRARY = "libnftables.so.1"


class Nftables:
    """A socket, open until the process ends. OSError where there is no such library."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        for name, result, arguments in (
            ("nft_ctx_new", ctypes.c_void_p, [ctypes.c_uint32]),
            ("nft_ctx_buffer_error", ctypes.c_int, [ctypes.c_void_p]),
            ("nft_ctx_get_error_buffer", ctypes.c_char_p, [ctypes.c_void_p]),
            ("nft_run_cmd_from_buffer", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p]),
        ):
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._context = self._library.nft_ctx_new(0)
        self._library.nft_ctx_buffer_error(self._context)

    def load(self, text: str) -> str:
        """Make a transaction so, whole or not at all; "" or what nftables says against it."""
        if self._library.nft_run_cmd_from_buffer(self._context, text.encode()) == 0:
            return ""
        said: bytes | None = self._library.nft_ctx_get_error_buffer(self._context)
        lines = (said or b"").decode(errors="replace").strip().splitlines()
        return lines[0] if lines else "nftables refuses, and does not say why"
