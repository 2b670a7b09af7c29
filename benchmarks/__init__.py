"""What the stack costs: time per message, charge loops per second, CPU and memory
of a session, time to start.

``python -m benchmarks`` runs everything; ``README.md`` says what each figure means. Nothing here is a test:
figures depend on the machine, which is why every one of them names it.
"""
