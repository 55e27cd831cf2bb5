"""The benchmark: real loads of contender and baseline, in fresh processes, interleaved, beside raw COPY.

It measures and writes what it saw; what the samples are worth is in ``evidence/benchmark_verdict``.
"""
