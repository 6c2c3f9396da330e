#!/usr/bin/env python3
"""The recipes of docs/cookbook.md: each is taken out of the page, run in plain sh in a folder of its own, and what came of it is looked at.

usage: cookbook.py [--bin DIR] [RECIPE]...     recipes by the slugs of their headings; all without one. KEEP=1 leaves the folders.

A recipe without a checker fails, and so does a checker without a recipe."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

from harness import ROOT, Results, take_tools
from kitchen import CHECKS, Kitchen, fill_pantry

import cookbookpictures  # noqa: F401  # each adds its checkers
import cookbookservers  # noqa: F401
import cookbooktrees  # noqa: F401

DOCS = os.path.join(ROOT, "docs")
PAGE = os.path.join(DOCS, "cookbook.md")


class Recipe:
    """A heading and its blocks: kind (sh, make, python), name of the file or "", text."""

    def __init__(self, title, text):
        self.title = title
        self.slug = re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        self.text = text
        self.blocks = re.findall(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def recipes():
    with open(PAGE, encoding="utf-8") as file:
        parts = re.split(r"^## (.*)$", file.read(), flags=re.MULTILINE)
    return [Recipe(title, text) for title, text in zip(parts[1::2], parts[2::2])]


def cook(results, recipe, check, pantry, folder):
    """Runs one recipe with its checker."""
    kitchen = Kitchen(results, recipe, pantry, folder)
    before, start = results.passed + results.failed, time.monotonic()
    try:
        steps = check(kitchen)
        if next(steps, None) is not False:
            kitchen.run()
        next(steps, None)
        results.check(results.passed + results.failed > before, f"{recipe.slug}: nothing was checked")
    except (OSError, ValueError, KeyError, IndexError, TypeError, TimeoutError, subprocess.SubprocessError) as error:
        kitchen.check(False, f"{type(error).__name__} {error}")
    finally:
        if kitchen.process and kitchen.process.poll() is None:
            kitchen.stop()
    print(f"{recipe.slug}: {time.monotonic() - start:.1f} s")


def links_lead_somewhere(results):
    """Of the pages that the recipes are in: files and headings, and pictures that a reader on a slow line can wait for."""
    for page in ("cookbook.md", "coming-from.md"):
        with open(os.path.join(DOCS, page), encoding="utf-8") as file:
            links = re.findall(r"\]\(([^)#]*)#?([^)]*)\)", file.read())
        for path, heading in links:
            target = os.path.normpath(os.path.join(DOCS, path or page))
            results.check(os.path.exists(target) and (os.path.isdir(target) or os.path.getsize(target) < 200000), f"{page}: {path} is there, and not large")
            results.check(not heading or heading in [recipe.slug for recipe in recipes()], f"{page}: {path}#{heading}")


def main():
    names = [word for i, word in enumerate(sys.argv) if i and not word.startswith("-") and sys.argv[i - 1] != "--bin"]
    sys.argv = [word for word in sys.argv if word not in names]
    take_tools(__doc__)
    # The Python that runs this has NumPy; another one that is first on PATH may not.
    tools, _, rest = os.environ["PATH"].partition(os.pathsep)
    os.environ["PATH"] = os.pathsep.join([tools, os.path.dirname(sys.executable), rest])
    results, page = Results(), recipes()
    slugs = [recipe.slug for recipe in page]
    results.check(len(slugs) >= 30 and len(set(slugs)) == len(slugs), f"{len(slugs)} recipes, each once")
    results.check(set(slugs) == set(CHECKS), f"recipes without a check: {set(slugs) - set(CHECKS)}; checks without a recipe: {set(CHECKS) - set(slugs)}")
    # What is behind the three ticks is seen by nobody who reads the page.
    for recipe in page:
        results.check(all(f"`{name}`:\n\n```{kind} {name}\n" in recipe.text for kind, name, _ in recipe.blocks if name), f"{recipe.slug}: names of files stand above")
    links_lead_somewhere(results)
    folder = tempfile.mkdtemp(prefix="imgpipe-cookbook-")
    try:
        os.mkdir(f"{folder}/pantry")
        fill_pantry(f"{folder}/pantry")
        for recipe in page:
            if recipe.slug in CHECKS and (not names or recipe.slug in names):
                cook(results, recipe, CHECKS[recipe.slug], f"{folder}/pantry", f"{folder}/{recipe.slug}")
    finally:
        if os.environ.get("KEEP"):
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    results.end()


if __name__ == "__main__":
    main()
