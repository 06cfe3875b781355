"""The few parts of WebSockets (RFC 6455) that an echo needs; a message is one frame."""

import base64
import hashlib
import struct

CONTINUATION, TEXT, BINARY, CLOSE = 0, 1, 2, 8
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3


def accept(key):
    """What proves that the other side took the handshake's key for one."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()


def frame(opcode, payload):
    """A whole message as a server sends it, unmasked."""
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, size]) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


def frames(stream):
    """Opcode and payload of each frame that a client sends, until it stops."""
    while head := stream.read(2):
        opcode, size = head[0] & 15, head[1] & 127
        if size > 125:
            form = "!H" if size == 126 else "!Q"
            (size,) = struct.unpack(form, stream.read(struct.calcsize(form)))
        mask = stream.read(4) if head[1] & 128 else bytes(4)
        payload = stream.read(size)
        yield opcode, bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
