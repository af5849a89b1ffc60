"""The paper's experiments at the size of a laptop: one file each, called by `refnode paper`."""
