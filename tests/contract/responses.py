"""Every route of a running server, driven to success and to failure; each answer must be one that openapi.yaml describes.

usage: responses.py    (QUENCHD_URL, QUENCHD_BIN and DATABASE_URL in the environment, as tests/with_server.sh sets them)
"""

import gzip
import json
import os
import subprocess
import sys
import time
import urllib.parse

import bounds
import contract
import scenario

JSON = {"Content-Type": "application/json"}
UNKNOWN = 987654321


class Driver:
    def __init__(self):
        self.document = contract.load()
        self.tally = contract.Tally()
        self.seen = {}  # operationId -> statuses
        self.operations = {}
        for method, path, operation, parameters in contract.operations(self.document):
            self.operations[operation["operationId"]] = (method, path, operation, parameters)

    def call(self, name, expect, path=None, body=None, headers=None, method=None, limit=None):
        """Sends a request of operation `name`, checks the answer against the document, returns (headers, body)."""
        documented, template, operation, _ = self.operations[name]
        method = method or documented
        path = path if path is not None else template
        status, answer_headers, answer = scenario.fetch(path, method, body, headers, limit=limit)
        what = f"{name}: {method} {path[:120]} -> {status}"
        self.tally.check(status == expect, f"{what}, expected {expect}: {answer[:300]!r}")
        for fault in self.faults(operation, method, status, answer_headers, answer):
            self.tally.check(False, f"{what}: {fault}")
        self.tally.check(answer_headers.get("X-Request-Id") is not None, f"{what}: no X-Request-Id")
        self.seen.setdefault(name, set()).add(status)
        return answer_headers, answer

    def faults(self, operation, method, status, headers, answer):
        responses = operation["responses"]
        response = responses.get(str(status)) or responses.get(f"{status // 100}XX") or responses.get("default")
        if response is None:
            return [f"status {status} is not documented"]
        response = contract.deref(self.document, response)
        lines = []
        for name, header in response.get("headers", {}).items():
            header = contract.deref(self.document, header)
            value = headers.get(name)
            if value is None:
                if header.get("required"):
                    lines.append(f"header {name} is missing")
                continue
            schema = header.get("schema", {})
            if contract.deref(self.document, schema).get("type") == "integer":
                value = int(value)
            lines += [f"header {name}: {fault}" for fault in contract.faults(self.document, schema, value)]
        content = response.get("content", {})
        if not content:
            return lines + ([f"a body that is not documented: {answer[:100]!r}"] if answer else [])
        kind = (headers.get("Content-Type") or "").split(";")[0].strip()
        if kind not in content:
            return lines + [f"content type {kind!r}, documented are {list(content)}"]
        if method == "HEAD":
            return lines + (["HEAD with a body"] if answer else [])
        schema = content[kind].get("schema")
        if kind.endswith("json"):
            try:
                value = json.loads(answer, parse_constant=lambda word: (_ for _ in ()).throw(ValueError(word)))
            except ValueError as error:
                return lines + [f"not JSON: {error}"]
            lines += contract.faults(self.document, schema, value)
            if kind == "application/problem+json" and value.get("status") != status:
                lines.append(f"the problem says status {value.get('status')}")
        elif schema is not None and kind.startswith("text/"):
            lines += contract.faults(self.document, schema, answer.decode())
        return lines


