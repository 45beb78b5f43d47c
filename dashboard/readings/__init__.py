"""What each page reads: one file per page, each a frozen value and the function that reads it."""
