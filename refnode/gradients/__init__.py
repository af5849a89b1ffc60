"""dL/dz0, dL/dtheta, dL/dt of a solve: one file per method."""
