"""How much RTMP one core takes in: `python benchmarks/rtmp_ingest.py [--seconds N]`.

A publish of a live stream (3 Mbit/s video at 30 frames/s, 128 kbit/s audio) is written to memory
once for each chunk size and then fed to fresh `ServerSession`s in reads of 64 KiB.  Beside it
runs a loop that only gathers the same reads and copies them out once: the floor for anything
written in Python.  The ratio of the two travels between machines; Mbit per CPU second does not.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from headend.rtmp import ClientSession, PublishRequested, ServerSession, Tag
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

READ = 65536
MEDIA_SECONDS = 40


def live_stream() -> list[Tag]:
    tags = []
    for number in range(30 * MEDIA_SECONDS):
        key = number % 60 == 0
        size = 85_000 if key else 11_300
        payload = (b"\x17" if key else b"\x27") + b"\x01\0\0\0" + bytes(size)
        tags.append(Tag(9, number * 1000 // 30, payload))
    tags += [
        Tag(8, number * 1024 * 1000 // 44_100, b"\xaf\x01" + bytes(370))
        for number in range(44_100 * MEDIA_SECONDS // 1024)
    ]
    return sorted(tags, key=lambda tag: tag.timestamp)


def published(tags: list[Tag], chunk_size: int) -> list[bytes]:
    """All that an encoder sends, in reads of 64 KiB."""
    client = ClientSession("live", "rtmp://h/live", Secret("key"), chunk_size=chunk_size)
    server = ServerSession()
    data = b""
    accepted = False
    while not accepted:
        to_server = client.data_to_send()
        data += to_server
        for event in server.receive(to_server):
            if isinstance(event, PublishRequested):
                server.accept_publish()
        accepted = bool(client.receive(server.data_to_send()))
    for tag in tags:
        client.send_tag(tag)
    data += client.data_to_send()
    return [data[start : start + READ] for start in range(0, len(data), READ)]


def ingest(reads: list[bytes]) -> int:
    session = ServerSession()
    count = 0
    for data in reads:
        events = session.receive(data)
        count += len(events)
        if events and isinstance(events[-1], PublishRequested):
            session.accept_publish()
            count += len(session.receive(b""))
        session.data_to_send()
    return count


def gather(reads: list[bytes]) -> int:
    buffer = bytearray()
    taken = 0
    for data in reads:
        buffer += data
        if len(buffer) >= 2 * READ:
            taken += len(bytes(buffer))
            buffer.clear()
    return taken


def megabits_per_cpu_second(
    work: Callable[[list[bytes]], int], reads: list[bytes], seconds: float
) -> float:
    size = sum(map(len, reads))
    rounds = 0
    began = time.process_time()
    while (spent := time.process_time() - began) < seconds:
        work(reads)
        rounds += 1
    return rounds * size * 8 / 1e6 / spent


def main() -> None:
    parser = argparse.ArgumentParser(description="Mbit of RTMP per CPU second.")
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU time for each figure")
    seconds: float = parser.parse_args().seconds
    tags = live_stream()
    print(f"{'chunk size':>10}  {'ingest':>8}  {'gather':>8}  ratio   (Mbit per CPU second)")
    for chunk_size in (128, 4096, 65536):
        reads = published(tags, chunk_size)
        if ingest(reads) != len(tags) + 1:
            raise SystemExit("the session lost tags")
        taken = megabits_per_cpu_second(ingest, reads, seconds)
        floor = megabits_per_cpu_second(gather, reads, seconds)
        print(f"{chunk_size:>10}  {taken:>8.0f}  {floor:>8.0f}  {taken / floor:.3f}")


if __name__ == "__main__":
    main()
