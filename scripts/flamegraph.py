#!/usr/bin/env python3
"""Draws a flame graph: `perf script | flamegraph.py > flames.svg`.

A box is a function, on top of the one that called it; as wide as its share of all samples; a colour for each program or library; its name, share
and module when the pointer is on it. A click makes a box as wide as the picture, a click on the lowest one shows all again."""
import collections
import html
import re
import subprocess
import sys

WIDTH, ROW, MARGIN = 1200, 17, 8
# Of a box that can be seen.
LEAST = 0.3
FRAME = re.compile(r"^\s+[0-9a-f]+ (.+) \((.*)\)$")
PALETTE = ["#e8743b", "#4c9fd6", "#58a65c", "#b07cc6", "#d6a02c", "#c65b77", "#3fa7a0", "#8a8f3a"]

SCRIPT = """
const boxes = [...document.querySelectorAll('g[data-x]')];
const look = (from, width) => boxes.forEach(box => {
  const x = (+box.dataset.x - from) / width, w = +box.dataset.w / width;
  const end = Math.min(1, x + w), start = Math.max(0, x), isSeen = end - start > 1e-4;
  box.style.display = isSeen ? '' : 'none';
  if (!isSeen) return;
  const [rect, text] = [box.querySelector('rect'), box.querySelector('text')];
  rect.setAttribute('x', start * WIDE + EDGE); rect.setAttribute('width', (end - start) * WIDE);
  text.setAttribute('x', start * WIDE + EDGE + 3);
  const room = Math.floor((end - start) * WIDE / 6.6) - 1, name = box.dataset.n;
  text.textContent = room < 3 ? '' : name.length > room ? name.slice(0, room - 1) + '\\u2026' : name;
});
boxes.forEach(box => box.addEventListener('click', () => look(+box.dataset.x, +box.dataset.w)));
look(0, 1);
"""


class Box:
    """A function where it was called, with the samples that were in it or above it."""

    def __init__(self):
        self.samples, self.callees = 0, collections.defaultdict(Box)


def stacks(lines):
    """Stacks of `perf script`, outermost function first, each of (function, module), with how many samples (events) it stands for."""
    stack, process, weight = [], None, 1
    for line in [*lines, "\n"]:
        if frame := FRAME.match(line):
            name = re.sub(r"\+0x[0-9a-f]+$", "", frame[1])
            stack.append((name, frame[2].rsplit("/", 1)[-1]))
        elif line.strip() == "":
            if process:
                yield [(process, "process")] + stack[::-1], weight
            stack, process = [], None
        elif not line.startswith("#"):
            # "imgbatch 1234 5678.901: 250000 cycles:u: ": the count before the event's name.
            process = line.split()[0]
            count = re.search(r": +(\d+) +\S+:", line)
            weight = int(count[1]) if count else 1


def demangled(names):
    """Names of Swift and C++ as people write them, where their programs are there."""
    names = sorted(names)
    for words in (["swift", "demangle", "--simplified", "--compact"], ["c++filt"]):
        try:
            done = subprocess.run(words, input="\n".join(names), capture_output=True, text=True, check=True).stdout.splitlines()
        except (OSError, subprocess.CalledProcessError):
            continue
        if len(done) == len(names):
            return dict(zip(names, done))
    return dict(zip(names, names))


def drawn(box, x, depth, total, colors, names, out):
    for (name, module), callee in sorted(box.callees.items()):
        width = callee.samples / total
        if width * WIDTH >= LEAST:
            name = names.get(name, name)
            color = colors.setdefault(module, PALETTE[len(colors) % len(PALETTE)])
            title = html.escape(f"{name} ({module}): {100 * width:.2f} %")
            out.append((depth, f'<g data-x="{x:.6f}" data-w="{width:.6f}" data-n="{html.escape(name, quote=True)}"><title>{title}</title><rect x="{MARGIN + x * WIDTH:.1f}" '
                               f'y="@{depth}@" width="{width * WIDTH:.1f}" height="{ROW - 1}" fill="{color}"/>'
                               f'<text x="{MARGIN + x * WIDTH + 3:.1f}" y="@{depth}t@">{html.escape(name[:max(0, int(width * WIDTH / 6.6) - 1)])}</text></g>'))
            drawn(callee, x, depth + 1, total, colors, names, out)
        x += width


def main():
    root = Box()
    functions = set()
    for stack, weight in stacks(sys.stdin):
        root.samples += weight
        box = root
        for frame in stack:
            functions.add(frame[0])
            box = box.callees[frame]
            box.samples += weight
    if not root.samples:
        sys.exit("flamegraph.py: no samples on standard input; perf script writes them")
    sys.setrecursionlimit(10000)
    out, colors = [], {}
    drawn(root, 0, 0, root.samples, colors, demangled(functions), out)
    rows = 1 + max(depth for depth, _ in out)
    height = rows * ROW + 3 * MARGIN + 2 * ROW

    def placed(depth, text):
        y = height - MARGIN - (depth + 1) * ROW
        return text.replace(f"@{depth}@", str(y)).replace(f"@{depth}t@", str(y + 12))

    key, at = [], MARGIN
    for module, color in colors.items():
        key.append(f'<rect x="{at}" y="{MARGIN}" width="11" height="11" fill="{color}"/><text x="{at + 15}" y="{MARGIN + 10}">{html.escape(module)}</text>')
        at += 30 + 7 * len(module)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + 2 * MARGIN}" height="{height}" viewBox="0 0 {WIDTH + 2 * MARGIN} {height}">')
    print('<style>text { font: 11px monospace; pointer-events: none } g:hover rect { stroke: black }</style><rect width="100%" height="100%" fill="#fbfaf6"/>')
    print("\n".join(key + [placed(depth, text) for depth, text in out]))
    print(f"<script><![CDATA[{SCRIPT.replace('WIDE', str(WIDTH)).replace('EDGE', str(MARGIN))}]]></script></svg>")


if __name__ == "__main__":
    main()
