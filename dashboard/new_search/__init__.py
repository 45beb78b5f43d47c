"""A new search: a form, the job file it writes, and launching it."""
