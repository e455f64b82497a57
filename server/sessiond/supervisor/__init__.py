"""Keeps processes that serve one port. It never loads gRPC, which does not outlive a fork.

supervisor.py   from the start to the stop: port, engine, signals, reloads
fleet.py        the workers of one generation: all have the same settings
keeper.py       keeps one worker alive
worker.py       one worker process
orders.py       what a supervisor and its workers tell each other
port.py         the address that the workers share
"""
