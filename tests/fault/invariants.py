"""What holds after any schedule. Each check gives sentences about what does not."""

import hashlib
import pathlib

from workload import ENDINGS

# Everything that was computed, under names that do not depend on when, where or by which attempt.
OUTCOME = """
SELECT format('simulation %s: atoms %s, composition %s, engine %s', name, atoms, composition, engine_version) FROM simulations
UNION ALL SELECT format('result %s of %s %s: %s %s %s %s = %s +- %s (%s; %s K, %s to %s ps, %s samples, %s atoms, %s)',
                        r.ordinal, s.name, a.type, r.quantity, r.species, r.region, r.unit, r.value, r.standard_error, r.status,
                        r.temperature_k, r.window_start_ps, r.window_end_ps, r.samples, r.atoms, r.composition)
  FROM results r JOIN analyses a ON a.id = r.analysis_id JOIN simulations s ON s.id = r.simulation_id
UNION ALL SELECT format('curve %s of %s %s: %s %s %s %s sha256 %s', c.ordinal, s.name, a.type, c.name, c.species, c.region, c.columns,
                        encode(sha256(convert_to(c.data::text, 'UTF8')), 'hex'))
  FROM curves c JOIN analyses a ON a.id = c.analysis_id JOIN simulations s ON s.id = a.simulation_id
UNION ALL SELECT format('job %s of %s: %s %s', coalesce(a.type, j.kind::text), s.name, j.state,
                        regexp_replace(j.error, '^it needed job [0-9]+', 'it needed job N'))
  FROM jobs j LEFT JOIN analyses a ON a.job_id = j.id JOIN simulations s ON s.id = a.simulation_id OR s.job_id = j.id
"""

FILES = """
SELECT format('artifact of %s: %s of stage %s at %s K, %s frames every %s ps, %s bytes',
              s.name, a.kind, a.stage, a.temperature_k, a.frames, a.interval_ps, a.size), a.path, s.sha256
  FROM artifacts a JOIN simulations s ON s.id = a.simulation_id
"""

# (what is wrong with a row that this finds, its query)
ROWS = [
    ("a job is not final", "SELECT id, kind, state, attempt, progress, worker, lease_expires_at - now(), run_after - now()"
     " FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled')"),
    ("a job has not exactly one succeeded attempt, or one too many",
     "SELECT j.id, j.kind, j.state, string_agg(coalesce(a.outcome, 'running'), ' ' ORDER BY a.attempt) FROM jobs j"
     " LEFT JOIN job_attempts a ON a.job_id = j.id GROUP BY j.id"
     " HAVING count(*) FILTER (WHERE a.outcome = 'succeeded') <> (j.state = 'succeeded')::int"),
    ("an attempt is running still", "SELECT job_id, attempt, worker, started_at FROM job_attempts WHERE outcome IS NULL"),
    ("a job was told to have ended other than once",
     "SELECT j.id, j.kind, j.state, string_agg(e.data->>'state', ' ' ORDER BY e.id) FROM jobs j JOIN job_events e ON e.job_id = j.id"
     " AND e.kind = 'state' GROUP BY j.id"
     " HAVING count(*) FILTER (WHERE e.data->>'state' IN ('succeeded', 'failed', 'cancelled')) <> 1"),
    ("a result exists twice", "SELECT analysis_id, ordinal, count(*) FROM results GROUP BY 1, 2 HAVING count(*) > 1"),
    ("a simulation has an artifact twice",
     "SELECT simulation_id, kind, stage, temperature_k, array_agg(path) FROM artifacts GROUP BY 1, 2, 3, 4 HAVING count(*) > 1"),
    ("a job belongs to nothing", "SELECT j.id, j.kind FROM jobs j WHERE NOT EXISTS (SELECT 1 FROM simulations WHERE job_id = j.id)"
     " AND NOT EXISTS (SELECT 1 FROM analyses WHERE job_id = j.id)"),
]


def outcome(cluster, database, data):
    lines = [line for line, in cluster.rows(database, OUTCOME)]
    # A spec names its parent by the id that the parent happened to get, and files carry the hash of their spec: that alone may differ.
    lines += [f"{line}, sha256 {_sha256(pathlib.Path(data) / path, spec)}" for line, path, spec in cluster.rows(database, FILES)]
    return sorted(lines)


def _sha256(path, without=None):
    """Of a file; `without` a word that it holds. "" when it is not there."""
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError:
        return ""
    return hashlib.sha256(content.replace(without.encode(), b"") if without else content).hexdigest()


def of_promises(cluster, database, answers):
    """Every id that a client was given exists, once, under the name that it was given for, and ended as it should."""
    rows = {job: (resource, name, state) for job, resource, name, state in cluster.rows(
        database, "SELECT j.id, coalesce(a.id, s.id), s.name, j.state FROM jobs j LEFT JOIN analyses a ON a.job_id = j.id"
        " JOIN simulations s ON s.id = a.simulation_id OR s.job_id = j.id")}
    for key, (_, body, answer) in answers.items():
        resource, name, state = rows.get(answer["job"], (None, None, None))
        if resource != answer["id"] or name != body.get("name", name):
            yield f"'{key}' was accepted as {answer['id']}, job {answer['job']}, which is now {resource} ({name})"
        elif state != ENDINGS[name]:
            yield f"job {answer['job']} ('{key}' of {name}) is {state} and should be {ENDINGS[name]}"


def of_rows(cluster, database):
    for fault, query in ROWS:
        for row in cluster.rows(database, query):
            yield f"{fault}: {row}"


def of_attempts(cluster, database):
    """No attempt was lost: whoever ran a job lived, and kept it or handed it back."""
    for job, attempts in cluster.rows(database, "SELECT job_id, string_agg(coalesce(outcome, 'running'), ' ' ORDER BY attempt)"
                                      " FROM job_attempts GROUP BY job_id HAVING bool_or(outcome = 'lost') ORDER BY job_id"):
        yield f"job {job} was lost though its worker lived: {attempts}"


def of_outcome(cluster, database, data, undisturbed):
    found = outcome(cluster, database, data)
    for line in sorted(set(undisturbed) - set(found)):
        yield f"missing, or other than undisturbed: {line}"
    for line in sorted(set(found) - set(undisturbed)):
        yield f"not in the undisturbed run: {line}"
    if len(found) != len(set(found)):
        yield f"twice: {sorted(line for line in set(found) if found.count(line) > 1)}"


def of_files(cluster, database, data):
    """The data folder holds what the rows say, byte for byte, and nothing more; of failed simulations what a retry needs may stay."""
    data = pathlib.Path(data)
    listed = set()
    for path, size, sha256 in cluster.rows(database, "SELECT path, size, sha256 FROM artifacts"):
        listed.add(path)
        file = data / path
        if not file.is_file():
            yield f"{path} is in the database and not on disk"
        elif (file.stat().st_size, _sha256(file)) != (size, sha256):
            yield f"{path} is other than its row says"
    states = {str(number): state for number, state in cluster.rows(
        database, "SELECT s.id, j.state FROM simulations s JOIN jobs j ON j.id = s.job_id")}
    strays = {}
    for file in sorted((data / "simulations").rglob("*")):
        name = str(file.relative_to(data))
        _, simulation, *rest = name.split("/")
        if file.is_file() and name not in listed and states.get(simulation) != "failed":
            strays.setdefault(simulation, []).append("/".join(rest))
    for simulation, names in strays.items():
        yield f"files of simulation {simulation}, which is {states.get(simulation)}, belong to nothing: {', '.join(names)}"