def successes(drive, names):
    """Each operation at least once as it is meant to be used."""
    call, tally = drive.call, drive.tally
    at = {name: scenario.fill(path, names) for name, (_, path, _, _) in drive.operations.items()}

    for name in ("getIndex", "getLive", "getReady", "getMetrics", "listAnalysisTypes", "listPotentials", "listSimulations",
                 "listAnalyses", "listJobs", "listTrajectories", "listStructures", "queryResults", "getPotential",
                 "getPotentialText", "getPotentialCurves", "getSimulation", "getSimulationThermo", "getAnalysis", "getJob",
                 "getTrajectory", "getTrajectoryData", "getStructure", "getStructureData", "listAttempts", "listWorkers",
                 "listTokens", "listAudit", "listFits", "getFit"):
        headers, _ = call(name, 200, at[name])
        call(name, 200, at[name], method="HEAD")
        if headers.get("ETag"):
            call(name, 304, at[name], headers={"If-None-Match": headers["ETag"]})
            call(name, 200, at[name], headers={"If-None-Match": '"another"'})

    _, served = call("getDocument", 200)
    with open(os.path.join(contract.ROOT, "openapi.yaml"), "rb") as file:
        tally.check(served == file.read(), "the served document is openapi.yaml, byte for byte")

    for name in ("listSimulations", "listAnalyses", "listJobs", "queryResults", "listAudit", "listFits"):
        path, seen = at[name] + "?limit=1", []
        while path and len(seen) < 50:
            headers, answer = call(name, 200, path)
            page = json.loads(answer)
            seen += [item["id"] for item in page["items"]]
            tally.check((page["next"] is not None) == ('rel="next"' in headers.get("Link", "")), f"{name}: Link and next agree")
            path = page["next"]
        everything = [item["id"] for item in json.loads(call(name, 200, at[name] + "?limit=1000")[1])["items"]]
        tally.check(seen == everything, f"{name}: pages of one are the whole list: {seen} against {everything}")

    answer = call("queryResults", 200, at["queryResults"] + "?quantity=diffusion_coefficient&species=all&temperature_min_k=1500"
                  f"&simulation={names['simulations']}&potential={names['potentials']}")[1]
    rows = json.loads(answer)["items"]
    tally.check(len(rows) == 1 and rows[0]["unit"] == "m2/s", "one diffusion coefficient of all atoms, in m2/s")
    for how, headers in (("?format=csv", {}), ("", {"Accept": "text/csv"})):
        _, table = call("queryResults", 200, at["queryResults"] + how, headers=headers)
        lines = table.decode().splitlines()
        tally.check(lines[0].startswith("id,quantity,value,standard_error,unit") and len(lines) > 1, "results as CSV")

    for query in ("?format=xyz", "?format=xyz&frames=0:4:2", "?frames=0:4:2", "?format=netcdf"):
        _, data = call("getTrajectoryData", 200, at["getTrajectoryData"] + query)
        start = b"500\n" if "xyz" in query else b"CDF"
        tally.check(data[: len(start)] == start or data[1:4] == b"HDF", f"frames{query}: {data[:20]!r}")

    _, events = call("getJobEvents", 200, at["getJobEvents"])
    data = [json.loads(line[5:]) for line in events.decode().splitlines() if line.startswith("data:")]
    tally.check(bool(data), "the events of a finished job come, and the stream ends")
    last = [line[3:].strip() for line in events.decode().splitlines() if line.startswith("id:")]
    tally.check(last == sorted(last, key=int) and bool(last), "events have rising ids")
    _, rest = call("getJobEvents", 200, at["getJobEvents"], headers={"Last-Event-ID": last[-2] if len(last) > 1 else "0"})
    tally.check(rest.count(b"\nid:") + rest.startswith(b"id:") <= len(last), "Last-Event-ID resumes")

    files_from_elsewhere(drive, names)

    text = scenario.fetch(at["getPotentialText"])[2]
    query = "?" + urllib.parse.urlencode({"name": "contract", "citation": "a citation", "licence": "CDDL-1.0"})
    call("uploadPotential", 201, at["uploadPotential"] + query, body=text, headers={"Content-Type": "text/plain"})
    call("uploadPotential", 200, at["uploadPotential"] + query, body=text, headers={"Content-Type": "text/plain"})

    body = json.dumps({"simulation": names["simulations"], "type": "diffusion", "stage": 1, "max_lag_ps": 0.1})
    _, answer = call("submitAnalysis", 202, body=body, headers=JSON)
    scenario.wait(json.loads(answer)["job"], ("succeeded",))
    call("submitAnalysis", 200, body=body, headers=JSON)

    call("submitFit", 200, body=json.dumps(scenario.FIT), headers=JSON)
    _, answer = call("submitFit", 202, body=json.dumps({**scenario.FIT, "resamples": 20}), headers=JSON)
    scenario.wait(json.loads(answer)["job"], ("succeeded",))
    rows = json.loads(call("queryResults", 200, f"/v1/results?type=arrhenius&of=diffusion_coefficient&fit={names['fits']}")[1])["items"]
    tally.check("activation_energy" in [row["quantity"] for row in rows], "the values of a fit are results")

    call("submitSimulation", 200, body=json.dumps(scenario.SPEC), headers=JSON)
    _, answer = call("submitSimulation", 202, body=json.dumps(scenario.LONG), headers={**JSON, "Idempotency-Key": "contract-1"})
    submitted = json.loads(answer)
    _, again = call("submitSimulation", 202, body=json.dumps(scenario.LONG), headers={**JSON, "Idempotency-Key": "contract-1"})
    tally.check(again == answer, "the same key gives the first answer again, byte for byte")
    job = submitted["job"]
    scenario.wait(job, ("running",))
    _, answer = call("changeJob", 200, f"/v1/jobs/{job}", body=b'{"priority": -3}', headers=JSON)
    tally.check(json.loads(answer)["priority"] == -3, "the priority is changed")
    call("retryJob", 409, f"/v1/jobs/{job}/retry", body=b"")
    headers, answer = call("cancelJob", 202, f"/v1/jobs/{job}/cancel", body=b"", headers={"Idempotency-Key": "contract-2"})
    tally.check(json.loads(answer)["cancel_effect"] == "pending", "a running job's cancel is pending")
    row = scenario.wait(job, ("cancelled",))
    tally.check(row["cancel_effect"] == "took_effect", "the cancel took effect")
    call("cancelJob", 409, f"/v1/jobs/{job}/cancel", body=b"")
    headers, again = call("cancelJob", 202, f"/v1/jobs/{job}/cancel", body=b"", headers={"Idempotency-Key": "contract-2"})
    tally.check(again == answer and headers.get("Idempotent-Replayed") == "true", "a cancel is replayed, byte for byte")
    call("cancelJob", 422, f"/v1/jobs/{job}/cancel", body=b"", headers={"Idempotency-Key": "contract-1"})
    call("changeJob", 409, f"/v1/jobs/{job}", body=b'{"priority": 1}', headers=JSON)
    thermo = f"/v1/simulations/{submitted['id']}/thermo"
    for _ in range(200):  # the files of a cancelled job are removed in the background
        if scenario.fetch(thermo)[0] == 404:
            break
        time.sleep(0.1)
    call("getSimulationThermo", 404, thermo)
    call("retryJob", 200, f"/v1/jobs/{job}/retry", body=b"")
    scenario.wait(job, ("running",))
    call("cancelJob", 202, f"/v1/jobs/{job}/cancel", body=b"")
    scenario.wait(job, ("cancelled",))


