"""Requests against a server that is busy, absent, or speaks something else."""

import asyncio
import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from deepnode import AsyncClient, Client, DeepnodeError, Refused, Unreachable
from deepnode.steps import Request, until_answered

PROBLEM = {"type": "t", "title": "t", "status": 422, "code": "bad_input", "detail": "wrong", "hint": "do it right"}


class Answers(BaseHTTPRequestHandler):
    """Says what it was told to say, in order."""

    told: ClassVar[list[tuple[int, dict[str, str], bytes]]] = []
    heard: ClassVar[list[str]] = []

    def do_GET(self):
        self.heard.append(self.path)
        status, headers, body = self.told.pop(0)
        self.send_response(status)
        for name, value in (headers | {"content-length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        cls.url = f"http://127.0.0.1:{cls.server.server_port}"
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def tell(self, *answers):
        Answers.told[:], Answers.heard[:] = answers, []

    def both(self, answers, ask):
        """What a client that waits and one that is awaited come to."""
        self.tell(*answers)
        with Client(self.url) as client:
            found = [client._run(ask(client._session))]
        self.tell(*answers)

        async def awaited():
            async with AsyncClient(self.url) as client:
                return await client._run(ask(client._session))

        return [*found, asyncio.run(awaited())]

    def test_a_busy_sequencer_is_asked_again(self):
        busy = (429, {"retry-after": "0"}, json.dumps(PROBLEM | {"status": 429}).encode())
        lost = (502, {}, b"<html>")
        found = self.both([busy, lost, (200, {}, b'{"a": 1}')], lambda _: until_answered(Request("GET", "/x")))
        self.assertEqual(found, [{"a": 1}] * 2)
        self.assertEqual(Answers.heard, ["/x"] * 3)

    def test_a_refusal_is_told_once(self):
        refusal = (422, {}, json.dumps(PROBLEM).encode())
        with self.assertRaises(Refused) as raised:
            self.both([refusal], lambda _: until_answered(Request("GET", "/x")))
        self.assertEqual((raised.exception.status, raised.exception.code), (422, "bad_input"))
        self.assertIn("do it right", str(raised.exception))

    def test_what_is_no_sequencer_is_told(self):
        for answer, is_lost in (((200, {}, b"hello"), True), ((404, {}, b"[]"), False), ((504, {}, b""), True)):
            self.tell(answer)
            with Client(self.url) as client, self.assertRaises(Unreachable) as raised:
                client.models()
            self.assertEqual(raised.exception.is_lost, is_lost)

    def test_nobody_is_there(self):
        with Client("http://127.0.0.1:1") as client, self.assertRaises(Unreachable) as raised:
            client.models()
        self.assertFalse(raised.exception.is_lost)

    def test_who_has_no_key_cannot_pay(self):
        with Client(self.url) as client, self.assertRaises(DeepnodeError) as raised:
            client.ask(None, [])
        self.assertIn("no key", str(raised.exception))

    def test_a_model_that_is_not_there_is_named_with_those_that_are(self):
        self.tell((200, {}, b"[]"))
        with Client(self.url) as client, self.assertRaises(DeepnodeError) as raised:
            client.model("digits")
        self.assertIn("digits", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
