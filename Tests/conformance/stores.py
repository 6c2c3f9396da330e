"""Stores that run on loopback for the time of a test: SeaweedFS, JuiceFS' gateway, TLS in front of them."""
import contextlib
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import boto3
import botocore.config

from machines import free_port

ACCESS, SECRET = "AKIDIMGPIPETEST", "wJalr/Secret+KEY=imgpipe"
PROGRAMS = os.path.dirname(sys.executable)


def free_pair():
    """A port that is free, and the one 10000 above too, where SeaweedFS has its gRPC."""
    while True:
        port = free_port() - 20000
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)), socket.create_server(("127.0.0.1", port + 10000)):
            return port


class Server:
    """A process that is killed in the end."""

    def __init__(self, folder, name, *command, environment=None):
        self.log = open(os.path.join(folder, name + ".log"), "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder,
                                        env={**os.environ, "HOME": folder, **(environment or {})}, start_new_session=True)

    def stop(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.log.close()


class TLSProxy(threading.Thread):
    """TLS in front of a server that has none."""

    def __init__(self, port, certificates):
        super().__init__(daemon=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.certificate, certificates.key)
        self.context, self.target, self.socket = context, port, socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        # One thread a connection: a TLS socket of Python's is not for two.
        with contextlib.suppress(OSError, ssl.SSLError), socket.create_connection(("127.0.0.1", self.target)) as plain, \
                self.context.wrap_socket(connection, server_side=True) as secure:
            while True:
                ready = [secure] if secure.pending() else select.select([secure, plain], [], [], 60)[0]
                if not ready:
                    return
                for one in ready:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    (plain if one is secure else secure).sendall(data)


class Certificates:
    """An authority of our own, and what it says of 127.0.0.1."""

    def __init__(self, folder):
        self.authority, self.certificate, self.key = (os.path.join(folder, name) for name in ("ca.pem", "server.pem", "server.key"))
        authority_key, request, extensions = (os.path.join(folder, name) for name in ("ca.key", "server.csr", "server.ext"))
        with open(extensions, "w", encoding="ascii") as file:
            file.write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")

        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)

        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=imgpipe test",
                "-keyout", authority_key, "-out", self.authority)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-keyout", self.key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.authority, "-CAkey", authority_key, "-CAcreateserial", "-days", "2",
                "-extfile", extensions, "-out", self.certificate)


def wait_for(endpoint, authority):
    """Until the store answers; a client of it."""
    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=ACCESS, aws_secret_access_key=SECRET, region_name="us-east-1", verify=authority or False,
        config=botocore.config.Config(request_checksum_calculation="when_required", s3={"addressing_style": "path"}, retries={"max_attempts": 2}, connect_timeout=5, read_timeout=30, max_pool_connections=32))
    end = time.monotonic() + 60
    while True:
        try:
            client.list_buckets()
            return client
        except Exception:  # pylint: disable=broad-except
            if time.monotonic() > end:
                raise
            time.sleep(0.3)


def seaweedfs(folder, certificates):
    folder = os.path.join(folder, "seaweedfs-tls" if certificates else "seaweedfs")
    os.makedirs(folder)
    with open(os.path.join(folder, "s3.json"), "w", encoding="ascii") as file:
        file.write('{"identities":[{"name":"t","credentials":[{"accessKey":"%s","secretKey":"%s"}],"actions":["Admin"]}]}' % (ACCESS, SECRET))
    port = free_port()
    options = [f"-s3.key.file={certificates.key}", f"-s3.cert.file={certificates.certificate}"] if certificates else []
    server = Server(
        folder, "weed", os.path.join(PROGRAMS, "weed"), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", "-s3", "-s3.config=s3.json",
        f"-master.port={free_pair()}", f"-volume.port={free_pair()}", f"-filer.port={free_pair()}", f"-s3.port={port}",
        f"-s3.port.grpc={free_port()}", "-master.volumeSizeLimitMB=256", "-volume.max=20", *options)
    return server, port


@contextlib.contextmanager
def running(folder):
    """SeaweedFS for a while: the server, its address, and a client of it."""
    server, port = seaweedfs(folder, None)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        yield server, endpoint, wait_for(endpoint, None)
    finally:
        server.stop()


def juicefs(folder, _):
    folder = os.path.join(folder, "juicefs-" + os.urandom(4).hex())
    os.makedirs(folder)
    program, meta, port = os.path.join(PROGRAMS, "juicefs"), f"sqlite3://{folder}/meta.db", free_port()
    subprocess.run([program, "format", "--storage", "file", "--bucket", folder + "/data", meta, "test"], check=True, capture_output=True, timeout=60,
                   env={**os.environ, "HOME": folder})
    server = Server(
        folder, "juicefs", program, "gateway", "--no-banner", "--multi-buckets", "--keep-etag", "--object-meta", "--cache-dir", folder + "/cache", "--no-usage-report", meta, f"127.0.0.1:{port}",
        environment={"MINIO_ROOT_USER": ACCESS, "MINIO_ROOT_PASSWORD": SECRET})
    return server, port
