"""Continuous normalizing flows (section 4 and Appendix A): densities carried along by differential equations."""
