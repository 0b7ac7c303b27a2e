-- who fills the queue: digest of the credential; the address as it is counted
ALTER TABLE pending ADD COLUMN source BLOB NOT NULL DEFAULT x'';
ALTER TABLE pending ADD COLUMN net TEXT NOT NULL DEFAULT '';
CREATE INDEX pending_source ON pending (source);
CREATE INDEX pending_net ON pending (net);
