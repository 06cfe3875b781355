"""HTTP/2 on one connection, by the h2 library, and what gRPC adds to it: frames and trailers."""

import dataclasses
import struct

import h2.config
import h2.connection
import h2.events
import h2.exceptions

OK, UNIMPLEMENTED = 0, 12  # gRPC's statuses


@dataclasses.dataclass
class Answer:
    """A response, or what is still to be sent of it. `headers` are those beside the content type;
    they and `trailers` are pairs."""

    status: int
    content_type: str
    body: bytes = b""
    headers: tuple = ()
    trailers: tuple = ()


def grpc_answer(text):
    """A unary call's answer: one message, and the status behind it."""
    body = struct.pack("!BI", 0, len(text)) + text
    return Answer(200, "application/grpc+json", body, trailers=(("grpc-status", str(OK)),))


def grpc_error(code, words):
    """A call's answer that is only a status."""
    status = (("grpc-status", str(code)), ("grpc-message", words))
    return Answer(200, "application/grpc+json", headers=status)


def message(body):
    """The message of a unary call's body. Raises ValueError for what is none."""
    if len(body) < 5 or body[0] or len(body) != 5 + struct.unpack_from("!I", body, 1)[0]:
        raise ValueError("this is no uncompressed gRPC message")
    return body[5:]


def serve(sock, respond):
    """Answer a connection's requests until it ends. `respond` takes a request's headers (the ones
    with a colon, too) and body, and gives an Answer."""
    Connection(sock, respond).run()


class Connection:
    def __init__(self, sock, respond):
        self.sock = sock
        self.respond = respond
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.link = h2.connection.H2Connection(config)
        self.asked = {}
        self.answers = {}

    def run(self):
        self.link.initiate_connection()
        self.flush()
        while data := self.sock.recv(1 << 16):
            try:
                events = self.link.receive_data(data)
            except h2.exceptions.ProtocolError:  # such as HTTP/1.1
                self.flush()  # it says what is wrong
                return
            for event in events:
                self.take(event)
            self.go_on()
            self.flush()

    def flush(self):
        self.sock.sendall(self.link.data_to_send())

    def take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.asked[event.stream_id] = (dict(event.headers), bytearray())
        elif isinstance(event, h2.events.DataReceived):
            self.asked[event.stream_id][1].extend(event.data)
            length = event.flow_controlled_length
            self.link.acknowledge_received_data(length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.asked.pop(event.stream_id, None)
            self.answers.pop(event.stream_id, None)
        elif isinstance(event, h2.events.StreamEnded):
            headers, body = self.asked.pop(event.stream_id)
            self.begin(event.stream_id, headers[":method"], self.respond(headers, bytes(body)))

    def begin(self, stream, method, answer):
        if method == "HEAD":
            answer.body = b""
        whole = not answer.body and not answer.trailers
        first = [(":status", str(answer.status)), ("content-type", answer.content_type)]
        self.link.send_headers(stream, [*first, *answer.headers], end_stream=whole)
        if not whole:
            answer.body = memoryview(answer.body)  # of which parts are taken without copies
            self.answers[stream] = answer

    def go_on(self):
        """Send of the answers what the peer has room for; it says when there is more room."""
        for stream, answer in list(self.answers.items()):
            while answer.body and (room := self.link.local_flow_control_window(stream)):
                size = min(room, self.link.max_outbound_frame_size, len(answer.body))
                self.link.send_data(stream, bytes(answer.body[:size]))
                answer.body = answer.body[size:]
            if not answer.body:
                if answer.trailers:
                    self.link.send_headers(stream, answer.trailers, end_stream=True)
                else:
                    self.link.end_stream(stream)
                del self.answers[stream]
