"""Throughput, latency and memory of `mtkit serve`, compared with a loop without batches.

    python benchmarks/serve.py --model MODEL --src test.ko --rounds 3
    python benchmarks/serve.py --model MODEL --src test.ko --soak 10000

In the first form, clients send one sentence at a time, each waiting for its answer. In alternating
rounds they are served by

served      `mtkit serve`, which batches what arrives at the same time
unbatched   a server with the same interface and the same model that translates each request alone,
            with as many threads as cores, as LibreTranslate does; with --unbatched EXPORT, by
            CTranslate2

The script prints requests per second, the median and the 95th percentile of the latency, and CPU
seconds per 1,000 requests of all processes, which other programs on the machine hardly change.

In the second form, it prints the memory of server and worker after 1,000 requests and at the end,
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
from contextlib import contextmanager
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


def serve_command(model: Path) -> list[str]:
    """Return the command of the server."""
    return [sys.executable, "-m", "mtkit", "serve", "--port", "0", "-m", str(model)]


def compare(models: list[Path], texts: list[str], n_clients: int, n_rounds: int) -> None:
    """Print the figures of both servers."""
    unbatched = [sys.executable, __file__, "--yardstick", str(models[-1])]
    with running(serve_command(models[0])) as one, running(unbatched) as two:
        servers = {"served": one, "unbatched": two}
        ratios = []
        for number in range(n_rounds + 1):
            seconds = {}
            for name, (url, process) in servers.items():
                cpu, begin = cpu_seconds(process.pid), time.perf_counter()
                latencies = asyncio.run(send(url, texts, n_clients, languages(url)))
                seconds[name] = time.perf_counter() - begin
                cpu = (cpu_seconds(process.pid) - cpu) * 1000 / len(texts)
                p50, p95 = statistics.quantiles(latencies, n=20)[9::9]
                if number:  # the first round is a warm-up
                    rate = len(texts) / seconds[name]
                    print(
                        f"{name:10} {rate:7.1f} requests/s, p50 {1000 * p50:6.0f} ms, "
                        f"p95 {1000 * p95:6.0f} ms, {cpu:6.1f} CPU s per 1,000 requests",
                        flush=True,
                    )
            if number:
                ratios.append(seconds["unbatched"] / seconds["served"])
    print(f"served / unbatched: {statistics.median(ratios):.2f} times the requests per second")


def languages(url: str) -> dict[str, str]:
    """Return the first pair of languages of a server; the yardstick needs none."""
    import httpx

    answer = httpx.get(f"{url}/languages")
    if answer.status_code != 200:
        return {}
    return next(
        {"source": one["code"], "target": target}
        for one in answer.json()
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
    parser.add_argument("--src", type=Path, help="sentences to translate")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--requests", type=int, default=320, help="requests of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--soak", type=int, metavar="N", help="requests of the second form")
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
        models = [args.model, args.unbatched or args.model]
        compare(models, texts, args.clients, args.rounds)


if __name__ == "__main__":
    main()