def files_from_elsewhere(drive, names):
    """Trajectories and structures that were not made here, and what is asked of them."""
    call, tally = drive.call, drive.tally
    octets = {"Content-Type": "application/octet-stream"}
    data = scenario.dump()
    said = "?name=walk&temperature_k=1234&timestep_fs=2&species=Cu,Zr"
    _, answer = call("uploadTrajectory", 202, "/v1/trajectories" + said, body=data, headers={**octets, "Idempotency-Key": "contract-3"})
    upload = json.loads(answer)
    _, again = call("uploadTrajectory", 202, "/v1/trajectories" + said, body=data, headers={**octets, "Idempotency-Key": "contract-3"})
    tally.check(again == answer, "an upload is replayed, byte for byte")
    call("uploadTrajectory", 422, "/v1/trajectories" + said, body=data[:-5], headers={**octets, "Idempotency-Key": "contract-3"})
    call("getTrajectory", 200, f"/v1/trajectories/{upload['id']}")
    asked = {"trajectory": upload["id"], "type": "diffusion"}
    _, answer = call("submitAnalysis", 202, body=json.dumps(asked), headers=JSON)
    scenario.wait(json.loads(answer)["job"], ("succeeded",))
    call("uploadTrajectory", 200, "/v1/trajectories" + said, body=data, headers=octets)
    row = json.loads(call("getTrajectory", 200, f"/v1/trajectories/{upload['id']}")[1])
    tally.check(row["frames"] == 40 and row["details"]["format"] == "lammps-dump", f"the file was read: {row}")
    call("listTrajectories", 200, "/v1/trajectories?limit=1")
    call("listAnalyses", 200, f"/v1/analyses?trajectory={upload['id']}")
    call("getAnalysis", 200, f"/v1/analyses/{json.loads(answer)['id']}")
    rows = json.loads(call("queryResults", 200, f"/v1/results?trajectory={upload['id']}&quantity=diffusion_coefficient&max_lag_ps=auto")[1])["items"]
    tally.check(len(rows) == 3 and all(r["simulation"] is None and r["temperature_k"] == 1234 for r in rows), "its results are found like others")
    call("getTrajectoryData", 200, f"/v1/trajectories/{upload['id']}/data?format=xyz&frames=0:2")
    call("submitAnalysis", 422, body=json.dumps({**asked, "type": "thermodynamics"}), headers=JSON)

    _, answer = call("uploadTrajectory", 202, "/v1/trajectories?species=Cu,Zr", body=gzip.compress(data), headers=octets)
    bad = json.loads(answer)
    while json.loads(call("getJob", 200, f"/v1/jobs/{bad['job']}")[1])["state"] not in ("failed", "succeeded"):
        time.sleep(0.2)
    row = json.loads(call("getTrajectory", 200, f"/v1/trajectories/{bad['id']}")[1])
    tally.check(row["state"] == "failed" and "timestep_fs" in (row["error"] or ""), f"a file without times is refused: {row}")
    call("getTrajectoryData", 404, f"/v1/trajectories/{bad['id']}/data")
    call("uploadTrajectory", 422, "/v1/trajectories", body=b"", headers=octets)
    call("uploadTrajectory", 400, "/v1/trajectories?species=Xx", body=data, headers=octets)

    xyz = scenario.fetch(scenario.fill("/v1/structures/{id}/data", names))[2]
    headers, answer = call("uploadStructure", 201, "/v1/structures?name=start", body=xyz, headers=octets)
    structure = json.loads(answer)
    call("uploadStructure", 200, "/v1/structures?name=again", body=xyz, headers=octets)
    call("getStructure", 200, f"/v1/structures/{structure['id']}")
    call("getStructureData", 200, f"/v1/structures/{structure['id']}/data")
    call("uploadStructure", 422, "/v1/structures", body=b"no structure\n", headers=octets)
    spec = {"potential": names["potentials"], "initial": {"type": "structure", "structure": structure["id"], "velocities": "keep"}, "timestep_fs": 2,
            "stages": [{"type": "hold", "ensemble": "nve", "duration_ps": 0.02}]}
    _, answer = call("submitSimulation", 202, body=json.dumps(spec), headers=JSON)
    scenario.wait(json.loads(answer)["job"], ("succeeded",))
    call("getSimulation", 200, f"/v1/simulations/{json.loads(answer)['id']}")

    # A parameter that another analysis of the same simulation measures.
    body = {"simulation": names["simulations"], "type": "structure_factor", "stage": 1}
    call("submitAnalysis", 202, body=json.dumps(body), headers=JSON)
    body = {"simulation": names["simulations"], "type": "relaxation", "stage": 1, "q_inv_a": "structure_factor"}
    _, answer = call("submitAnalysis", 202, body=json.dumps(body), headers=JSON)
    scenario.wait(json.loads(answer)["job"], ("succeeded",))
    call("getAnalysis", 200, f"/v1/analyses/{json.loads(answer)['id']}")
    rows = json.loads(call("queryResults", 200, "/v1/results?q_inv_a=structure_factor&type=relaxation")[1])["items"]
    tally.check(bool(rows) and all(r["inputs"]["q_inv_a"]["type"] == "structure_factor" for r in rows), "what was taken from another analysis is told")


