//! Real redis-server processes, and faults on them, for tests, demonstrations and measurements.
