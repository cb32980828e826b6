-- Laws fitted to results, files that came from outside, and where every number comes from.

-- Not used before this migration is committed: PostgreSQL does not allow it.
ALTER TYPE job_kind ADD VALUE 'fit';
ALTER TYPE job_kind ADD VALUE 'import';

-- A file that came from outside; its number is that of the artifact which is made of it.
CREATE TABLE uploads (
  id bigint PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('trajectory', 'snapshot')),
  job_id bigint UNIQUE REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED,  -- the import of a trajectory; a structure is there at once
  name text NOT NULL DEFAULT '',
  sha256 text NOT NULL UNIQUE CHECK (sha256 ~ '^[0-9a-f]{64}$'),            -- of what was uploaded and how it is to be read
  spec jsonb NOT NULL,
  spec_text text NOT NULL,
  atoms bigint CHECK (atoms > 0),
  composition text NOT NULL DEFAULT '',
  details json,                                                             -- what the file holds, once it was read
  engine_version text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((kind = 'trajectory') = (job_id IS NOT NULL))
);

ALTER TABLE artifacts
  ALTER simulation_id DROP NOT NULL,
  ADD upload_id bigint UNIQUE REFERENCES uploads (id) CHECK (upload_id = id),
  ADD sampling integer CHECK (sampling >= 0),                               -- which of its stage's streams of frames; NULL: the only one
  ADD CHECK (num_nonnulls(simulation_id, upload_id) = 1);

ALTER TABLE simulations ADD structure_id bigint REFERENCES artifacts (id);  -- what it starts from, when that is a structure
CREATE INDEX simulations_structure ON simulations (structure_id) WHERE structure_id IS NOT NULL;

-- A snapshot may be the structure that a simulation starts from, too.
CREATE OR REPLACE FUNCTION artifact_needed_by(a artifacts) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT CASE a.kind
    WHEN 'trajectory' THEN (SELECT min(j.id) FROM analyses n JOIN jobs j ON j.id = n.job_id
      WHERE n.simulation_id = a.simulation_id AND coalesce((n.spec ->> 'stage')::integer, a.stage) = a.stage
        AND j.state IN ('blocked', 'queued', 'running'))
    WHEN 'snapshot' THEN (SELECT min(j.id) FROM simulations c JOIN jobs j ON j.id = c.job_id
      WHERE (c.parent_id = a.simulation_id AND coalesce((c.spec -> 'initial' ->> 'stage')::integer, a.stage) = a.stage OR c.structure_id = a.id)
        AND j.state IN ('blocked', 'queued', 'running'))
  END
$$;

-- The file of an import that came to nothing is kept for a day, for a retry. Whoever posts it again meanwhile takes this back.
CREATE FUNCTION give_up_upload() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO removals (path, job_id, attempt, requested_by, due_at)
    SELECT 'imports/' || u.id, NEW.id, NEW.attempt, NEW.submitted_by, now() + interval '1 day' FROM uploads u WHERE u.job_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER uploads_given_up AFTER UPDATE OF state ON jobs FOR EACH ROW
  WHEN (NEW.kind::text = 'import' AND NEW.state IN ('failed', 'cancelled') AND OLD.state <> NEW.state) EXECUTE FUNCTION give_up_upload();

ALTER TABLE analyses
  ALTER simulation_id DROP NOT NULL,
  ADD trajectory_id bigint REFERENCES uploads (id),                         -- of a trajectory made elsewhere
  ADD CHECK (num_nonnulls(simulation_id, trajectory_id) = 1),
  ADD UNIQUE (trajectory_id, sha256);

CREATE TABLE fits (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id bigint NOT NULL UNIQUE REFERENCES jobs (id) DEFERRABLE INITIALLY DEFERRED,
  name text NOT NULL DEFAULT '',
  law text NOT NULL,
  sha256 text NOT NULL UNIQUE CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  spec jsonb NOT NULL,
  spec_text text NOT NULL,
  outcome text NOT NULL DEFAULT '',                                         -- '' until it ran
  result json,
  engine_version text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((outcome = '') = (result IS NULL))
);
CREATE INDEX fits_law ON fits (law, id);

-- A number is of an analysis or of a fit. What it means is told by the type (diffusion, arrhenius, ...) and its parameters as they were used;
-- inputs tell for which of these another analysis gave the value.
ALTER TABLE results
  ALTER analysis_id DROP NOT NULL,
  ALTER simulation_id DROP NOT NULL,
  ALTER potential_id DROP NOT NULL,
  ALTER atoms DROP NOT NULL,
  ADD trajectory_id bigint REFERENCES uploads (id),
  ADD fit_id bigint REFERENCES fits (id),
  ADD type text,
  ADD parameters jsonb NOT NULL DEFAULT '{}',
  ADD inputs jsonb NOT NULL DEFAULT '{}',
  ADD CHECK (num_nonnulls(analysis_id, fit_id) = 1),
  ADD CHECK (num_nonnulls(simulation_id, trajectory_id, fit_id) = 1),
  ADD UNIQUE (fit_id, ordinal);
UPDATE results r SET type = a.type, parameters = a.spec - 'type' FROM analyses a WHERE a.id = r.analysis_id;
-- Methods were numbers once.
UPDATE results SET parameters = parameters || jsonb_build_object('method', (ARRAY['a', 'b', 'c'])[(parameters->>'method')::integer])
 WHERE jsonb_typeof(parameters->'method') = 'number';
ALTER TABLE results ALTER type SET NOT NULL;
CREATE INDEX results_type ON results (type, id);
CREATE INDEX results_trajectory ON results (trajectory_id, id) WHERE trajectory_id IS NOT NULL;
