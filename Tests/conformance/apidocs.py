#!/usr/bin/env python3
"""Every public declaration has a doc comment, and the examples of the .docc catalogs are those that the tests compile and run.

    apidocs.py FOLDER      where the symbol graphs are, MODULE/MODULE.symbols.json: scripts/docs makes them
"""
import glob
import json
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(ROOT, "Tests", "ImageCodecsTests", "DocumentedExamples.swift")


def undocumented(graph):
    """The symbols of the module that have no doc comment, as lines FILE:LINE: NAME. Left out is what the compiler makes, and what meets a
    requirement of a protocol, whose documentation serves for it."""
    inherits = {relation["source"] for relation in graph["relationships"] if "sourceOrigin" in relation}
    for symbol in graph["symbols"]:
        name = symbol["identifier"]["precise"]
        if name in inherits or "::SYNTHESIZED::" in name or "location" not in symbol:
            continue
        lines = symbol.get("docComment", {}).get("lines", [])
        if not any(line["text"].strip() for line in lines):
            place = symbol["location"]
            file = os.path.relpath(place["uri"].removeprefix("file://"), ROOT)
            yield f'{file}:{place["position"]["line"] + 1}: {".".join(symbol["pathComponents"])}'


def main():
    folder = sys.argv[1]
    # What extends another module's types is in MODULE@OTHER.symbols.json.
    graphs = sorted(glob.glob(os.path.join(folder, "*", "*.symbols.json")))
    count, missing = 0, []
    for path in graphs:
        with open(path) as file:
            graph = json.load(file)
        count += len(graph["symbols"])
        missing += undocumented(graph)
    for line in missing:
        print(f"failed: no doc comment: {line}")

    with open(EXAMPLES) as file:
        compiled = file.read()
    examples, unknown = 0, 0
    for page in glob.glob(os.path.join(ROOT, "Sources", "*", "*.docc", "*.md")):
        with open(page) as file:
            for example in re.findall(r"```swift\n(.*?)```", file.read(), re.S):
                examples += 1
                if example not in compiled:
                    unknown += 1
                    print(f"failed: an example of {os.path.relpath(page, ROOT)} is not in {os.path.relpath(EXAMPLES, ROOT)}")

    # Where either is nothing, it is this script that is wrong.
    print(f"{count} public symbols, {len(missing)} without a doc comment; {examples} examples, {unknown} not compiled")
    sys.exit(0 if count and examples and not missing and not unknown else 1)


main()
