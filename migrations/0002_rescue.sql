-- Whether a Batch render is to be rescued from its batch, or was: null for rows from before, which are
-- not rescued. Releases that do not know the column leave it out of what they write, and so do not
-- change it.
ALTER TABLE renders ADD COLUMN rescue jsonb;
