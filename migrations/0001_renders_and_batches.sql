-- Renders, and the batches that gather some of them. Ids compare byte by byte (collation C), so that
-- their order is the order of their making, and the order in which rows are locked.

CREATE TABLE renders (
    id text COLLATE "C" PRIMARY KEY,
    -- 1 when inserted, one more with each update: an update names the version it read.
    version bigint NOT NULL CHECK (version >= 1),
    -- What the customer asked for; never changed.
    user_id text COLLATE "C" NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    request jsonb NOT NULL,
    bucket integer NOT NULL CHECK (bucket BETWEEN 0 AND 9999),
    assigned text NOT NULL CHECK (assigned IN ('gemini', 'legacy')),
    accepted_at timestamptz NOT NULL,
    deadline_at timestamptz NOT NULL,
    give_up_at timestamptz NOT NULL,
    -- Where it is on its way.
    served text NOT NULL CHECK (served IN ('gemini', 'legacy')),
    lane text NOT NULL CHECK (lane IN ('online', 'batch')),
    entry text NOT NULL,
    status text NOT NULL
        CHECK (status IN ('accepted', 'queued', 'generating', 'succeeded', 'failed')),
    step text NOT NULL
        CHECK (step IN ('gemini', 'nano_banana', 'photo_maker', 'sdxl', 'upscale')),
    n bigint NOT NULL CHECK (n >= 1),
    run_until timestamptz NOT NULL,
    to_join boolean NOT NULL,
    google_failed boolean NOT NULL,
    interim jsonb,
    granted text,
    -- What is open for it, and what it owes: sends that are not made for certain.
    open_attempts text[] NOT NULL,
    owed jsonb NOT NULL CHECK (jsonb_typeof(owed) = 'array'),
    due_at timestamptz,
    -- Micro-dollars by attempt.
    costs jsonb NOT NULL CHECK (jsonb_typeof(costs) = 'object'),
    -- How it ended.
    picture jsonb,
    fidelity text CHECK (fidelity IN ('exact', 'described')),
    size text CHECK (size IN ('1k', '2k', '4k')),
    failure_code text CHECK (failure_code IN
        ('content_refused', 'provider_unavailable', 'budget_exhausted', 'timed_out')),
    ended_at timestamptz,

    CONSTRAINT renders_key_once UNIQUE (user_id, idempotency_key),
    CONSTRAINT renders_ended CHECK ((status IN ('succeeded', 'failed')) = (ended_at IS NOT NULL)),
    CONSTRAINT renders_succeeded CHECK (
        num_nonnulls(picture, fidelity, size) = CASE status WHEN 'succeeded' THEN 3 ELSE 0 END),
    CONSTRAINT renders_failed CHECK ((status = 'failed') = (failure_code IS NOT NULL)),
    CONSTRAINT renders_to_join CHECK (
        NOT to_join OR (lane = 'batch' AND step = 'gemini' AND ended_at IS NULL))
);

-- By user and time, for a customer's list and the hourly limit: ids begin with the time of acceptance.
CREATE INDEX renders_by_user_and_time ON renders (user_id, id DESC);
CREATE INDEX renders_due ON renders (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE gemini_batch_jobs (
    batch_id text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL CHECK (version >= 1),
    -- The key: what may share a batch.
    backend text NOT NULL
        CHECK (backend IN ('gemini-online', 'gemini-batch', 'vertex-predict', 'replicate')),
    model text NOT NULL,
    -- Ops are shown `open` and `sealed` as pending: nothing is bought yet.
    status text NOT NULL
        CHECK (status IN ('open', 'sealed', 'submitted', 'processing', 'completed', 'failed')),
    -- The provider's name for the job; kept after the job's end.
    job_name text,
    opened_at timestamptz NOT NULL,
    seal_at timestamptz NOT NULL,
    sealed_at timestamptz,
    seal_reason text CHECK (seal_reason IN ('count', 'time', 'bytes')),
    submitted_at timestamptz,
    processing_at timestamptz,
    ended_at timestamptz,
    -- `orders`: what was asked for. `outcomes`: what came of it, once known. It is written at each append,
    -- while others wait for the batch: as text, for jsonb costs them a parse.
    tracking json COMPRESSION lz4 NOT NULL,
    image_count integer NOT NULL CHECK (image_count >= 1),
    input_bytes bigint NOT NULL CHECK (input_bytes >= 0),
    cost_micros bigint NOT NULL CHECK (cost_micros >= 0),
    -- The class of the first failed outcome, where the batch failed.
    error text CHECK (error IS NULL OR status = 'failed'),
    retries bigint NOT NULL CHECK (retries >= 0),
    owes_send boolean NOT NULL,
    due_at timestamptz,

    CONSTRAINT batches_sealed CHECK (
        num_nonnulls(sealed_at, seal_reason) = CASE status WHEN 'open' THEN 0 ELSE 2 END),
    CONSTRAINT batches_submitted CHECK (
        status <> 'submitted' OR num_nonnulls(job_name, submitted_at) = 2),
    CONSTRAINT batches_processing CHECK (
        status <> 'processing' OR num_nonnulls(job_name, processing_at) = 2),
    CONSTRAINT batches_ended CHECK ((status IN ('completed', 'failed')) = (ended_at IS NOT NULL))
);

CREATE UNIQUE INDEX batches_one_open ON gemini_batch_jobs (backend, model) WHERE status = 'open';
CREATE INDEX batches_by_status ON gemini_batch_jobs (status, submitted_at);
CREATE INDEX batches_due ON gemini_batch_jobs (due_at) WHERE due_at IS NOT NULL;
