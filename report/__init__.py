"""The report: its studies, its sources in Typst, and how both become one document."""
