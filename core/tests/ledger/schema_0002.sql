BEGIN TRANSACTION;
CREATE TABLE deliveries (
	number INTEGER NOT NULL, 
	due_at DATETIME NOT NULL, 
	tries INTEGER NOT NULL, 
	CONSTRAINT pk_deliveries PRIMARY KEY (number), 
	CONSTRAINT fk_deliveries_number FOREIGN KEY(number) REFERENCES events (number)
);
INSERT INTO "deliveries" VALUES(6,'2030-01-02 03:19:06.678901',0);
CREATE TABLE events (
	number INTEGER NOT NULL, 
	"key" TEXT NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	occurred_at DATETIME NOT NULL, 
	recorded_at DATETIME NOT NULL, 
	provider TEXT, 
	account TEXT, 
	stream_id TEXT, 
	channel_id TEXT, 
	caused_by TEXT NOT NULL, 
	detail JSON NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (number), 
	CONSTRAINT uq_events_key UNIQUE ("key")
);
INSERT INTO "events" VALUES(1,'went-live:acme:4711%20eu:s1:2030-01-02T03%3A04%3A25.678901%2B00%3A00','went-live','2030-01-02 03:04:25.678901','2030-01-02 03:04:25.678901','acme','4711 eu','s1','42','platform','{}');
INSERT INTO "events" VALUES(2,'went-idle:acme:4711%20eu:s1:2030-01-02T03%3A06%3A25.678901%2B00%3A00','went-idle','2030-01-02 03:06:25.678901','2030-01-02 03:06:25.678901','acme','4711 eu','s1','42','platform','{}');
INSERT INTO "events" VALUES(3,'went-live:acme:4711%20eu:s9:2030-01-02T03%3A04%3A05.678901%2B00%3A00','went-live','2030-01-02 03:04:05.678901','2030-01-02 03:04:05.678901','acme','4711 eu','s9',NULL,'platform','{}');
INSERT INTO "events" VALUES(4,'went-idle:acme:4711%20eu:s9:2030-01-02T04%3A10%3A45.678901%2B00%3A00','went-idle','2030-01-02 04:10:45.678901','2030-01-02 04:10:45.678901','acme','4711 eu','s9',NULL,'platform','{}');
INSERT INTO "events" VALUES(5,'recording-deleted:acme:4711%20eu:r2','recording-deleted','2030-01-02 03:15:45.678901','2030-01-02 03:15:45.678901','acme','4711 eu','s1','42','web','{"recording_id": "r2"}');
INSERT INTO "events" VALUES(6,'budget:all:2030-01:50','budget-alert','2030-01-02 03:19:05.678901','2030-01-02 03:19:06.678901',NULL,NULL,NULL,NULL,'headend','{"spent": "100.00 USD"}');
CREATE TABLE headend_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT headend_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "headend_version" VALUES('0002');
CREATE TABLE idempotency_keys (
	provider TEXT NOT NULL, 
	account TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	marker VARCHAR(128) NOT NULL, 
	CONSTRAINT pk_idempotency_keys PRIMARY KEY (provider, account, "key"), 
	CONSTRAINT fk_idempotency_keys_marker FOREIGN KEY(marker) REFERENCES live_streams (marker)
);
INSERT INTO "idempotency_keys" VALUES('acme','4711 eu','k','headend-00112233445566aa-1');
CREATE TABLE ledger (
	id VARCHAR(32) NOT NULL, 
	created_at DATETIME NOT NULL, last_event INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_ledger PRIMARY KEY (id)
);
INSERT INTO "ledger" VALUES('00112233445566aa','2030-01-02 03:04:05.678901',6);
CREATE TABLE live_streams (
	marker VARCHAR(128) NOT NULL, 
	provider TEXT NOT NULL, 
	account TEXT NOT NULL, 
	channel_id TEXT NOT NULL, 
	name TEXT, 
	digest VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	stream_id TEXT, 
	reason TEXT, 
	delete_recordings BOOLEAN NOT NULL, 
	created_at DATETIME NOT NULL, 
	changed_at DATETIME NOT NULL, 
	owner TEXT NOT NULL, 
	lease_until DATETIME NOT NULL, terms JSON DEFAULT '{}' NOT NULL, 
	CONSTRAINT pk_live_streams PRIMARY KEY (marker)
);
INSERT INTO "live_streams" VALUES('headend-00112233445566aa-1','acme','4711 eu','42','Concert','d1','active','s1',NULL,0,'2030-01-02 03:04:05.678901','2030-01-02 03:04:14.678901','host:1','2030-01-02 03:05:05.678901','{}');
INSERT INTO "live_streams" VALUES('headend-00112233445566aa-2','acme','4711 eu','42','Concert','d1','creating',NULL,NULL,0,'2030-01-02 03:04:06.678901','2030-01-02 03:04:06.678901','host:1','2030-01-02 03:05:06.678901','{}');
INSERT INTO "live_streams" VALUES('headend-00112233445566aa-3','acme','4711 eu','42','Concert','d1','ended','s2',NULL,1,'2030-01-02 03:04:07.678901','2030-01-02 03:04:05.678901','host:1','2030-01-02 03:05:07.678901','{}');
INSERT INTO "live_streams" VALUES('headend-00112233445566aa-4','acme','4711 eu','42','Concert','d1','abandoned',NULL,'QuotaExceededError',0,'2030-01-02 03:04:08.678901','2030-01-02 03:04:05.678901','host:1','2030-01-02 03:05:08.678901','{}');
CREATE TABLE observed (
	id INTEGER NOT NULL, 
	provider TEXT NOT NULL, 
	account TEXT NOT NULL, 
	stream_id TEXT NOT NULL, 
	channel_id TEXT, 
	name TEXT, 
	at DATETIME, 
	state VARCHAR(16), 
	state_at DATETIME, 
	live_since DATETIME, 
	viewer_count INTEGER, 
	current_bitrate INTEGER, 
	peak_viewers INTEGER, 
	platform_peak INTEGER, 
	total_watch_time DOUBLE, 
	watched_at DATETIME, 
	sessions_as_of DATETIME, 
	recordings_as_of DATETIME, 
	CONSTRAINT pk_observed PRIMARY KEY (id), 
	CONSTRAINT uq_observed_provider_account_stream_id UNIQUE (provider, account, stream_id)
);
INSERT INTO "observed" VALUES(1,'acme','4711 eu','s1',NULL,'Concert','2030-01-02 03:06:25.678901','idle','2030-01-02 03:06:25.678901',NULL,NULL,NULL,5,5,200.0,'2030-01-02 03:06:25.678901','2030-01-02 03:14:05.678901','2030-01-02 03:14:05.678901');
INSERT INTO "observed" VALUES(2,'acme','4711 eu','s9',NULL,NULL,'2030-01-02 04:10:45.678901','idle','2030-01-02 04:10:45.678901',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE pacers (
	"key" TEXT NOT NULL, 
	next_slot DOUBLE NOT NULL, 
	granted DOUBLE NOT NULL, 
	shifted DOUBLE NOT NULL, 
	paused_until DOUBLE NOT NULL, 
	as_of DOUBLE NOT NULL, 
	waiting INTEGER NOT NULL, 
	CONSTRAINT pk_pacers PRIMARY KEY ("key")
);
INSERT INTO "pacers" VALUES('acme fp limit',1893553445.5,0.0,0.0,0.0,1893553445.25,0);
CREATE TABLE recordings (
	observed_id INTEGER NOT NULL, 
	recording_id TEXT NOT NULL, 
	seconds DOUBLE, 
	since DATETIME NOT NULL, 
	until DATETIME, 
	reach INTEGER NOT NULL, 
	CONSTRAINT pk_recordings PRIMARY KEY (observed_id, recording_id), 
	CONSTRAINT fk_recordings_observed_id FOREIGN KEY(observed_id) REFERENCES observed (id)
);
INSERT INTO "recordings" VALUES(1,'r1',122.0,'2030-01-02 03:06:35.678901',NULL,99);
INSERT INTO "recordings" VALUES(1,'r2',NULL,'2030-01-02 03:14:05.678901','2030-01-02 03:15:45.678901',0);
CREATE TABLE samples (
	at DATETIME NOT NULL, 
	observed_id INTEGER NOT NULL, 
	state VARCHAR(16), 
	viewer_count INTEGER, 
	current_bitrate INTEGER, 
	peak_viewers INTEGER, 
	total_watch_time DOUBLE, 
	CONSTRAINT pk_samples PRIMARY KEY (at, observed_id), 
	CONSTRAINT fk_samples_observed_id FOREIGN KEY(observed_id) REFERENCES observed (id)
);
INSERT INTO "samples" VALUES('2030-01-02 03:04:25.678901',1,'live',3,800,3,0.0);
INSERT INTO "samples" VALUES('2030-01-02 03:05:25.678901',1,'live',5,800,5,100.0);
INSERT INTO "samples" VALUES('2030-01-02 03:06:25.678901',1,'idle',NULL,NULL,NULL,200.0);
INSERT INTO "samples" VALUES('2030-01-02 03:04:05.678901',2,'live',NULL,NULL,NULL,NULL);
INSERT INTO "samples" VALUES('2030-01-02 04:10:45.678901',2,'idle',NULL,NULL,NULL,NULL);
CREATE TABLE sessions (
	observed_id INTEGER NOT NULL, 
	session_id TEXT NOT NULL, 
	started_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	height INTEGER, 
	frame_rate DOUBLE, 
	reach INTEGER NOT NULL, 
	CONSTRAINT pk_sessions PRIMARY KEY (observed_id, session_id), 
	CONSTRAINT fk_sessions_observed_id FOREIGN KEY(observed_id) REFERENCES observed (id)
);
INSERT INTO "sessions" VALUES(1,'a','2030-01-02 03:04:23.678901','2030-01-02 03:06:25.678901',720,30.0,0);
INSERT INTO "sessions" VALUES(1,'b','2030-01-02 03:12:25.678901',NULL,NULL,NULL,99);
CREATE TABLE unseen (
	observed_id INTEGER NOT NULL, 
	since DATETIME NOT NULL, 
	until DATETIME NOT NULL, 
	reach INTEGER NOT NULL, 
	CONSTRAINT pk_unseen PRIMARY KEY (observed_id, since), 
	CONSTRAINT fk_unseen_observed_id FOREIGN KEY(observed_id) REFERENCES observed (id)
);
INSERT INTO "unseen" VALUES(2,'2030-01-02 03:04:05.678901','2030-01-02 04:10:45.678901',0);
CREATE TABLE usage (
	start DATETIME NOT NULL, 
	observed_id INTEGER NOT NULL, 
	live_seconds DOUBLE NOT NULL, 
	uncounted_seconds DOUBLE NOT NULL, 
	viewer_seconds DOUBLE, 
	watch_seconds DOUBLE, 
	ingest_bytes DOUBLE, 
	delivered_bytes DOUBLE, 
	peak_viewers INTEGER, 
	platform_peak INTEGER, 
	CONSTRAINT pk_usage PRIMARY KEY (start, observed_id), 
	CONSTRAINT fk_usage_observed_id FOREIGN KEY(observed_id) REFERENCES observed (id)
);
INSERT INTO "usage" VALUES('2030-01-02 03:00:00.000000',1,120.0,0.0,480.0,200.0,12000.0,48000.0,5,5);
CREATE INDEX ix_live_streams_provider_account_state ON live_streams (provider, account, state);
CREATE INDEX ix_live_streams_provider_account_stream_id ON live_streams (provider, account, stream_id);
CREATE INDEX ix_events_occurred_at ON events (occurred_at);
CREATE INDEX ix_events_kind_number ON events (kind, number);
CREATE INDEX ix_events_stream_id_number ON events (stream_id, number);
CREATE INDEX ix_observed_at ON observed (at);
CREATE INDEX ix_observed_live_since ON observed (live_since);
CREATE INDEX ix_sessions_reach_started_at ON sessions (reach, started_at);
CREATE INDEX ix_recordings_reach_since ON recordings (reach, since);
CREATE INDEX ix_recordings_recording_id ON recordings (recording_id);
CREATE INDEX ix_unseen_reach_since ON unseen (reach, since);
COMMIT;
