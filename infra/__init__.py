"""Everything around the app: its tables, queues and alarms, the way it is deployed, and a local cloud."""
