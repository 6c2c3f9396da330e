"""A server on loopback that does what servers and networks do on bad days, by the last word of the path; it keeps what it was asked."""
import socket
import socketserver
import struct
import threading
import time
from email.utils import formatdate

BODY = bytes((i * 7 + i // 251) & 255 for i in range(3 << 20))
SMALL = BODY[:1000]
LIST = '<?xml version="1.0"?>{}<ListBucketResult><IsTruncated>{}</IsTruncated>{}<Contents><Key>{}</Key><Size>1</Size></Contents></ListBucketResult>'
ENTITIES = "<!DOCTYPE a [<!ENTITY a '" + "x" * 100 + "'>" + "".join(
    f"<!ENTITY {b} '{f'&{a};' * 20}'>" for a, b in zip("abcdefg", "bcdefgh")) + "]>"


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body

    @property
    def name(self):
        return self.target.split("?")[0].rsplit("/", 1)[-1]


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            self.input = self.request.makefile("rb")
            while (request := self.read()) is not None:
                with self.server.lock:
                    self.server.requests.append(request)
                    count = self.server.counts[request.name] = self.server.counts.get(request.name, 0) + 1
                if not self.answer(request, count):
                    return
        except OSError:
            pass

    def read(self):
        line = self.input.readline().decode("latin-1").split()
        if len(line) < 2:
            return None
        headers = {}
        while (field := self.input.readline().decode("latin-1").strip()):
            name, _, value = field.partition(":")
            headers[name.lower()] = value.strip()
        return Request(line[0], line[1], headers, self.input.read(int(headers.get("content-length", 0))))

    def send(self, status, body=b"", headers=(), length=None, head=False):
        fields = [f"Content-Length: {len(body) if length is None else length}", *headers]
        self.request.sendall(f"HTTP/1.1 {status}\r\n".encode() + "".join(f"{f}\r\n" for f in fields).encode() + b"\r\n")
        if not head:
            self.request.sendall(body)
        return True

    def part(self, request, body, etag='"v1"'):
        """Status, bytes and headers of what a range asks for."""
        wanted = request.headers.get("range")
        if not wanted:
            return "200 OK", body, [f"ETag: {etag}", "Accept-Ranges: bytes"]
        first, last = wanted.removeprefix("bytes=").split("-")
        first, last = int(first), min(int(last or len(body)), len(body) - 1)
        if first >= len(body):
            return "416 Range Not Satisfiable", b"", [f"Content-Range: bytes */{len(body)}"]
        return "206 Partial Content", body[first:last + 1], [f"ETag: {etag}", f"Content-Range: bytes {first}-{last}/{len(body)}"]

    def reset(self):
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()
        return False

    def good(self, request, body=BODY, etag='"v1"'):
        status, body, headers = self.part(request, body, etag)
        return self.send(status, body, headers, head=request.method == "HEAD")

    def answer(self, request, count):
        name = request.name
        if request.method in ("PUT", "POST", "DELETE"):
            return self.answer_writing(request, name, count)
        if "list-type=2" in request.target:
            return self.answer_list(request)
        status, body, headers = self.part(request, BODY)
        half = body[:len(body) // 2]
        match name:
            case "good":
                return self.good(request)
            case "small":
                return self.good(request, SMALL)
            case "empty":
                return self.good(request, b"") if not request.headers.get("range") else self.send(
                    "416 Range Not Satisfiable", headers=["Content-Range: bytes */0"])
            case "twice503" if count <= 2:
                return self.send("503 Service Unavailable", b"later", ["Retry-After: 0"])
            case "always503":
                return self.send("503 Service Unavailable", b"later")
            case "stall":
                self.send(status, body[:100], headers, length=len(body))
                time.sleep(8)
                return False
            case "stallonce" if count == 1:
                self.send(status, half, headers, length=len(body))
                time.sleep(8)
                return False
            case "silent":
                time.sleep(8)
                return False
            case "resetonce" if count == 1:
                self.send(status, half, headers, length=len(body))
                time.sleep(0.2)
                return self.reset()
            case "reset":
                return self.reset()
            case "shortonce" if count == 1:
                self.send(status, half, headers, length=len(body))
                return False
            case "short":
                # A little each time, and less than is worth another try.
                self.send(status, body[:100], headers, length=len(body))
                return False
            case "long":
                self.send(status, body + b"more than was said", headers, length=len(body))
                return False
            case "otherrange":
                return self.send("206 Partial Content", body[:500], ['ETag: "v1"', f"Content-Range: bytes 7-506/{len(BODY)}"])
            case "biggerrange":
                return self.send("206 Partial Content", BODY, ['ETag: "v1"', f"Content-Range: bytes 0-{len(BODY) - 1}/{len(BODY)}"])
            case "contradiction":
                return self.send("206 Partial Content", body[:500], ['ETag: "v1"', f"Content-Range: bytes 0-999/{len(BODY)}"])
            case "othertotal":
                total = len(BODY) + (count > 1)
                first = request.headers["range"].removeprefix("bytes=").split("-")[0]
                return self.send("206 Partial Content", body, ['ETag: "v1"', f"Content-Range: bytes {first}-{int(first) + len(body) - 1}/{total}"])
            case "changed":
                return self.good(request, etag='"v1"' if count == 1 else '"v2"')
            case "precondition":
                if request.headers.get("if-match", '"v1"') != ('"v1"' if count == 1 else '"v2"'):
                    return self.send("412 Precondition Failed")
                return self.good(request)
            case "noranges":
                return self.send("200 OK", BODY)
            case "largenoranges":
                return self.send("200 OK", BODY * 6)
            case "large":
                return self.good(request, BODY * 6)
            case "largecut":
                # It dies after the first two ranges for good.
                return self.good(request, BODY * 6) if count <= 2 else self.reset()
            case "largestall":
                if count <= 2:
                    return self.good(request, BODY * 6)
                time.sleep(8)
                return False
            case "largechanged":
                return self.good(request, BODY * 6, etag='"v1"' if count <= 2 else '"v2"')
            case "chunked":
                self.request.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for at in range(0, len(BODY), 100000):
                    piece = BODY[at:at + 100000]
                    self.request.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                self.request.sendall(b"0\r\n\r\n")
                return True
            case "cutchunks":
                self.request.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + SMALL + b"\r\n")
                return False
            case "heads":
                self.request.sendall(b"HTTP/1.1 200 OK\r\n")
                for _ in range(10000):
                    self.request.sendall(b"X-Filler: " + b"x" * 200 + b"\r\n")
                return False
            case "garbage":
                self.request.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                return False
            case "redirect":
                return self.send("302 Found", headers=["Location: /good"])
            case "loop":
                return self.send("302 Found", headers=["Location: /loop"])
            case "tofile":
                return self.send("302 Found", headers=["Location: file:///etc/passwd"])
            case "elsewhere":
                return self.send("307 Temporary Redirect", headers=[f"Location: http://localhost:{self.server.server_address[1]}/caught"])
            case "skewed":
                day = formatdate(time.time() + 86400, usegmt=True)
                if request.headers.get("x-amz-date", "")[:8] != time.strftime("%Y%m%d", time.gmtime(time.time() + 86400)):
                    return self.send("403 Forbidden", b"<Error><Code>RequestTimeTooSkewed</Code></Error>", [f"Date: {day}"])
                return self.good(request)
            case "terminal":
                return self.send("403 Forbidden", b"<Error><Code>Bad\x1b[31mCode\n" + b"y" * 1000 + b"</Code></Error>")
            case "echo":
                said = "".join(f"{k}: {v}\n" for k, v in request.headers.items()).replace("<", "").replace("&", "")
                return self.send("403 Forbidden", f"<Error><Code>SignatureDoesNotMatch</Code><Message>{said}</Message></Error>".encode())
            case "missing":
                return self.send("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>")
            case _ if name in ("twice503", "stallonce", "resetonce", "shortonce"):
                return self.good(request)
        return self.send("404 Not Found", head=request.method == "HEAD")

    def answer_list(self, request):
        bucket = request.target.split("?")[0].strip("/")
        text = {
            "entities": LIST.format(ENTITIES, "false", "", "&h;"),
            "endless": LIST.format("", "true", "<NextContinuationToken>same</NextContinuationToken>", "k"),
            "tokenless": LIST.format("", "true", "", "k"),
            "nolist": "<html><body>hello</body></html>",
            "deep": "<a>" * 100000,
        }[bucket]
        return self.send("200 OK", text.encode())

    def answer_writing(self, request, name, count):
        if name == "put503" and count <= 2:
            return self.send("503 Service Unavailable")
        if name == "putlost" and count == 1:
            # Done, and the answer lost.
            return self.reset()
        if name == "putalways503":
            return self.send("503 Slow Down")
        if name == "putstall":
            time.sleep(8)
            return False
        if name == "puttwo":
            return self.send("409 Conflict", b"<Error><Code>OperationAborted</Code></Error>")
        if request.method == "POST" and "uploads" in request.target:
            return self.send("200 OK", b"<InitiateMultipartUploadResult><UploadId>an id&amp;=+/</UploadId></InitiateMultipartUploadResult>")
        if request.method == "POST":
            return self.send("200 OK", b"<Error><Code>InternalError</Code></Error>")
        return self.send("200 OK", headers=['ETag: "e"'])


class FaultyServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.requests, self.counts = threading.Lock(), [], {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def begin(self):
        """Counts anew."""
        with self.lock:
            self.requests, self.counts = [], {}

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"
