-- What customers thought of their pictures: one rating a render, gone with it.
CREATE TABLE ratings (
    render_id text COLLATE "C" PRIMARY KEY REFERENCES renders (id) ON DELETE CASCADE,
    user_id text COLLATE "C" NOT NULL,
    rating smallint NOT NULL CHECK (rating BETWEEN 1 AND 5),
    at timestamptz NOT NULL
);

-- What ops and the rollout did, and why; rows are only ever added.
CREATE TABLE ops_audit (
    id text COLLATE "C" PRIMARY KEY,
    at timestamptz NOT NULL,
    -- Who: a caller of the ops routes, or a function of ours.
    actor text NOT NULL,
    -- What, by its `kind`, and what it changed.
    act jsonb NOT NULL CHECK (jsonb_typeof(act -> 'kind') = 'string'),
    reason text NOT NULL,
    evidence jsonb NOT NULL
);

CREATE INDEX ops_audit_by_time ON ops_audit (at DESC, id DESC);

-- Whose picture it is and what it was gathered with, for the gates; null for rows from before, which are
-- not evidence. Releases that do not know the column leave it out of what they write.
ALTER TABLE renders ADD COLUMN course jsonb;
