-- What must follow when a job changes state, whoever changes it and why: an event, a wake-up, and the children's turn.
-- Locks are taken from parent to child and among children by id, so that two ends never wait for each other.

CREATE FUNCTION jobs_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  child bigint;
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.state = OLD.state AND NEW.attempt = OLD.attempt THEN
    IF NEW.cancel_requested_at IS NOT NULL AND OLD.cancel_requested_at IS NULL THEN
      PERFORM pg_notify('quenchd_cancel', NEW.id::text);
      INSERT INTO job_events (job_id, kind, data)
        VALUES (NEW.id, 'state', jsonb_build_object('state', NEW.state, 'attempt', NEW.attempt, 'progress', NEW.progress,
                                                    'cancel_requested', true));
      PERFORM pg_notify('quenchd_event', NEW.id::text);
    ELSIF floor(NEW.progress * 100) <> floor(OLD.progress * 100) THEN
      INSERT INTO job_events (job_id, kind, data)
        VALUES (NEW.id, 'progress', jsonb_build_object('progress', NEW.progress));
      PERFORM pg_notify('quenchd_event', NEW.id::text);
    END IF;
    RETURN NULL;
  END IF;

  INSERT INTO job_events (job_id, kind, data)
    VALUES (NEW.id, 'state', jsonb_build_object('state', NEW.state, 'attempt', NEW.attempt, 'progress', NEW.progress)
                             || CASE WHEN NEW.worker <> '' THEN jsonb_build_object('worker', NEW.worker) ELSE '{}' END
                             || CASE WHEN NEW.error <> '' THEN jsonb_build_object('error', NEW.error) ELSE '{}' END);
  PERFORM pg_notify('quenchd_event', NEW.id::text);
  IF NEW.state = 'queued' THEN
    PERFORM pg_notify('quenchd_queue', '');
  END IF;

  IF NEW.state IN ('succeeded', 'failed', 'cancelled') THEN
    -- The lock comes in a statement of its own: the next one then sees what another parent's end has committed meanwhile.
    FOR child IN SELECT d.job_id FROM job_dependencies d WHERE d.parent_id = NEW.id ORDER BY d.job_id LOOP
      PERFORM 1 FROM jobs WHERE id = child FOR NO KEY UPDATE;
      IF NEW.state = 'succeeded' THEN
        UPDATE jobs SET state = 'queued', run_after = now()
          WHERE id = child AND state = 'blocked'
            AND NOT EXISTS (SELECT 1 FROM job_dependencies d JOIN jobs p ON p.id = d.parent_id
                            WHERE d.job_id = child AND p.state <> 'succeeded');
      ELSE
        UPDATE jobs SET state = 'failed', finished_at = now(), failed_by = NEW.id,
            error = format('it needed job %s (%s), which %s%s', NEW.id, NEW.kind,
                           CASE NEW.state WHEN 'failed' THEN 'failed' ELSE 'was cancelled' END,
                           CASE WHEN NEW.error <> '' THEN ': ' || NEW.error ELSE '' END)
          WHERE id = child AND state IN ('blocked', 'queued');
      END IF;
    END LOOP;
  END IF;
  RETURN NULL;
END $$;

CREATE TRIGGER jobs_changed AFTER INSERT OR UPDATE OF state, attempt, progress, cancel_requested_at ON jobs
  FOR EACH ROW EXECUTE FUNCTION jobs_changed();

CREATE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER job_events_append_only BEFORE UPDATE ON job_events FOR EACH ROW EXECUTE FUNCTION append_only();

-- Why a job waits, in a sentence; '' when it does not. The count of those ahead stops at 1000.
CREATE FUNCTION job_waiting(job jobs, counted boolean) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  parent record;
  ahead bigint;
BEGIN
  IF job.state = 'blocked' THEN
    SELECT p.id, p.kind, p.state INTO parent FROM job_dependencies d JOIN jobs p ON p.id = d.parent_id
      WHERE d.job_id = job.id AND p.state <> 'succeeded' ORDER BY p.id LIMIT 1;
    RETURN format('waits for job %s (%s), which is %s', parent.id, parent.kind, parent.state);
  ELSIF job.state <> 'queued' THEN
    RETURN '';
  ELSIF job.run_after > now() THEN
    RETURN format('tries again in %s s: attempt %s was lost', ceil(extract(epoch FROM job.run_after - now())), job.attempt);
  ELSIF NOT EXISTS (SELECT 1 FROM workers WHERE seen_at > now() - interval '15 s') THEN
    RETURN 'no worker is alive';
  ELSIF NOT counted THEN
    RETURN 'waits for a free worker';
  END IF;
  SELECT count(*) INTO ahead FROM
    (SELECT 1 FROM jobs WHERE state = 'queued' AND (priority > job.priority OR priority = job.priority AND id < job.id) LIMIT 1000) q;
  RETURN CASE ahead WHEN 0 THEN 'next in line for a free worker' WHEN 1 THEN 'one job is ahead of it'
                    WHEN 1000 THEN '1000 jobs or more are ahead of it' ELSE format('%s jobs are ahead of it', ahead) END;
END $$;
