"""Imports run one way, at the top of a module, and a receiver needs no part of the server."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import adjourn

ROOT = Path(adjourn.__file__).parent

# Lowest first: a module imports from its own layer or from below. The longest prefix counts.
LAYERS = [
    ["errors"],
    ["config", "ids", "endpoint", "formats", "header", "wirejson", "batcher", "boot", "repeating"],
    ["models", "check", "resources", "urlrule", "vault"],
    ["signing", "storage.base", "storage.migrate", "storage"],
    ["providers"],
    ["documents"],
    ["sending"],
    ["storage.sql"],
    ["storage.sqlite", "storage.postgres"],
    ["storage.inbox"],
    ["receiving"],
    ["testing", "__init__"],
    ["rehearsal"],
    ["pytest_plugin"],
    ["wiring"],
    ["api", "portal"],
    ["listening", "logs", "server"],
    ["child", "supervisor"],
    ["client"],
    ["cli", "__main__"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}


def rank(module: str) -> int:
    parts = module.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next(RANK[prefix] for prefix in prefixes if prefix in RANK)


def own_imports(tree: ast.AST) -> list[str]:
    """The modules of ours that are imported anywhere in it."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "adjourn":
            base = (node.module or "").partition(".")[2]
            for alias in node.names:
                if alias.name == "__version__":
                    continue  # there before anything else is: anyone may have it
                inner = f"{base}.{alias.name}" if base else alias.name
                found.append(inner if inner in MODULES else base or "__init__")
        elif isinstance(node, ast.Import):
            found += [name.name.partition(".")[2] for name in node.names if name.name.startswith("adjourn.")]
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_its_layer_or_below(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    above = [each for each in own_imports(tree) if rank(each) > rank(module)]
    assert above == []


@pytest.mark.parametrize("module", MODULES)
def test_nothing_of_ours_is_imported_inside_a_function(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    functions = [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    allowed = {"main"} if module == "cli" else set()  # it says which extra is missing
    assert [each.name for each in functions if own_imports(each) and each.name not in allowed] == []


def test_no_two_modules_import_each_other() -> None:
    graph = {name: set(own_imports(ast.parse(path.read_text("utf-8")))) for name, path in MODULES.items()}
    graph = {name: {each for each in targets if each != name} for name, targets in graph.items()}
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for target in sorted(graph.get(module, ())):
                visit(target, (*path, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_a_receiver_needs_msgspec_and_the_standard_library_alone() -> None:
    program = (
        "import sys; import adjourn, adjourn.signing, adjourn.providers, adjourn.testing; "
        "from adjourn import *; "
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    installed = {
        "aiosmtplib",
        "asyncpg",
        "litestar",
        "uvicorn",
        "aiohttp",
        "cryptography",
        "django",
        "flask",
        "starlette",
        "jinja2",
        "typer",
        "yaml",
        "rich",
        "httpx",
        "uvloop",
        "yarl",
    }
    assert loaded & installed == set()
    assert "msgspec" in loaded


# What is installed beside msgspec, by the adapter that is for it.
FRAMEWORKS = {
    "aiohttp": {"aiohttp"},
    "django": {"django"},
    "flask": {"flask", "werkzeug"},
    "litestar": {"litestar"},
    "starlette": {"starlette"},
}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("receiving.")])
def test_a_framework_is_imported_by_its_adapter_alone(module: str) -> None:
    imported = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
    installed = imported - sys.stdlib_module_names - {"adjourn", "msgspec"}
    assert installed == FRAMEWORKS.get(module.removeprefix("receiving."), set())
