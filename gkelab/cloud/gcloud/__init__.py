"""`invoke gcloud -- compute ...`: gcloud's words, tables and flags, on Google's client library."""
