-- Operations: a queue that users share, retention, answers that are kept, a fuller audit, counts that cost nothing to read.

-- ---- The order of the queue ----
-- A priority from 0 to 10 orders the jobs of one user among themselves; a negative one lets everybody else go first, and one above 10, which needs
-- an administrator, goes before all. Within a class the user with the fewest running jobs is next, and of those who have equally few the one whose
-- name follows, in a circle, that of the last claim. So nobody's jobs wait for all of somebody else's.

-- Names are compared byte by byte: an index probe is several times cheaper so than by the rules of a language.
ALTER TABLE jobs ALTER COLUMN submitted_by TYPE text COLLATE "C";
ALTER TABLE jobs ADD CHECK (priority BETWEEN -1000 AND 1000);

CREATE INDEX jobs_shared ON jobs (submitted_by, priority DESC, id) WHERE state = 'queued';
CREATE INDEX jobs_claimed ON jobs (claimed_at DESC) WHERE claimed_at IS NOT NULL;
CREATE INDEX jobs_ready ON jobs (run_after) WHERE state = 'queued';
DROP INDEX jobs_queued, jobs_running;
CREATE INDEX jobs_running ON jobs (submitted_by) WHERE state = 'running';

CREATE FUNCTION job_class(priority integer) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN priority BETWEEN 0 AND 10 THEN 0 ELSE priority END
$$;

-- The first ready job of each user, and how many of his run (not counted while he is alone). One index probe a user: the next name's first entry.
CREATE FUNCTION job_heads() RETURNS TABLE (name text, id bigint, class integer, running bigint) LANGUAGE sql STABLE ROWS 50 AS $$
  WITH RECURSIVE users (name, id, priority, run_after) AS (
    (SELECT submitted_by, id, priority, run_after FROM jobs WHERE state = 'queued' ORDER BY submitted_by, priority DESC, id LIMIT 1)
    UNION ALL
    SELECT n.* FROM users u CROSS JOIN LATERAL
      (SELECT j.submitted_by, j.id, j.priority, j.run_after FROM jobs j WHERE j.state = 'queued' AND j.submitted_by > u.name
       ORDER BY j.submitted_by, j.priority DESC, j.id LIMIT 1) n),
  heads AS (
    SELECT u.name, u.id, u.priority FROM users u WHERE u.run_after <= now()
    UNION ALL
    SELECT u.name, h.id, h.priority FROM users u CROSS JOIN LATERAL
      (SELECT j.id, j.priority FROM jobs j WHERE j.state = 'queued' AND j.submitted_by = u.name AND j.run_after <= now()
       ORDER BY j.priority DESC, j.id LIMIT 1) h
      WHERE u.run_after > now()),
  busy AS MATERIALIZED (SELECT submitted_by, count(*) AS jobs FROM jobs WHERE state = 'running' AND (SELECT count(*) FROM users) > 1
    GROUP BY submitted_by)
  SELECT h.name, h.id, job_class(h.priority), coalesce(b.jobs, 0) FROM heads h LEFT JOIN busy b ON b.submitted_by = h.name
$$;

CREATE FUNCTION job_last_user() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT submitted_by FROM jobs WHERE claimed_at IS NOT NULL ORDER BY claimed_at DESC LIMIT 1), '')
$$;

-- The job to run next, locked; NULL when none is ready. Of several claims at once each takes another user's first job while there is one, and then
-- whatever nobody else holds.
CREATE FUNCTION next_job() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  last text := job_last_user();
  head record;
  passed text[] := '{}';
  one text;
  found_id bigint;
BEGIN
  FOR head IN SELECT h.name, h.id FROM job_heads() h ORDER BY h.class DESC, h.running, h.name <= last, h.name LOOP
    PERFORM 1 FROM jobs WHERE id = head.id AND state = 'queued' AND run_after <= now() FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND THEN
      RETURN head.id;
    END IF;
    passed := passed || head.name;
  END LOOP;
  FOREACH one IN ARRAY passed LOOP
    SELECT id INTO found_id FROM jobs WHERE state = 'queued' AND submitted_by = one AND run_after <= now()
      ORDER BY priority DESC, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
    IF FOUND THEN
      RETURN found_id;
    END IF;
  END LOOP;
  RETURN NULL;
END $$;

