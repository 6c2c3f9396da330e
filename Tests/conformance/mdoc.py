"""Manual pages, as mandoc reads them: the options that they have and their examples."""
import collections
import re
import subprocess
import xml.etree.ElementTree as ElementTree

# `values`: for each spelling whether it has a value, behind a bracket where it may be left out: None, "x" or "[x". `text`: what is said of it.
Item = collections.namedtuple("Item", "values text")


class Page:
    def __init__(self, path):
        text = subprocess.run(["mandoc", "-T", "html", "-O", "fragment", path], stdout=subprocess.PIPE, check=True, text=True).stdout
        self.tree = ElementTree.fromstring(f"<page>{text}</page>")

    def section(self, name):
        """The sections of this name, with sections that are in them."""
        return next((section for section in self.tree.iter("section") if section[0].get("id") == name), None)

    def flags(self, *names):
        """All options that are named in these sections, or anywhere."""
        places = [self.section(name) for name in names] if names else [self.tree]
        return [spelling for place in places for spelling in values(place)]

    def items(self):
        """The items of lists that have options for names, in the page's order."""
        found = []
        for items in self.tree.iter("dl"):
            heads = []
            for part in items:
                if part.tag == "dt":
                    heads.append(part)
                elif plain(part):
                    # Several names may share a text; what is of another tool has its options in the text.
                    named = {spelling: value for head in heads for spelling, value in values(head)}
                    of = re.fullmatch(r"Of (\S+)\(1\)", plain(heads[0]))
                    if of:
                        found += [(of[1], Item({spelling: value}, "")) for spelling, value in values(part)]
                    elif named:
                        found.append((None, Item(named, plain(part))))
                    heads = []
        return found

    def examples(self, *sections):
        """What is to be typed, of displays that stand alone."""
        found = []
        for section in (self.section(name) for name in sections):
            for display in section.iter("div"):
                if "Bd" in display.get("class").split():
                    lines = display.find("pre")
                    found.append("".join(lines.itertext()) if lines is not None else plain(display))
        return found


def plain(element):
    """Its text in one line."""
    return " ".join("".join(element.itertext()).replace("\xa0", " ").split())


def pieces(element):
    """Options (Fl) and arguments (Ar), and what stands between them, in their order."""
    kind = element.get("class")
    if kind in ("Fl", "Ar"):
        return [(kind, plain(element))]
    found = [("", element.text or "")]
    for part in element:
        found += [*pieces(part), ("", part.tail or "")]
    return found


def values(element):
    """The options that an element names, with their values."""
    found, between = [], None
    for kind, text in pieces(element):
        if kind == "Fl":
            found.append((text, None))
            between = ""
        # "option ..." is no value of the option before.
        elif kind == "Ar" and not text.endswith("...") and between is not None and between.strip() in ("", "=", "["):
            found[-1] = (found[-1][0], "[" * (between.strip() == "[") + text)
            between = None
        elif between is not None:
            between += text
    return [(name, value) for name, value in found if name.strip("-")]
