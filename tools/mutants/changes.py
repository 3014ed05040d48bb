"""Finds the small changes that a source file allows: another comparison, sign, operator, constant or result."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

_COMPARISONS: dict[type[ast.cmpop], tuple[str, tuple[str, ...]]] = {
    ast.Lt: ("<", ("<=", ">=")),
    ast.LtE: ("<=", ("<", ">")),
    ast.Gt: (">", (">=", "<=")),
    ast.GtE: (">=", (">", "<")),
    ast.Eq: ("==", ("!=",)),
    ast.NotEq: ("!=", ("==",)),
    ast.Is: ("is", ("is not",)),
    ast.IsNot: ("is not", ("is",)),
    ast.In: ("in", ("not in",)),
    ast.NotIn: ("not in", ("in",)),
}
_OPERATORS: dict[type[ast.operator], tuple[str, tuple[str, ...]]] = {
    ast.Add: ("+", ("-",)),
    ast.Sub: ("-", ("+",)),
    ast.Mult: ("*", ("/",)),
    ast.Div: ("/", ("*",)),
    ast.FloorDiv: ("//", ("*",)),
    ast.Mod: ("%", ("*",)),
    ast.Pow: ("**", ("*",)),
    ast.LShift: ("<<", (">>",)),
    ast.RShift: (">>", ("<<",)),
    ast.BitAnd: ("&", ("|",)),
    ast.BitOr: ("|", ("&",)),
    ast.BitXor: ("^", ("|",)),
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "minimum": "maximum", "maximum": "minimum"}
_CONSTANTS: dict[float, tuple[str, ...]] = {0: ("1",), 1: ("0", "2"), 2: ("1", "3")}
_FLOATS: dict[float, tuple[str, ...]] = {0.0: ("1.0",), 1.0: ("0.0", "2.0"), 2.0: ("1.0", "3.0")}
# `zip(strict=True)` is an assertion; a warning's stack level is a part of its message.
_UNCHANGED_ARGUMENTS = {"strict", "stacklevel"}
_CACHES = {"cache", "lru_cache", "cached_property"}


@dataclass(frozen=True)
class Change:
    """One small change of one source file.

    Attributes:
        path: the file, relative to the project's root, with forward slashes.
        function: qualified name of the function or class around the change; empty at the module's level.
        before: source text of the changed line or expression, as it stands in the file, without indentation.
        after: the same text with the change.
        ordinal: how many changes with the same path, function, before and after come earlier in the file.
        line: number of the line that changes.
        lines: first and last line of the statement around it, without the statements inside.
        start: offset of the first replaced byte.
        end: offset behind the last replaced byte.
        replacement: what stands there after the change.
        at_import: whether the changed code runs once, when the module is imported.
        names: names that the changed code defines, if it runs at import or fills a cache.
    """

    path: str
    function: str
    before: str
    after: str
    ordinal: int
    line: int
    lines: tuple[int, int]
    start: int
    end: int
    replacement: str
    at_import: bool
    names: tuple[str, ...]

    @property
    def identity(self) -> tuple[str, str, str, str, int]:
        """What names the change while lines above it come and go."""
        return self.path, self.function, self.before, self.after, self.ordinal

    @property
    def place(self) -> tuple[str, str, str, int, int]:
        """What the alternatives for one operator or constant have in common."""
        return self.path, self.function, self.before, self.start, self.end

    def apply(self, source: bytes) -> bytes:
        """Return the file's content with the change."""
        return source[: self.start] + self.replacement.encode() + source[self.end :]

    def is_valid(self, source: bytes) -> bool:
        """Return whether the changed file is still Python, and another program."""
        try:
            changed = ast.parse(self.apply(source))
        except SyntaxError:
            return False
        return ast.dump(changed) != ast.dump(ast.parse(source))


def find_changes(path: str, source: bytes) -> list[Change]:
    """Return every change of a file, in the order of the file.

    Docstrings, annotations, decorators, assertions, `raise` and errors' texts, and what only type checkers see stay as
    they are.

    Args:
        path: the file, as changes are to name it.
        source: its content.
    """
    finder = _Finder(path, source)
    finder.visit(ast.parse(source))
    seen: Counter[tuple[str, ...]] = Counter()
    found = []
    for change in sorted(finder.changes, key=lambda change: (change.start, change.end, change.replacement)):
        key = change.identity[:4]
        found.append(replace(change, ordinal=seen[key]))
        seen[key] += 1
    return found


