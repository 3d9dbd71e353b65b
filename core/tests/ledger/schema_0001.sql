BEGIN TRANSACTION;
CREATE TABLE headend_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT headend_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "headend_version" VALUES('0001');
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
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_ledger PRIMARY KEY (id)
);
INSERT INTO "ledger" VALUES('00112233445566aa','2030-01-02 03:04:05.678901');
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
	lease_until DATETIME NOT NULL, 
	CONSTRAINT pk_live_streams PRIMARY KEY (marker)
);
INSERT INTO "live_streams" VALUES('headend-00112233445566aa-1','acme','4711 eu','42','Concert','d1','active','s1',NULL,0,'2030-01-02 03:04:05.678901','2030-01-02 03:04:14.678901','host:1','2030-01-02 03:05:05.678901');
INSERT INTO "live_streams" VALUES('headend-00112233445566aa-2','acme','4711 eu','42','Concert','d1','creating',NULL,NULL,0,'2030-01-02 03:04:06.678901','2030-01-02 03:04:06.678901','host:1','2030-01-02 03:05:06.678901');
INSERT INTO "live_streams" VALUES('headend-00112233445566aa-3','acme','4711 eu','42','Concert','d1','ended','s2',NULL,1,'2030-01-02 03:04:07.678901','2030-01-02 03:04:05.678901','host:1','2030-01-02 03:05:07.678901');
INSERT INTO "live_streams" VALUES('headend-00112233445566aa-4','acme','4711 eu','42','Concert','d1','abandoned',NULL,'QuotaExceededError',0,'2030-01-02 03:04:08.678901','2030-01-02 03:04:05.678901','host:1','2030-01-02 03:05:08.678901');
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
CREATE INDEX ix_live_streams_provider_account_state ON live_streams (provider, account, state);
CREATE INDEX ix_live_streams_provider_account_stream_id ON live_streams (provider, account, stream_id);
COMMIT;
