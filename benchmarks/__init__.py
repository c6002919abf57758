"""What runstore costs, beside what others cost, on the same calls in one run of the program.

`python -m benchmarks` measures a generated workload; `--data DIR` measures recorded ones. Every figure is a ratio of two things
measured together, or a cost of the processor, so that it says the same on another machine. Nothing here is a test: a slow figure is
reported as short of its target, never as a failure.
"""
