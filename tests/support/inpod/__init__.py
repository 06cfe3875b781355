"""Programs that run inside pods and containers: the standard library alone, sent on stdin."""
