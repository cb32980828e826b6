-- Who may do what, what they did, and requests that are safe to repeat.

CREATE TYPE token_scope AS ENUM ('read', 'submit', 'admin');

CREATE TABLE tokens (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL CHECK (name <> ''),
  scope token_scope NOT NULL,
  sha256 bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),  -- of the token; the token itself is kept nowhere
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz
);
CREATE UNIQUE INDEX tokens_live_name ON tokens (name) WHERE revoked_at IS NULL;

CREATE TABLE idempotency_keys (
  principal text NOT NULL,
  key text NOT NULL CHECK (key <> ''),
  body_sha256 text NOT NULL,
  job_id bigint NOT NULL REFERENCES jobs (id),
  resource_id bigint NOT NULL,
  created boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  principal text NOT NULL,
  token_id bigint,
  action text NOT NULL,
  resource text NOT NULL,
  resource_id bigint,
  detail jsonb NOT NULL DEFAULT '{}'
);
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION append_only();
