-- Leases that outlive an outage, losses that count only when nothing came of the attempt, the mark of the data directory, and what is to be
-- removed from it.

-- failures, from here on: attempts in a row that ended without a word of their own and without a new checkpoint, but for those that an outage of
-- the database explains. progress_peak, the furthest that a lost attempt came, takes the place of the checkpoint for analyses.
ALTER TABLE jobs
  ADD COLUMN lease_s double precision NOT NULL DEFAULT 10 CHECK (lease_s > 0),  -- how long a heartbeat keeps the job
  ADD COLUMN checkpoint_step bigint NOT NULL DEFAULT 0,                         -- of the furthest checkpoint
  ADD COLUMN claimed_checkpoint_step bigint NOT NULL DEFAULT 0,                 -- the same, when this attempt began
  ADD COLUMN losses integer NOT NULL DEFAULT 0,                                 -- as failures, whatever explains them
  ADD COLUMN hold_reason text NOT NULL DEFAULT '';                              -- why it was handed back, or lost, and waits for run_after

ALTER TABLE workers
  ADD COLUMN trouble text NOT NULL DEFAULT '',                                  -- why it claims no job
  ADD COLUMN host text NOT NULL DEFAULT '',                                     -- its kernel and process namespace: whoever shares
  ADD COLUMN pid integer NOT NULL DEFAULT 0,                                    --   them can see whether it still runs
  ADD COLUMN birth bigint NOT NULL DEFAULT 0;

-- The data directory of this database carries its id in a file, so that another one, or an empty mount point, is never taken for it.
CREATE TABLE data_directory (
  sole boolean PRIMARY KEY DEFAULT true CHECK (sole),
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  marked_at timestamptz                                          -- NULL: no directory carries it yet
);
INSERT INTO data_directory DEFAULT VALUES;

-- Folders of attempts that nobody needs any more: those up to `attempt`; when `kept` is set, of that one itself only what was there to resume it.
CREATE TABLE leftovers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  simulation_id bigint NOT NULL REFERENCES simulations (id) ON DELETE CASCADE,
  attempt integer NOT NULL,
  kept boolean NOT NULL,
  due_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX leftovers_due ON leftovers (due_at);

CREATE FUNCTION jobs_leave_files() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO leftovers (simulation_id, attempt, kept) SELECT id, NEW.attempt, NEW.state = 'succeeded' FROM simulations WHERE job_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER jobs_leave_files AFTER UPDATE OF state ON jobs FOR EACH ROW
  WHEN (NEW.kind = 'simulation' AND NEW.attempt > 0 AND NEW.state IN ('succeeded', 'cancelled') AND OLD.state <> NEW.state)
  EXECUTE FUNCTION jobs_leave_files();