-- How many ready jobs the order above puts before `job`, itself queued and ready; counting stops at `most`. Of another user v those go first that
-- are of a higher class, and in the same class as many as bring v up to as many running jobs as the owner will have when his turn comes.
CREATE FUNCTION jobs_ahead(job jobs, most bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  last text := job_last_user();
  own bigint;
  total bigint;
  mine bigint;
  turn bigint;
  above bigint;
  level bigint;
  v record;
BEGIN
  SELECT count(*) INTO own FROM (SELECT 1 FROM jobs WHERE state = 'queued' AND submitted_by = job.submitted_by AND run_after <= now()
    AND (priority > job.priority OR priority = job.priority AND id < job.id) LIMIT most) q;
  SELECT count(*) INTO mine FROM jobs WHERE state = 'running' AND submitted_by = job.submitted_by;
  total := own;
  turn := mine + own;
  FOR v IN SELECT h.name, h.class, h.running FROM job_heads() h WHERE h.name <> job.submitted_by AND h.class >= job_class(job.priority) LOOP
    EXIT WHEN total >= most;
    SELECT count(*) INTO above FROM (SELECT 1 FROM jobs WHERE state = 'queued' AND submitted_by = v.name AND run_after <= now()
      AND job_class(priority) > job_class(job.priority) LIMIT most) q;
    level := turn - v.running;
    IF v.running > mine OR v.running = mine AND (v.name <= last, v.name) < (job.submitted_by <= last, job.submitted_by) THEN
      level := level + 1;
    END IF;
    IF level > above THEN
      SELECT count(*) INTO above FROM (SELECT 1 FROM jobs WHERE state = 'queued' AND submitted_by = v.name AND run_after <= now()
        AND job_class(priority) >= job_class(job.priority) LIMIT least(level, most)) q;
    END IF;
    total := total + above;
  END LOOP;
  RETURN least(total, most);
END $$;

-- Why no worker takes a job, whichever; '' when there is one that can.
CREATE FUNCTION workers_trouble() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN count(*) = 0 THEN 'no worker is alive' WHEN bool_or(trouble = '') THEN ''
              ELSE format('no worker can take it: %s', min(format('%s: %s', name, trouble))) END
  FROM workers WHERE seen_at > now() - interval '15 s'
$$;

-- Why a job waits, in a sentence; '' when it does not. The count of those ahead stops at 1000. `trouble` is that of the workers.
DROP FUNCTION job_waiting(jobs, boolean);
CREATE FUNCTION job_waiting(job jobs, trouble text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  parent record;
  ahead bigint;
  seconds double precision;
BEGIN
  IF job.state = 'blocked' THEN
    SELECT p.id, p.kind, p.state INTO parent FROM job_dependencies d JOIN jobs p ON p.id = d.parent_id
      WHERE d.job_id = job.id AND p.state <> 'succeeded' ORDER BY p.id LIMIT 1;
    RETURN format('waits for job %s (%s), which is %s', parent.id, parent.kind, parent.state);
  ELSIF job.state = 'running' THEN
    -- A heartbeat comes several times within a lease: half of one without any is a silence.
    seconds := ceil(extract(epoch FROM now() - job.heartbeat_at));
    IF now() < job.heartbeat_at + (job.lease_expires_at - job.heartbeat_at) / 2 THEN
      RETURN '';
    ELSIF now() < job.lease_expires_at THEN
      RETURN format('its worker %s has been silent for %s s; in %s s the job is given to another', job.worker, seconds,
                    ceil(extract(epoch FROM job.lease_expires_at - now())));
    END IF;
    RETURN format('its worker %s fell silent %s s ago; the job is queued again as soon as a live worker or server notices', job.worker, seconds);
  ELSIF job.state <> 'queued' THEN
    RETURN '';
  ELSIF job.run_after > now() THEN
    RETURN format('tries again in %s s: %s', ceil(extract(epoch FROM job.run_after - now())),
                  CASE WHEN job.hold_reason <> '' THEN job.hold_reason ELSE format('attempt %s was lost', job.attempt) END);
  ELSIF trouble <> '' THEN
    RETURN trouble;
  END IF;
  ahead := jobs_ahead(job, 1000);
  RETURN CASE ahead WHEN 0 THEN 'next in line for a free worker' WHEN 1 THEN 'one job is ahead of it'
                    WHEN 1000 THEN '1000 jobs or more are ahead of it' ELSE format('%s jobs are ahead of it', ahead) END;
END $$;

-- ---- Requests that are safe to repeat: the first answer is kept, and given again byte for byte ----
-- Of keys from before only the resource was kept: they end here. The work itself is still known by its hash.
DROP TABLE idempotency_keys;
CREATE TABLE idempotency_keys (
  principal text NOT NULL,
  key text NOT NULL CHECK (key <> ''),
  request_sha256 text NOT NULL,                                  -- of method, path, query and body
  status integer NOT NULL,
  content_type text NOT NULL,
  location text NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- ---- Audit: by which request, and how it ended ----
ALTER TABLE audit
  ADD COLUMN request_id text NOT NULL DEFAULT '',
  ADD COLUMN outcome text NOT NULL DEFAULT 'done' CHECK (outcome IN ('done', 'refused'));
CREATE INDEX audit_principal ON audit (principal, id);
CREATE INDEX audit_resource ON audit (resource, resource_id, id);

ALTER TABLE tokens ADD COLUMN created_by text NOT NULL DEFAULT '';

-- ---- Retention ----
ALTER TABLE artifacts ADD COLUMN removed_at timestamptz, ADD COLUMN removed_by text NOT NULL DEFAULT '';
CREATE INDEX artifacts_kept ON artifacts (kind, simulation_id) WHERE removed_at IS NULL;
ALTER TABLE simulations ADD COLUMN swept_attempt integer NOT NULL DEFAULT 0;   -- folders of attempts up to this one were given up
ALTER TABLE jobs ADD COLUMN history_kept boolean NOT NULL DEFAULT true;        -- its events and attempts
CREATE INDEX jobs_history ON jobs (finished_at, id) WHERE finished_at IS NOT NULL AND history_kept;
CREATE INDEX simulations_parent ON simulations (parent_id) WHERE parent_id IS NOT NULL;

-- What is still to be unlinked. With `attempt` the path is the folder of a simulation, whose attempts up to this one go unless it was retried.
CREATE TABLE removals (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  path text NOT NULL,                                            -- relative to the data directory
  job_id bigint NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  attempt integer,
  requested_at timestamptz NOT NULL DEFAULT now(),
  requested_by text NOT NULL,
  due_at timestamptz NOT NULL DEFAULT now(),
  tries integer NOT NULL DEFAULT 0,
  error text NOT NULL DEFAULT ''
);
CREATE INDEX removals_due ON removals (due_at);

-- The unfinished job that needs an artifact, NULL without one: an analysis of a trajectory's stage, a simulation that starts from a snapshot.
CREATE FUNCTION artifact_needed_by(a artifacts) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT CASE a.kind
    WHEN 'trajectory' THEN (SELECT min(j.id) FROM analyses n JOIN jobs j ON j.id = n.job_id
      WHERE n.simulation_id = a.simulation_id AND coalesce((n.spec ->> 'stage')::integer, a.stage) = a.stage
        AND j.state IN ('blocked', 'queued', 'running'))
    WHEN 'snapshot' THEN (SELECT min(j.id) FROM simulations c JOIN jobs j ON j.id = c.job_id
      WHERE c.parent_id = a.simulation_id AND coalesce((c.spec -> 'initial' ->> 'stage')::integer, a.stage) = a.stage
        AND j.state IN ('blocked', 'queued', 'running'))
  END
$$;

-- ---- Counts ----
-- The sum by name is the count. Every change adds a row, so that no two transactions wait for each other; now and then they are added up.
CREATE TABLE tallies (name text NOT NULL, n bigint NOT NULL);
INSERT INTO tallies SELECT state::text, count(*) FROM jobs GROUP BY state;
INSERT INTO tallies SELECT 'lost', count(*) FROM job_attempts WHERE outcome = 'lost';
INSERT INTO tallies SELECT 'results', count(*) FROM results;

CREATE FUNCTION tally_jobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO tallies VALUES (OLD.state::text, -1);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO tallies VALUES (NEW.state::text, 1);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_tallied AFTER INSERT OR DELETE ON jobs FOR EACH ROW EXECUTE FUNCTION tally_jobs();
CREATE TRIGGER jobs_tallied_anew AFTER UPDATE OF state ON jobs FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION tally_jobs();

CREATE FUNCTION tally_losses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tallies VALUES ('lost', 1);
  RETURN NULL;
END $$;
CREATE TRIGGER losses_tallied AFTER UPDATE OF outcome ON job_attempts FOR EACH ROW
  WHEN (NEW.outcome = 'lost' AND OLD.outcome IS NULL) EXECUTE FUNCTION tally_losses();

CREATE FUNCTION tally_results() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tallies SELECT 'results', CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END * count(*) FROM changed;
  RETURN NULL;
END $$;
CREATE TRIGGER results_tallied AFTER INSERT ON results REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tally_results();
CREATE TRIGGER results_tallied_less AFTER DELETE ON results REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION tally_results();
