-- Files that waiting work reads are held back whatever their kind, and what is to be removed is removed in the end.

-- The kind of files that an analysis reads.
CREATE FUNCTION analysis_reads(type text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE type WHEN 'thermodynamics' THEN 'thermo' ELSE 'trajectory' END
$$;

-- The first job that needs an artifact. The thermo series is one for all stages.
CREATE OR REPLACE FUNCTION artifact_needed_by(a artifacts) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN a.kind IN ('trajectory', 'thermo') THEN (SELECT min(j.id) FROM analyses n JOIN jobs j ON j.id = n.job_id
      WHERE n.simulation_id = a.simulation_id AND analysis_reads(n.type) = a.kind
        AND (a.kind = 'thermo' OR coalesce((n.spec ->> 'stage')::integer, a.stage) = a.stage)
        AND j.state IN ('blocked', 'queued', 'running'))
    WHEN a.kind = 'snapshot' THEN (SELECT min(j.id) FROM simulations c JOIN jobs j ON j.id = c.job_id
      WHERE (c.parent_id = a.simulation_id AND coalesce((c.spec -> 'initial' ->> 'stage')::integer, a.stage) = a.stage OR c.structure_id = a.id)
        AND j.state IN ('blocked', 'queued', 'running'))
  END
$$;
