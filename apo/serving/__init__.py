"""A local vLLM server for as long as somebody uses it: fetch weights, start, share, stop."""
