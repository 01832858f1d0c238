"""The statements, written once for every back end that speaks SQL."""
