"""A driver for tests: translates with a SIGKILL right before the n-th change of a file, and
resumes.

n is 0, 1, 2, ... until the translation is no longer killed.

Run as a program, because processes are forked from one that has no threads. Prints what it saw as
JSON.
"""

import json
import os
import sys
from pathlib import Path

from mtkit.translation.jobs.in_parts import translate_in_parts
from mtkit.translation.jobs.part_worker import PartsOptions
from mtkit.translation.jobs.translation_spec import TranslationFiles
from mtkit.translation.jobs.worker_pool import WorkerPool
from tests.killing import run_forked
from tests.translation.jobs.functions import Upper


def translate(input_path: Path, output_path: Path, dies_after: int | None = None) -> int:
    """In a process of its own; its status as `os.waitpid` has it."""
    files = TranslationFiles(
        input_path,
        output_path,
        prefix_path=input_path.with_name("prefixes.txt"),
        alignments_path=output_path.with_name("links.txt"),
    )
    options = PartsOptions(chunk_lines=3, lines_per_part=5)
    return run_forked(
        lambda: translate_in_parts(files, WorkerPool(Upper), {"settings": {}}, True, options),
        output_path.parent,
        dies_after,
    )


def main(folder: Path, ending: str) -> None:
    input_path = folder / "in.txt"
    undisturbed = folder / "undisturbed" / f"out{ending}"
    translate(input_path, undisturbed)
    expected_links = undisturbed.with_name("links.txt").read_bytes()
    n_killed = n_kept = n_whole = n_made_again = 0
    problems = []
    while True:
        output_path = folder / f"{n_killed}" / f"out{ending}"
        status = translate(input_path, output_path, n_killed)
        if status == 0:
            break
        if not os.WIFSIGNALED(status):
            problems.append(f"{n_killed}: ended by itself with {status}")
            break
        links_path = output_path.with_name("links.txt")
        n_kept += any(output_path.parent.glob("*.parts/*/*/*"))
        changed_ns = output_path.stat().st_mtime_ns if output_path.exists() else 0
        if changed_ns and output_path.read_bytes() != undisturbed.read_bytes():
            problems.append(f"{n_killed}: half an output")
        if links_path.exists() and links_path.read_bytes() != expected_links:
            problems.append(f"{n_killed}: half a file of alignments")
        is_marked = any(
            b"is_joined" in path.read_bytes()
            for path in output_path.parent.glob("*.parts/manifest.json")
        )
        n_whole += is_marked
        if translate(input_path, output_path) != 0:
            problems.append(f"{n_killed}: could not resume")
        elif output_path.read_bytes() != undisturbed.read_bytes():
            problems.append(f"{n_killed}: other bytes")
        elif links_path.read_bytes() != expected_links:
            problems.append(f"{n_killed}: other alignments")
        elif left := {path.name for path in output_path.parent.iterdir()} - {
            output_path.name,
            links_path.name,
        }:
            problems.append(f"{n_killed}: left {left}")
        n_made_again += is_marked and output_path.stat().st_mtime_ns != changed_ns
        n_killed += 1
    print(
        json.dumps(
            {
                "n_killed": n_killed,
                "n_kept": n_kept,
                "n_whole": n_whole,
                "n_made_again": n_made_again,
                "problems": problems,
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
