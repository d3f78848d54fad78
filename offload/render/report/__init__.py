"""The report of a study: one document, written as HTML and as PDF."""