def failures(drive):
    """Each operation at least once as it is not."""
    call = drive.call
    for name, (method, path, operation, parameters) in drive.operations.items():
        expected = contract.deref(drive.document, operation.get("requestBody") or {})
        content = expected.get("content", {})
        takes_json = "application/json" in content
        if contract.path_names(path):
            body = json.dumps(content["application/json"]["example"]) if takes_json else b"" if method == "POST" else None
            for text in (str(UNKNOWN), "no-such-thing", "0"):
                call(name, 404, path.replace("{" + contract.path_names(path)[0] + "}", text), body=body, headers=JSON if takes_json else None)
        if "400" in operation["responses"]:
            target = path
            for text in contract.path_names(path):
                target = target.replace("{" + text + "}", str(UNKNOWN))
            if not contract.path_names(path):
                call(name, 400, target + "?no_such_parameter=1", body=b"{}" if method == "POST" else None,
                     headers=JSON if method == "POST" else None)
        for parameter in parameters:
            if parameter["in"] == "query" and parameter["name"] in ("limit", "cursor", "state", "format", "temperature_min_k"):
                if not contract.path_names(path):
                    call(name, 400, f"{path}?{parameter['name']}=%21")
        if takes_json:
            target = path.replace("{id}", "1")
            call(name, 400, target, body=b"{", headers=JSON)
            if expected["required"]:
                call(name, 400, target, body=b"", headers=JSON)
                call(name, 422, target, body=b"{}", headers=JSON)
                call(name, 415, target, body=b"{}", headers={"Content-Type": "text/plain"})
            else:  # there is nothing to say
                call(name, 422, target, body=b'{"said": 1}', headers=JSON)
            call(name, 413, target, body=b" " * (2 << 20), headers=JSON)
    call("uploadPotential", 422, "/v1/potentials?name=broken", body=b"not a setfl file\n", headers={"Content-Type": "text/plain"})
    # The name of a simulation's potential is in the body, so an unknown one is a fault of the body.
    call("submitSimulation", 422, body=json.dumps({**scenario.SPEC, "potential": "no-such-potential"}), headers=JSON)
    call("submitAnalysis", 422, body=json.dumps({"simulation": UNKNOWN, "type": "diffusion"}), headers=JSON)
    call("submitSimulation", 422, body=json.dumps({**scenario.LONG, "seed": 9}), headers={**JSON, "Idempotency-Key": "contract-1"})


