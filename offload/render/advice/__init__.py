"""An advice as text, JSON and plots."""
