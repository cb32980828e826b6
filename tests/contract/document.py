"""openapi.yaml is a valid OpenAPI 3.1 document, sound inside, and it and the route table name the same routes.

usage: document.py QUENCHD    (the program; `quenchd routes` prints "METHOD PATH operationId" lines)
"""

import copy
import subprocess
import sys

import jsonschema

import contract


def document_faults(document):
    """All that is wrong with the document by itself, one line each."""
    lines = []
    meta = jsonschema.Draft202012Validator(contract.meta_schema())
    for error in meta.iter_errors(document):
        best = jsonschema.exceptions.best_match([error])
        lines.append("/" + "/".join(map(str, best.absolute_path)) + ": " + best.message[:300])
    if lines:
        return lines

    for where, pointer in contract.references(document):
        try:
            contract.resolve(document, pointer)
        except (KeyError, IndexError, ValueError):
            lines.append(f"{where}: {pointer} points nowhere")
    if lines:
        return lines

    for where, schema in contract.schemas(document):
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            lines.append(f"{where}: not a JSON Schema: {error.message[:300]}")
    if lines:
        return lines

    for where, schema, example in contract.examples(document):
        lines += [f"{where}: {fault}" for fault in contract.faults(document, schema, example)]

    identifiers = {}
    for method, path, operation, parameters in contract.operations(document):
        here = f"{method} {path}"
        name = operation.get("operationId")
        if not name:
            lines.append(f"{here}: no operationId")
        elif name in identifiers:
            lines.append(f"{here}: operationId {name} is that of {identifiers[name]} too")
        identifiers[name] = here
        declared = sorted(p["name"] for p in parameters if p["in"] == "path")
        if declared != sorted(contract.path_names(path)):
            lines.append(f"{here}: path parameters {declared} do not fit the path")
        body = contract.deref(document, operation.get("requestBody"))
        for kind, media in (body or {}).get("content", {}).items():
            if kind == "application/json" and "example" not in media and "examples" not in media:
                lines.append(f"{here}: the JSON body has no example")
        if not any(str(status).startswith("2") for status in operation["responses"]):
            lines.append(f"{here}: no successful response")
        for status, response in operation["responses"].items():
            response = contract.deref(document, response)
            content = response.get("content", {})
            if str(status)[0] in "45" and list(content) != ["application/problem+json"]:
                lines.append(f"{here}: {status} is not a problem document")
    return lines


def broken(document):
    """Copies of the document, each with one fault, to prove that the checks can fail."""
    path = next(iter(document["paths"]))
    method = next(m for m in contract.METHODS if m in document["paths"][path])

    def variant(name, change):
        twin = copy.deepcopy(document)
        change(twin)
        return name, twin

    yield variant("no title", lambda d: d["info"].pop("title"))
    yield variant("version 2", lambda d: d.update(openapi="2.0"))
    yield variant("an unknown key in an operation", lambda d: d["paths"][path][method].update(respones={}))
    yield variant("a reference to nowhere", lambda d: d["paths"][path][method]["responses"].update(
        {"500": {"$ref": "#/components/responses/NoSuchThing"}}))
    yield variant("no operationId", lambda d: d["paths"][path][method].pop("operationId"))
    yield variant("an undeclared path parameter", lambda d: d["paths"].update({"/x/{y}": {"get": {
        "operationId": "planted", "responses": {"200": {"description": "ok"}}}}}))
    yield variant("a schema of no known type", lambda d: d["components"]["schemas"].update(Planted={"type": "strnig"}))
    yield variant("an example that does not fit", lambda d: d["components"]["schemas"].update(
        Planted={"type": "integer", "examples": ["one"]}))
    yield variant("an error without a problem document", lambda d: d["paths"][path][method]["responses"].update(
        {"418": {"description": "teapot", "content": {"text/plain": {}}}}))


def main():
    tally = contract.Tally()
    document = contract.load()

    lines = document_faults(document)
    for line in lines:
        print(line)
    tally.check(not lines, "openapi.yaml is a sound OpenAPI 3.1 document")
    for name, twin in broken(document):
        tally.check(document_faults(twin), f"a document with a fault is refused: {name}")

    listing = subprocess.run([sys.argv[1], "routes"], capture_output=True, text=True, timeout=30, check=True).stdout
    served = {tuple(line.split()[:2]): line.split()[2] for line in listing.splitlines() if line.strip()}
    documented = {(m, p): o.get("operationId") for m, p, o, _ in contract.operations(document)}
    tally.check(len(served) > 5, "the program lists its routes")
    for route in sorted(set(served) | set(documented)):
        name = " ".join(route)
        if route not in documented:
            tally.check(False, f"{name} is served but not in openapi.yaml")
        elif route not in served:
            tally.check(False, f"{name} is in openapi.yaml but not served")
        else:
            tally.check(served[route] == documented[route],
                        f"{name}: operation {served[route]} in the table, {documented[route]} in the document")
    return tally.report()


if __name__ == "__main__":
    sys.exit(main())
