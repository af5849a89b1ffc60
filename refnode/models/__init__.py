"""Networks, small and plain: functions of their input and their parameters."""
