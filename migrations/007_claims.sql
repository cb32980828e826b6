-- Claims that are made while every core computes.

-- As before. In PL/pgSQL its plan is kept; a function in SQL that is not inlined is planned at every call, which took a fifth of a claim.
CREATE OR REPLACE FUNCTION job_last_user() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN coalesce((SELECT submitted_by FROM jobs WHERE claimed_at IS NOT NULL ORDER BY claimed_at DESC LIMIT 1), '');
END $$;
