"""What the source checks share: finding files, C text without comments and strings, functions."""

import os
import re
import sys

SKIP_DIRS = {".git", "build", ".venv", "sibyl-data", "__pycache__", ".pytest_cache", "node_modules"}


def walk(root, exclude=()):
    """Paths relative to root of all files of the project, sorted."""
    found = []
    for folder, dirs, files in os.walk(root):
        rel = os.path.relpath(folder, root)
        rel = "" if rel == "." else rel + "/"
        dirs[:] = sorted(d for d in dirs if d not in SKIP_DIRS and rel + d not in exclude)
        found += [rel + f for f in files]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)


def _blank(match):
    text = match.group(0)
    if text[0] in "\"'":
        return text[0] + " " * (len(text) - 2) + text[-1]
    return re.sub(r"[^\n]", " ", text)


def code_only(text):
    """The same text with comments and the insides of strings blanked; positions stay."""
    return TOKEN.sub(_blank, text)


def without_directives(code):
    """Preprocessor lines blanked as well (with their continuation lines)."""
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: re.sub(r"[^\n]", " ", m.group(0)),
                  code, flags=re.M | re.S)


class Function:
    def __init__(self, name, first, last, body):
        self.name, self.first, self.last, self.body = name, first, last, body

    @property
    def lines(self):
        return self.last - self.first + 1

    @property
    def complexity(self):
        """Cyclomatic: one plus each branching keyword, case label and short-circuit operator."""
        return 1 + len(re.findall(r"\b(?:if|for|while|case)\b|&&|\|\||\?", self.body))


HEAD = re.compile(r"([A-Za-z_]\w*)\s*\(")


def functions(text):
    """Function definitions of a C file formatted by clang-format: the closing brace in column 0."""
    code = without_directives(code_only(text))
    out, depth, start = [], 0, None
    line_of = lambda pos: code.count("\n", 0, pos) + 1
    last_end = 0
    for m in re.finditer(r"[{}]", code):
        if m.group(0) == "{":
            if depth == 0:
                start = m.start()
            depth += 1
            continue
        depth = max(0, depth - 1)
        if depth or start is None:
            continue
        head = code[last_end:start].rstrip()
        tail = max(head.rfind(";"), head.rfind("}"))
        head_text = head[tail + 1:]
        if head.endswith(")") and not re.match(r"\s*(?:static\s+)?(?:struct|enum|union)\s+\w*\s*$",
                                               head_text):
            named = HEAD.search(re.sub(r"__attribute__\s*\(\(.*?\)\)", "", head_text, flags=re.S))
            if named:
                first = line_of(last_end + tail + 1 + (len(head_text) - len(head_text.lstrip())))
                out.append(Function(named.group(1), first, line_of(m.start()),
                                    code[start:m.end()]))
        last_end, start = m.end(), None
    return out


def allow_list(path):
    """Lines `file rule reason...`; a reason is required. Returns {(file, rule): reason}."""
    out = {}
    if not os.path.exists(path):
        return out
    for n, line in enumerate(open(path, encoding="utf-8"), 1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        parts = line.split(None, 2)
        if len(parts) < 3:
            sys.exit(f"{path}:{n}: needs a file, a rule and a reason")
        out[(parts[0], parts[1])] = parts[2]
    return out


class Report:
    """Collects findings, prints them and the closing line, and is the exit code."""

    def __init__(self, name):
        self.name, self.findings = name, []

    def add(self, path, line, rule, message):
        self.findings.append((path, line, rule, message))

    def finish(self, what):
        for path, line, rule, message in sorted(self.findings):
            print(f"{path}:{line}: {rule}: {message}")
        if self.findings:
            print(f"{self.name}: {len(self.findings)} finding(s)")
        else:
            print(f"{self.name}: ok ({what})")
        return 1 if self.findings else 0