def retention(drive, names):
    """What is listed is what goes, and its data is gone."""

    def retain(**body):
        return json.loads(drive.call("applyRetention", 200, body=json.dumps({"older_than_days": 0, **body}), headers=JSON)[1])

    kinds = ["trajectory", "thermo", "snapshot", "folder"]
    listed = retain(kinds=kinds)
    drive.tally.check(listed["dry_run"] and listed["count"] >= 3 and listed["bytes"] > 0, f"a dry run lists what would go: {listed}")
    removed = retain(kinds=kinds, dry_run=False)
    drive.tally.check(removed["items"] == listed["items"], "what was listed went")
    drive.tally.check(retain(kinds=kinds)["count"] == 0, "nothing is left to go")
    for name in ("getTrajectoryData", "getStructureData", "getSimulationThermo"):
        drive.call(name, 410, scenario.fill(drive.operations[name][1], names))
    row = json.loads(drive.call("getTrajectory", 200, scenario.fill("/v1/trajectories/{id}", names))[1])
    drive.tally.check(row["removed_at"] is not None, "its row tells when it went")
    body = json.dumps({"simulation": names["simulations"], "type": "diffusion", "stage": 1, "max_lag_ps": 0.15})
    drive.call("submitAnalysis", 409, body=body, headers=JSON)
    retain(kinds=["history"], dry_run=False)
    drive.call("getJobEvents", 204, scenario.fill("/v1/jobs/{id}/events", names))


