"""Throughput, latency and memory of `mtkit serve`, compared with a loop without batches.

    python benchmarks/serve.py --model MODEL --src test.ko --rounds 3
    python benchmarks/serve.py --model MODEL --src test.ko --url http://127.0.0.1:5050
    python benchmarks/serve.py --model MODEL --src test.ko --soak 10000

In the first form, clients send one sentence at a time, each waiting for its answer. In alternating
rounds they are served by

served      `mtkit serve`, which batches what arrives at the same time
unbatched   a server with the same interface and the same model that translates each request alone,
            with as many threads as cores, as LibreTranslate does; with --unbatched EXPORT, by
            CTranslate2

The script prints requests per second, the median and the 95th percentile of the latency, and CPU
seconds per 1,000 requests of all processes, which other programs on the machine hardly change.

In the second form, servers that run already take the place of `unbatched`: any that have the
interface of LibreTranslate. Their CPU time is not known.

In the third form, it prints the memory of server and worker after 1,000 requests and at the end,
and fails if that has grown by more than 5 %.
"""

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from pathlib import Path
from urllib.parse import parse_qs

from mtkit.io.text import read_lines
from mtkit.workers.cpu_info import n_cores

_MAX_GROWTH = 1.05


def serve_unbatched(model: Path) -> None:
    """Translate each request alone, on this port: the yardstick."""
    from mtkit.engines.choose import choose_engine
    from mtkit.translation.exported import load_exported_translator
    from mtkit.translation.translator import Translator

    is_own = choose_engine("auto", [model]) == "torch"
    load = Translator.load if is_own else load_exported_translator
    translator = load([model], "cpu", n_workers=1)
    pool = ThreadPoolExecutor(n_cores())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            [result] = pool.submit(translator.translate, form["q"]).result()
            body = result.text.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    print(f"serving on http://127.0.0.1:{server.server_port} ", file=sys.stderr, flush=True)
    server.serve_forever()


@contextmanager
def running(command: list[str]) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a server, and yield its address."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        if " on http://" not in line:
            raise SystemExit(line + process.stderr.read())
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            yield line.split(" on ")[1].split()[0], process
        finally:
            process.send_signal(signal.SIGINT)


async def send(url: str, texts: list[str], n_clients: int, form: dict[str, str]) -> list[float]:
    """Send texts from several clients, and return the latencies in seconds."""
    import httpx

    todo = iter(texts)
    latencies: list[float] = []

    async def client() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=300) as http:
            for text in todo:
                begin = time.perf_counter()
                answer = await http.post("/translate", data={"q": text} | form)
                answer.raise_for_status()
                latencies.append(time.perf_counter() - begin)

    await asyncio.gather(*(client() for _ in range(n_clients)))
    return latencies


