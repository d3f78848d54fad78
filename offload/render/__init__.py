"""Results to text, tables and progress. The only importer of rich."""
