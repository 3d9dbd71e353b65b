"""The scripts that bring an older ledger up to date, one per version of the schema."""