def family(pid: int) -> list[int]:
    """Return a process and its children, which belong to the thread that started them."""
    lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [pid, *(one for child in " ".join(lists).split() for one in family(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children."""
    ticks = 0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> list[float]:
    """Return the resident memory of the server and of its largest child."""
    pages = [int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in family(pid)]
    sizes = [n * os.sysconf("SC_PAGE_SIZE") / 1e6 for n in pages]
    return [sizes[0], max(sizes[1:], default=0.0)]


def serve_command(model: Path, beam_size: int | None = None) -> list[str]:
    """Return the command of the server."""
    more = [] if beam_size is None else ["--beam-size", str(beam_size)]
    return [sys.executable, "-m", "mtkit", "serve", "--port", "0", "-m", str(model), *more]


def compare(
    command: list[str], others: list[str] | Path, texts: list[str], n_clients: int, n_rounds: int
) -> None:
    """Print the figures of a server and of others.

    Args:
        command: The server.
        others: Addresses of servers that run already, or a model for one without batches.
        texts: The requests of a round.
        n_clients: Number of clients.
        n_rounds: Number of rounds, each with all servers in turn.
    """
    with ExitStack() as stack:
        url, process = stack.enter_context(running(command))
        servers: dict[str, tuple[str, int | None]] = {"served": (url, process.pid)}
        if isinstance(others, Path):
            unbatched = [sys.executable, __file__, "--yardstick", str(others)]
            other, process = stack.enter_context(running(unbatched))
            servers["unbatched"] = (other, process.pid)
        else:
            servers |= {other: (other, None) for other in others}
        form = languages(url)
        for one, _ in servers.values():
            asyncio.run(send(one, texts[: 2 * n_clients], n_clients, form))  # warm-up
        seconds: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(n_rounds):
            for name, (one, pid) in servers.items():
                seconds[name].append(measure(name, (one, pid), texts, n_clients, form))
    for name in list(servers)[1:]:
        ratios = [a / b for a, b in zip(seconds[name], seconds["served"], strict=True)]
        print(f"served / {name}: {statistics.median(ratios):.2f} times the requests per second")


def measure(
    name: str,
    server: tuple[str, int | None],
    texts: list[str],
    n_clients: int,
    form: dict[str, str],
) -> float:
    """Print the figures of a server in one round, and return the seconds.

    Args:
        name: Name of the server.
        server: Its address, and its process if that is known.
        texts: The requests.
        n_clients: Number of clients.
        form: Languages of the requests.
    """
    url, pid = server
    before, begin = cpu_seconds(pid) if pid else 0.0, time.perf_counter()
    latencies = asyncio.run(send(url, texts, n_clients, form))
    seconds = time.perf_counter() - begin
    p50, p95 = statistics.quantiles(latencies, n=20)[9::9]
    figures = [
        f"{name:10} {len(texts) / seconds:7.1f} requests/s",
        f"p50 {1000 * p50:6.0f} ms",
        f"p95 {1000 * p95:6.0f} ms",
    ]
    if pid:
        cpu = (cpu_seconds(pid) - before) * 1000 / len(texts)
        figures.append(f"{cpu:6.1f} CPU s per 1,000 requests")
    print(", ".join(figures), flush=True)
    return seconds


def languages(url: str) -> dict[str, str]:
    """Return the first pair of languages of a server."""
    import httpx

    return next(
        {"source": one["code"], "target": target}
        for one in httpx.get(f"{url}/languages").json()
        for target in one["targets"]
        if target != one["code"]
    )


def soak(model: Path, texts: list[str], n_clients: int, n_requests: int) -> None:
    """Send many requests, and check that memory does not grow."""
    with running(serve_command(model)) as (url, process):
        form = languages(url)
        before: list[float] = []
        for n_sent, n in ((0, 1000), (1000, n_requests - 1000)):
            asyncio.run(send(url, list(islice(cycle(texts), n)), n_clients, form))
            after = memory_mb(process.pid)
            print(f"after {n_sent + n:,} requests: server {after[0]:.0f} MB, worker {after[1]:.0f}")
            before = before or after
        growth = max(new / old for new, old in zip(after, before, strict=True))
    if growth > _MAX_GROWTH:
        raise SystemExit(f"memory has grown by {growth - 1:.0%}")


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(description="Measure `mtkit serve`.")
    parser.add_argument("--model", type=Path, required="--yardstick" not in sys.argv)
    parser.add_argument("--unbatched", type=Path, help="model of the loop without batches")
    parser.add_argument("--url", action="append", help="server to compare with; may be repeated")
    parser.add_argument("--beam-size", type=int, help="beam size of mtkit serve")
    parser.add_argument("--src", type=Path, help="sentences to translate")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=320, help="requests of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=int, metavar="N", help="requests of the third form")
    parser.add_argument("--yardstick", type=Path, metavar="MODEL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.yardstick:
        serve_unbatched(args.yardstick)
        return
    lines = [line for line in read_lines(args.src) if line.strip()]
    if args.soak:
        soak(args.model, lines, args.clients, args.soak)
    else:
        texts = list(islice(cycle(lines), args.requests))
        command = serve_command(args.model, args.beam_size)
        others = args.url or args.unbatched or args.model
        compare(command, others, texts, args.clients, args.rounds)


if __name__ == "__main__":
    main()
