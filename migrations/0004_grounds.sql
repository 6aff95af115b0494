-- What the router went by when it accepted a render: null for rows from before, and from releases that
-- do not know the column. Ops are shown it, and what follows from it once more.
ALTER TABLE renders ADD COLUMN grounds jsonb;
