"""Tests against a real vLLM server: the CPU build, or the GPU where there is one."""
