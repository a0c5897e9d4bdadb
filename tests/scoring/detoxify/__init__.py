"""Tests of the other scorer: they load torch, which takes seconds, so all run in one test process."""
