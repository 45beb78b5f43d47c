"""One architecture: drawn, counted, timed, exported."""