def tokens(drive):
    """With a token in the database the server lets nobody in without one, and nobody do more than his scope says."""

    def create(name, scope, **headers):
        answer = drive.call("createToken", 201, body=json.dumps({"name": name, "scope": scope}), headers={**JSON, **headers})[1]
        return json.loads(answer)["token"], json.loads(answer)["id"]

    drive.call("createToken", 409, body=json.dumps({"name": "contract-reader", "scope": "read"}), headers=JSON)
    admin, admin_id = create("contract-admin", "admin")
    as_admin = {"Authorization": "Bearer " + admin}
    reader, reader_id = create("contract-reader", "read", **as_admin)
    text = subprocess.run([os.environ["QUENCHD_BIN"], "token", "create", "--name", "contract-cli", "--scope", "submit"],
                          capture_output=True, text=True, timeout=30, check=True).stdout
    drive.call("listJobs", 200, headers={"Authorization": "Bearer " + text.strip()})
    # The server remembers for a few seconds that there was no token.
    deadline = time.monotonic() + 10
    while scenario.fetch("/v1/jobs")[0] != 401 and time.monotonic() < deadline:
        time.sleep(0.2)
    for name, (method, path, operation, _) in drive.operations.items():
        target = path
        for text in contract.path_names(path):
            target = target.replace("{" + text + "}", "1")
        body = b"{}" if method in ("POST", "PATCH") else None
        if "401" in operation["responses"]:
            drive.call(name, 401, target, body=body, headers=JSON if body else None)
            if name in ("listJobs", "submitSimulation"):  # each wrong token is answered more slowly than the one before
                drive.call(name, 401, target, body=body, headers={**JSON, "Authorization": "Bearer qn_wrong"})
        if "403" in operation["responses"]:
            drive.call(name, 403, target, body=body, headers={**JSON, "Authorization": "Bearer " + reader})
    drive.call("listJobs", 200, headers={"Authorization": "Bearer " + reader})
    drive.call("revokeToken", 409, f"/v1/tokens/{admin_id}", headers=as_admin)
    drive.call("revokeToken", 200, f"/v1/tokens/{reader_id}", headers=as_admin)
    drive.call("listJobs", 401, headers={"Authorization": "Bearer " + reader})
    notes = json.loads(drive.call("listAudit", 200, "/v1/audit?resource=token", headers=as_admin)[1])["items"]
    drive.tally.check([n["action"] for n in notes if n["outcome"] == "done"] == ["revoke", "create", "create", "create"], f"the audit tells it: {notes}")


def main():
    drive = Driver()
    names = scenario.prepare()
    successes(drive, names)
    failures(drive)
    bounds.check(drive.document, drive.tally)
    retention(drive, names)
    tokens(drive)
    for name, (_, _, operation, _) in drive.operations.items():
        seen = drive.seen.get(name, set())
        drive.tally.check(any(s < 300 for s in seen), f"{name} was never driven to success")
        documented = {s for s in operation["responses"] if s.startswith("4")}
        missed = sorted(documented - {str(s) for s in seen})
        drive.tally.check(not documented or any(400 <= s < 500 for s in seen), f"{name} was never driven to a failure")
        if missed:
            print(f"note: {name} was not driven to {', '.join(missed)}")
    return drive.tally.report()


if __name__ == "__main__":
    sys.exit(main())
