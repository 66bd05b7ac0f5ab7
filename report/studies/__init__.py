"""The studies of the report: what was run, judged and drawn with the library."""
