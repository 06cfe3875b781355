"""`invoke trace`: one real probe, what was seen of it on its way, and what decided its fate."""
