"""openapi.yaml as data: loading, operations, and validation of instances against its schemas by jsonschema."""

import json
import os
import re
import threading

import jsonschema
import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


class _Loader(yaml.SafeLoader):
    """JSON's types only: a date stays the string that it is in JSON, and a key must not stand twice."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _mapping(loader, node, deep=False):
    keys = [loader.construct_object(key, deep=deep) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", node.start_mark)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def load(path=os.path.join(ROOT, "openapi.yaml")):
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, Loader=_Loader)


def meta_schema():
    with open(os.path.join(ROOT, "tests/data/openapi-3.1/schema.json"), encoding="utf-8") as file:
        return json.load(file)


def resolve(document, pointer):
    """What "#/a/b" points to; KeyError when it points nowhere."""
    if not pointer.startswith("#/"):
        raise KeyError(pointer)
    node = document
    for part in pointer[2:].split("/"):
        part = part.replace("~1", "/").replace("~0", "~")
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def deref(document, node):
    while isinstance(node, dict) and set(node) >= {"$ref"}:
        node = resolve(document, node["$ref"])
    return node


def operations(document):
    """Yields (METHOD, path, operation, parameters), parameters of the path included and references followed."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = item[method]
                parameters = item.get("parameters", []) + operation.get("parameters", [])
                yield method.upper(), path, operation, [deref(document, p) for p in parameters]


def validator(document, schema):
    return jsonschema.Draft202012Validator(
        schema,
        resolver=jsonschema.RefResolver("", document),
        format_checker=jsonschema.FormatChecker(),
    )


def faults(document, schema, instance):
    """What is wrong with `instance`, as one line each; empty when it is valid."""
    errors = sorted(validator(document, schema).iter_errors(instance), key=lambda e: list(map(str, e.path)))
    lines = []
    for error in errors:
        best = jsonschema.exceptions.best_match([error]) or error
        pointer = "/" + "/".join(map(str, best.absolute_path))
        lines.append(f"{pointer}: {best.message[:300]}")
    return lines


def schemas(document):
    """Yields (where, schema) for every schema object that the document holds outside another one."""

    def walk(node, where):
        if isinstance(node, dict):
            for key, value in node.items():
                place = f"{where}/{key}"
                if key in ("example", "examples", "default", "enum", "const"):
                    continue
                if key == "schema":
                    yield place, value
                elif where.endswith("/components/schemas"):
                    yield place, value
                else:
                    yield from walk(value, place)
        elif isinstance(node, list):
            for index, value in enumerate(node):
                yield from walk(value, f"{where}/{index}")

    yield from walk(document, "#")


def examples(document):
    """Yields (where, schema, example) for every example of a parameter, a body, a header or a schema."""

    def walk(node, where):
        if isinstance(node, dict):
            if "schema" in node:
                if "example" in node:
                    yield f"{where}/example", node["schema"], node["example"]
                for name, example in (node.get("examples") or {}).items():
                    example = deref(document, example)
                    if "value" in example:
                        yield f"{where}/examples/{name}", node["schema"], example["value"]
            for key, value in node.items():
                if key not in ("example", "examples", "default", "enum", "const"):
                    yield from walk(value, f"{where}/{key}")
        elif isinstance(node, list):
            for index, value in enumerate(node):
                yield from walk(value, f"{where}/{index}")

    yield from walk(document, "#")

    def inside(schema, where):
        if isinstance(schema, dict):
            for index, example in enumerate(schema.get("examples", []) if isinstance(schema.get("examples"), list) else []):
                yield f"{where}/examples/{index}", schema, example
            if "default" in schema:
                yield f"{where}/default", schema, schema["default"]
            for key, value in schema.items():
                if key in ("properties", "$defs", "patternProperties"):
                    for name, sub in value.items():
                        yield from inside(sub, f"{where}/{key}/{name}")
                elif key in ("items", "not", "additionalProperties", "contains", "if", "then", "else"):
                    yield from inside(value, f"{where}/{key}")
                elif key in ("allOf", "anyOf", "oneOf", "prefixItems"):
                    for index, sub in enumerate(value):
                        yield from inside(sub, f"{where}/{key}/{index}")

    for where, schema in schemas(document):
        yield from inside(schema, where)


def references(node, where="#"):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield where, value
            else:
                yield from references(value, f"{where}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from references(value, f"{where}/{index}")


def path_names(path):
    return re.findall(r"\{([^}]+)\}", path)


class Tally:
    """Counts the cases of a suite and prints those that fail; report() is the closing line of tests/run.sh."""

    def __init__(self):
        self.passed = self.failed = 0
        self.lock = threading.Lock()

    def check(self, good, what):
        with self.lock:
            if good:
                self.passed += 1
            else:
                self.failed += 1
                print(f"FAILED: {what}", flush=True)
        return good

    def report(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed or not self.passed else 0