class _Finder(ast.NodeVisitor):
    """Collects the changes of one file."""

    def __init__(self, path: str, source: bytes) -> None:
        self.path = path
        self.source = source
        self.changes: list[Change] = []
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._function: list[str] = []
        self._at_import = True
        self._names: tuple[str, ...] = ()
        self._lines = (1, 1)

    # What stays as it is.

    def visit_Assert(self, node: ast.Assert) -> None:
        """Leave assertions alone: they are tests."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """Leave errors alone: their texts are for people."""

    def visit_TypeAlias(self, node: ast.TypeAlias) -> None:
        """Leave types alone."""

    def visit_If(self, node: ast.If) -> None:
        """Leave out what only type checkers see."""
        test = ast.unparse(node.test)
        if test in ("TYPE_CHECKING", "typing.TYPE_CHECKING") or test.startswith("__name__ =="):
            for statement in node.orelse:
                self.visit(statement)
            return
        self.generic_visit(node)

    # Where the finder is.

    def visit(self, node: ast.AST) -> None:
        """Note the statement, then look into it."""
        if not isinstance(node, ast.stmt):
            super().visit(node)
            return
        kept = self._lines, self._names
        body = getattr(node, "body", None)
        last = body[0].lineno - 1 if body and isinstance(body[0], ast.stmt) else (node.end_lineno or node.lineno)
        self._lines = (node.lineno, max(node.lineno, last))
        if self._at_import and isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
            self._names = (*self._names, *named)
        super().visit(node)
        self._lines, self._names = kept

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Look into the defaults and the body of a function."""
        kept = self._at_import, self._names
        self._function.append(node.name)
        if self._at_import:
            self._names = (*self._names, node.name)
        for default in [*node.args.defaults, *node.args.kw_defaults]:
            if default is not None:
                self.visit(default)
        self._at_import = False
        cached = any(part in _CACHES for decorator in node.decorator_list for part in _words(decorator))
        self._names = (node.name,) if cached else ()
        for statement in node.body:
            self.visit(statement)
        self._function.pop()
        self._at_import, self._names = kept

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Look into it as into any function."""
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Look into a function without a name, which belongs to what it stands in."""
        self.visit(node.body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Look into the body of a class."""
        kept = self._names
        self._function.append(node.name)
        self._names = (node.name,) if self._at_import else ()
        for statement in node.body:
            self.visit(statement)
        self._function.pop()
        self._names = kept

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Look at the value, not at the annotation."""
        if node.value is not None:
            self.visit(node.value)

    # What changes.

    def visit_Compare(self, node: ast.Compare) -> None:
        """Change every comparison of a chain."""
        operands = [node.left, *node.comparators]
        for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
            self._change_between(left, right, *_COMPARISONS[type(operator)])
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """Change an operator between two operands."""
        if type(node.op) in _OPERATORS:
            self._change_between(node.left, node.right, *_OPERATORS[type(node.op)])
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Change an operator that assigns."""
        if type(node.op) in _OPERATORS:
            operator, others = _OPERATORS[type(node.op)]
            self._change_between(node.target, node.value, f"{operator}=", tuple(f"{other}=" for other in others))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        """Change `and` to `or` and back."""
        operator, other = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._change_between(left, right, operator, (other,))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        """Leave out a sign or a `not`."""
        if isinstance(node.op, ast.USub | ast.Not | ast.Invert):
            self._change(self._start(node), self._start(node.operand), ("",))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        """Change truth values and small numbers."""
        value = node.value
        others: tuple[str, ...] = ()
        if isinstance(value, bool):
            others = (str(not value),)
        elif isinstance(value, int):
            others = _CONSTANTS.get(value, (str(value + 1),))
        elif isinstance(value, float):
            others = _FLOATS.get(value, ())
        self._change(self._start(node), self._end(node), others)

    def visit_Call(self, node: ast.Call) -> None:
        """Change `min` to `max`; look into the arguments, but for errors' texts."""
        words = _words(node.func)
        name = words[-1] if words else ""
        if name.endswith(("Error", "Warning")):
            return
        if name in _CALLS:
            end = self._end(node.func)
            self._change(end - len(name), end, (_CALLS[name],))
        self.visit(node.func)
        for argument in node.args:
            self.visit(argument)
        for keyword in node.keywords:
            if keyword.arg not in _UNCHANGED_ARGUMENTS:
                self.visit(keyword.value)

    def visit_Return(self, node: ast.Return) -> None:
        """Return None."""
        if node.value is None:
            return
        if not (isinstance(node.value, ast.Constant) and not node.value.value):
            self._change(self._start(node.value), self._end(node.value), ("None",))
        self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Look into the values of a formatted text, not into their formats."""
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                self.visit(part.value)

    def _change_between(self, left: ast.expr, right: ast.expr, operator: str, others: tuple[str, ...]) -> None:
        """Add the changes of the operator between two operands."""
        start, end = self._end(left), self._start(right)
        gap = re.sub(rb"#[^\n]*", lambda match: b" " * len(match[0]), self.source[start:end])
        found = re.search(rb"\s+".join(re.escape(word.encode()) for word in operator.split()), gap)
        if found:
            self._change(start + found.start(), start + found.end(), others)

    def _change(self, start: int, end: int, others: tuple[str, ...]) -> None:
        """Add the changes that put other texts in place of a part of the source."""
        first = self.source.rfind(b"\n", 0, start) + 1
        last = self.source.find(b"\n", end)
        last = len(self.source) if last < 0 else last
        line = self.source.count(b"\n", 0, start) + 1
        for other in others:
            before = self.source[first:last].decode()
            after = (self.source[first:start] + other.encode() + self.source[end:last]).decode()
            self.changes.append(
                Change(
                    path=self.path,
                    function=".".join(self._function),
                    before=_one_line(before),
                    after=_one_line(after),
                    ordinal=0,
                    line=line,
                    lines=self._lines,
                    start=start,
                    end=end,
                    replacement=other,
                    at_import=self._at_import,
                    names=self._names,
                )
            )

    def _start(self, node: ast.expr) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset


def _words(node: ast.expr) -> list[str]:
    """Return the names of a dotted expression, also of a called one."""
    return list(_dotted(node))


def _dotted(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Call):
        yield from _dotted(node.func)
    elif isinstance(node, ast.Attribute):
        yield from _dotted(node.value)
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id


def _one_line(text: str) -> str:
    """Return a text with every run of white space as one blank."""
    return " ".join(text.split())
