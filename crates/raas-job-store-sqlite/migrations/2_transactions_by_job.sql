-- Transactions are found by the job they were made for.

ALTER TABLE transactions ADD COLUMN job TEXT NOT NULL DEFAULT '';
UPDATE transactions SET job = body ->> '$.purpose.job';
CREATE INDEX transactions_by_job ON transactions (job, seq);
