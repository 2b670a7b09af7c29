"""What is asked of hardware and backends: the guarded calls of ports, and the readings
and events that come back."""
